"""OSMO's credentials are made from the user's secrets, and mended whatever happens on the way; who gets which."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from vda_assets.config.deployment import Deployment
from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets.osmo.auth import DevUserAuth
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.credentials import GenericCredential, RegistryCredential
from vda_assets.osmo.models import CredentialEntry
from vda_assets.readiness.credentials import Replace, ensure_credentials, worker_credentials
from vda_assets.readiness.finding import Finding, Level
from vda_assets.readiness.secrets import Secrets, find_secrets
from vda_assets_tests.embedded.service.conftest import settings_below
from vda_assets_tests.osmo.passing_on import Fault, passing_on
from vda_assets_tests.osmo.service import Asked, Reply, Service

BOTH = find_secrets({"HF_TOKEN": "hf_0123456789", "NGC_API_KEY": "nvapi-0123456789"})
MADE = {"hf_token": ("GENERIC", None), "nvcr_io": ("REGISTRY", "nvcr.io")}


@pytest.fixture
def osmo(tmp_path: Path) -> Iterator[EmbeddedOsmo]:
    with EmbeddedOsmo(settings_below(tmp_path)) as osmo:
        yield osmo


@pytest.fixture
def client(osmo: EmbeddedOsmo) -> Iterator[OsmoClient]:
    with client_of(osmo.url) as client:
        yield client


def client_of(url: str) -> OsmoClient:
    return OsmoClient(url, DevUserAuth("somebody"), retry_budget_seconds=5)


def ensure(client: OsmoClient, secrets: Secrets = BOTH, replace: Replace = Replace.NONE, *needed: str) -> list[Finding]:
    return list(ensure_credentials(client, secrets, replace=replace, needed=needed).findings)


def ensure_through(
    osmo: EmbeddedOsmo, fault: Fault, replace: Replace = Replace.SUPPLIED
) -> tuple[list[Finding], Service]:
    with passing_on(osmo.url, fault) as way, client_of(way.url) as client:
        return ensure(client, BOTH, replace), way


def there(client: OsmoClient) -> dict[str, tuple[str, str | None]]:
    return {one.name: (one.type, one.profile) for one in client.credentials()}


def writes(way: Service) -> list[tuple[str, str]]:
    return [(asked.method, asked.path.rpartition("/")[2]) for asked in way.asked if asked.method != "GET"]


def test_what_osmo_lacks_is_made(osmo: EmbeddedOsmo, client: OsmoClient) -> None:
    findings, way = ensure_through(osmo, lambda asked, pass_on: pass_on(), Replace.NONE)
    assert [finding.message for finding in findings] == [
        "hf_token of OSMO was made from HF_TOKEN",
        "nvcr_io of OSMO was made from NGC_API_KEY",
    ]
    assert there(client) == MADE
    assert [asked.json for asked in way.asked if asked.method == "POST"] == [
        {"generic_credential": {"credential": {"token": "hf_0123456789", "HF_TOKEN": "hf_0123456789"}}},
        {"registry_credential": {"registry": "nvcr.io", "username": "$oauthtoken", "auth": "nvapi-0123456789"}},
    ]


@pytest.mark.parametrize(
    ("replace", "from_file", "replaced"),
    [
        (Replace.NONE, False, False),
        (Replace.SUPPLIED, False, True),
        (Replace.SUPPLIED, True, False),
        (Replace.KNOWN, True, True),
    ],
)
def test_what_osmo_has_is_replaced_where_a_secret_was_supplied_or_a_refresh_is_asked_for(
    osmo: EmbeddedOsmo, client: OsmoClient, tmp_path: Path, replace: Replace, from_file: bool, replaced: bool
) -> None:
    ensure(client)
    (tmp_path / "token").write_text("hf_new")
    secrets = find_secrets({"HF_TOKEN_PATH": str(tmp_path / "token")} if from_file else {"HF_TOKEN": "hf_new"})
    with passing_on(osmo.url) as way, client_of(way.url) as seen:
        hf, ngc = ensure(seen, secrets, replace)
    assert writes(way) == ([("DELETE", "hf_token"), ("POST", "hf_token")] if replaced else [])
    assert ("was replaced" in hf.message) is replaced
    assert ngc.message == "OSMO has nvcr_io"
    assert there(client) == MADE


def test_without_secrets_only_what_is_needed_stops(client: OsmoClient) -> None:
    assert [finding.level for finding in ensure(client, Secrets())] == [Level.NOTE, Level.NOTE]
    hf, ngc = ensure(client, Secrets(), Replace.KNOWN, "hf_token")
    assert (hf.level, ngc.level) == (Level.BLOCKING, Level.NOTE)
    assert hf.message.startswith("set HF_TOKEN to a token of huggingface.co")
    _, ngc = ensure(client, Secrets(), Replace.NONE, "nvcr_io")
    assert ngc.level is Level.BLOCKING
    assert ngc.message.startswith("set NGC_API_KEY")


def test_a_credential_for_nvidias_registry_keeps_its_own_name(client: OsmoClient) -> None:
    client.set_credential("ours", RegistryCredential(registry="nvcr.io", auth=SecretStr("old")))
    assert ensure(client)[1].message == "OSMO has ours"
    assert ensure(client, BOTH, Replace.SUPPLIED)[1].message == "ours of OSMO was replaced from NGC_API_KEY"
    assert there(client) == {"hf_token": MADE["hf_token"], "ours": MADE["nvcr_io"]}
    assert "ours" in worker_credentials(deployment(), client.credentials())


def test_a_credential_of_another_kind_is_not_overwritten(client: OsmoClient) -> None:
    client.set_credential("nvcr_io", GenericCredential(credential={"auth": SecretStr("mine")}))
    client.set_credential("hf_token", RegistryCredential(registry="hf.example.com", auth=SecretStr("mine")))
    before = there(client)
    hf, ngc = ensure(client, BOTH, Replace.KNOWN, "hf_token")
    assert (hf.level, ngc.level) == (Level.BLOCKING, Level.NOTE)
    assert hf.message.startswith("run `osmo credential delete hf_token`")
    assert there(client) == before
    assert worker_credentials(deployment(), client.credentials()) == {}


# What may happen to the calls that replace hf_token


def is_set(asked: Asked) -> bool:
    return (asked.method, asked.path) == ("POST", "/api/credentials/hf_token")


def once(fault: Fault, to: Callable[[Asked], bool] = is_set) -> Fault:
    """The fault to the first such call, and none to any other."""
    done: list[Asked] = []

    def at_first(asked: Asked, pass_on: Callable[[], Reply]) -> Reply:
        if done or not to(asked):
            return pass_on()
        done.append(asked)
        return fault(asked, pass_on)

    return at_first


def is_lost(_: Asked, pass_on: Callable[[], Reply]) -> Reply:
    pass_on()
    return Reply(hang_up=True)


@pytest.mark.parametrize(
    "fault",
    [
        once(lambda asked, pass_on: Reply({}, 503)),
        once(lambda asked, pass_on: Reply({}, 500)),
        once(lambda asked, pass_on: Reply(hang_up=True)),
        once(is_lost),
        once(is_lost, lambda asked: asked.method == "DELETE"),
        once(is_lost, lambda asked: (asked.method, asked.path) == ("POST", "/api/credentials/nvcr_io")),
    ],
    ids=["503", "500", "never arrived", "answer lost", "answer to the delete lost", "answer of the registry's lost"],
)
def test_a_call_that_fails_on_the_way_is_mended_at_once(osmo: EmbeddedOsmo, client: OsmoClient, fault: Fault) -> None:
    ensure(client)
    findings, _ = ensure_through(osmo, fault)
    assert [finding.level for finding in findings] == [Level.READY, Level.READY]
    assert all("was replaced" in finding.message for finding in findings)
    assert there(client) == MADE


def test_one_that_is_refused_after_the_old_one_went_is_said_and_made_by_the_next_run(
    osmo: EmbeddedOsmo, client: OsmoClient
) -> None:
    ensure(client)
    refusal = Reply({"message": "hf_0123456789 is not welcome", "error_code": "USER"}, 400)
    (hf, _), _ = ensure_through(osmo, lambda asked, pass_on: refusal if is_set(asked) else pass_on())
    assert hf.level is Level.BLOCKING
    assert hf.message == (
        "correct HF_TOKEN, then run `vda preflight`: OSMO does not take it as hf_token: [secret] is not welcome; "
        "OSMO has none now, since the old one had to be deleted before"
    )
    assert "hf_token" not in there(client)
    assert ensure(client)[0].message == "hf_token of OSMO was made from HF_TOKEN"


def test_a_process_that_is_killed_between_delete_and_set_leaves_what_the_next_one_mends(
    osmo: EmbeddedOsmo, client: OsmoClient
) -> None:
    ensure(client)
    script = (
        "import sys; from vda_assets_tests.readiness.test_credentials import *\n"
        "ensure(client_of(sys.argv[1]), BOTH, Replace.SUPPLIED)"
    )
    started: list[subprocess.Popen[bytes]] = []

    def killing(asked: Asked, pass_on: Callable[[], Reply]) -> Reply:
        if is_set(asked):
            started[0].kill()
            return Reply(hang_up=True)
        return pass_on()

    with passing_on(osmo.url, killing) as way:
        started.append(subprocess.Popen([sys.executable, "-c", script, way.url]))
        assert started[0].wait(60) < 0
    assert set(there(client)) == {"nvcr_io"}
    assert ensure(client)[0].message == "hf_token of OSMO was made from HF_TOKEN"
    assert there(client) == MADE


def test_a_key_that_osmo_does_not_take_is_said_once_and_the_old_one_stays(
    osmo: EmbeddedOsmo, client: OsmoClient
) -> None:
    ensure(client)
    refusal = Reply({"message": "Registry authentication failed for nvcr.io", "error_code": "CREDENTIAL"}, 400)
    findings, way = ensure_through(
        osmo, lambda asked, pass_on: refusal if asked.path.endswith("nvcr_io") else pass_on()
    )
    assert (findings[1].level, findings[1].message) == (
        Level.NOTE,
        "correct NGC_API_KEY, then run `vda preflight`: OSMO does not take it as nvcr_io: "
        "Registry authentication failed for nvcr.io; the old one stays",
    )
    assert writes(way).count(("POST", "nvcr_io")) == 1
    assert there(client) == MADE


@pytest.mark.parametrize("replace", [Replace.NONE, Replace.SUPPLIED])
def test_several_at_once_leave_one_of_each(osmo: EmbeddedOsmo, client: OsmoClient, replace: Replace) -> None:
    with ThreadPoolExecutor(8) as threads:
        every = list(threads.map(lambda _: ensure(client, BOTH, replace), range(8)))
    assert there(client) == MADE
    if replace is Replace.NONE:
        assert {finding.level for findings in every for finding in findings} == {Level.READY}


# Who gets which

HF = CredentialEntry(cred_name="hf_token", cred_type="GENERIC")
NGC = CredentialEntry(cred_name="nvcr_io", cred_type="REGISTRY", profile="nvcr.io")
OTHERS = CredentialEntry(cred_name="team", cred_type="REGISTRY", profile="registry.example.com")
OWN_KEY = {"api_key_env": "MY_KEY"}
TO_BOTH = {"NGC_CLI_API_KEY": "auth", "VLM_API_KEY": "auth", "LLM_API_KEY": "auth"}


def deployment(vlm: str = "", llm: str = "", *, own: dict[str, str] | None = None, **task_credentials) -> Deployment:
    """`own` is what the VLM's endpoint says besides."""
    endpoints = {
        role: {"url": url, "model": "m", **(own or {} if role == "vlm" else {})}
        for role, url in {"vlm": vlm, "llm": llm}.items()
        if url
    }
    osmo = {"url": "http://osmo.example.com"}
    return Deployment.model_validate({"osmo": osmo, "endpoints": endpoints, "task_credentials": task_credentials})


@pytest.mark.parametrize(
    ("listed", "given"),
    [
        ([HF, NGC], {"hf_token": {"HUGGING_FACE_HUB_TOKEN": "token"}, "nvcr_io": TO_BOTH}),
        ([HF, OTHERS], {"hf_token": {"HUGGING_FACE_HUB_TOKEN": "token"}}),
        ([NGC], {"nvcr_io": TO_BOTH}),
        ([OTHERS], {}),
    ],
)
def test_workers_get_what_osmo_has_of_the_two(listed: list[CredentialEntry], given: dict) -> None:
    assert worker_credentials(deployment(), listed) == given


@pytest.mark.parametrize(
    ("url", "may_see_it"),
    [
        ("http://qwen3-vl.osmo-nims.svc.cluster.local:8000/v1", True),
        ("http://qwen3-vl.osmo-nims.svc:8000/v1", True),
        ("https://integrate.api.nvidia.com/v1", True),
        ("https://Integrate.API.Nvidia.com./v1", True),
        ("https://api.openai.com/v1", False),
        ("https://evilnvidia.com/v1", False),
        ("https://nvidia.com.example.com/v1", False),
        ("https://svc.example.com/v1", False),
        ("http://10.0.0.7:8000/v1", False),
        ("http://localhost:8000/v1", False),
    ],
)
def test_the_key_of_ngc_is_for_nvidias_hosts_and_the_clusters_alone(url: str, may_see_it: bool) -> None:
    given = worker_credentials(deployment(vlm=url), [NGC])["nvcr_io"]
    assert ("VLM_API_KEY" in given, "LLM_API_KEY" in given) == (may_see_it, True)


def test_an_endpoint_with_a_key_of_its_own_gets_no_other() -> None:
    given = worker_credentials(deployment(vlm="https://vlm.nvidia.com/v1", own=OWN_KEY), [NGC])
    assert given == {"nvcr_io": {"NGC_CLI_API_KEY": "auth", "LLM_API_KEY": "auth"}}


@pytest.mark.parametrize(
    ("own", "given"),
    [
        ({"hf_token": {"HF_TOKEN": "token"}}, {"hf_token": {"HF_TOKEN": "token"}, "nvcr_io": TO_BOTH}),
        ({"nvcr_io": {"KEY": "auth"}}, {"hf_token": {"HUGGING_FACE_HUB_TOKEN": "token"}, "nvcr_io": {"KEY": "auth"}}),
        (
            {"openai": {"VLM_API_KEY": "key"}, "mine": {"HUGGING_FACE_HUB_TOKEN": "t"}},
            {
                "nvcr_io": {"NGC_CLI_API_KEY": "auth", "LLM_API_KEY": "auth"},
                "openai": {"VLM_API_KEY": "key"},
                "mine": {"HUGGING_FACE_HUB_TOKEN": "t"},
            },
        ),
    ],
)
def test_what_a_deployment_names_itself_wins(own: dict, given: dict) -> None:
    assert worker_credentials(deployment(**own), [HF, NGC]) == given
