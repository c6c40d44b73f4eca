"""The endpoints that the containers ask: real ones over HTTP, and NIMs of a cluster whose time is simulated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from vda_assets.config.deployment import Deployment, Endpoint, Endpoints, OsmoConnection, Role
from vda_assets.nims import manifests
from vda_assets.nims.catalogue import QWEN3_VL
from vda_assets.nims.deploying import Keys
from vda_assets.readiness.endpoints import check_endpoint, repair_endpoints
from vda_assets.readiness.finding import Finding, Level
from vda_assets.readiness.served_models import ask_for_models
from vda_assets_tests.kubernetes_api import KubernetesApi, serving_kubernetes, write_kubeconfig
from vda_assets_tests.model_endpoint import ModelEndpoint, serving_models
from vda_assets_tests.simulated_clock import SimulatedClock

NGC_KEY = SecretStr("nvapi-0123456789")
KEYS = Keys(NGC_KEY, SecretStr("hf_0123456789"))
NOBODY = "http://127.0.0.1:9/v1"


def deployment(vlm: str | None = None, api_key_env: str | None = None, model: str = "some/model") -> Deployment:
    """With an external VLM, or with the NIMs of the cluster alone."""
    given = {"vlm": Endpoint(url=vlm, model=model, api_key_env=api_key_env)} if vlm else {}
    return Deployment(osmo=OsmoConnection(url="http://osmo.example.com"), endpoints=Endpoints(**given))


def check(url: str, api_key_env: str | None = None, model: str = "some/model", **environment: str) -> Finding:
    given = deployment(url, api_key_env, model)
    return check_endpoint(given, Role.VLM, ngc_key=NGC_KEY, environment=environment)


@pytest.fixture
def endpoint() -> Iterator[ModelEndpoint]:
    with serving_models(ModelEndpoint()) as endpoint:
        yield endpoint


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/models/", "/v1/chat/completions?x=1", "/v1/v1", "//v1//", "/ui"])
def test_every_form_of_a_url_leads_to_the_endpoint(endpoint: ModelEndpoint, path: str) -> None:
    finding = check(endpoint.url + path)
    assert (finding.level, finding.message) == (Level.READY, f"{endpoint.url}/v1 serves some/model")


def test_an_external_endpoint_never_gets_the_ngc_key(endpoint: ModelEndpoint) -> None:
    check(endpoint.url)
    check(endpoint.url + "/ui")
    repair_endpoints(deployment(endpoint.url), [Role.VLM], keys=KEYS, log=print, environment={})
    assert set(endpoint.keys) == {None}


def test_an_external_endpoint_gets_the_key_that_the_deployment_names(endpoint: ModelEndpoint) -> None:
    endpoint.key = "team-0123456789"
    finding = check(endpoint.url, "TEAM_KEY", TEAM_KEY="team-0123456789", NGC_API_KEY="nvapi-0123456789")
    assert finding.level is Level.READY
    assert endpoint.keys == ["Bearer team-0123456789"]


@pytest.mark.parametrize(
    ("api_key_env", "environment", "level", "said"),
    [
        (None, {}, Level.BLOCKING, "name the variable with the key of"),
        ("TEAM_KEY", {}, Level.NOTE, "was not checked: TEAM_KEY, its key, is not set here"),
        ("TEAM_KEY", {"TEAM_KEY": "wrong-0123456789"}, Level.BLOCKING, "correct the key in TEAM_KEY"),
    ],
)
def test_a_key_that_is_missing_or_wrong_is_told_by_the_name_of_its_variable(
    endpoint: ModelEndpoint, api_key_env: str | None, environment: dict[str, str], level: Level, said: str
) -> None:
    endpoint.key = "team-0123456789"
    finding = check(endpoint.url, api_key_env, **environment)
    assert finding.level is level
    assert said in finding.message
    assert "0123456789" not in finding.message


def test_a_key_does_not_follow_a_redirect(endpoint: ModelEndpoint) -> None:
    with serving_models(ModelEndpoint()) as elsewhere:
        endpoint.redirect = f"{elsewhere.url}/v1/models?token=t"
        finding = check(endpoint.url, "TEAM_KEY", TEAM_KEY="team-0123456789")
        assert elsewhere.asked == []
    assert finding.level is Level.BLOCKING
    assert f"it redirects to {elsewhere.url}/v1/models, which is not followed" in finding.message


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({"models": ()}, Level.BLOCKING, "it lists no model"),
        ({"base": "/elsewhere"}, Level.BLOCKING, "HTTP 404"),
        ({"body": b"<html>"}, Level.BLOCKING, "its answer is no list of models"),
        ({"body": b"[" * 100_000}, Level.BLOCKING, "its answer is no list of models"),
        ({"body": b'{"data": [{"name": "x"}]}'}, Level.BLOCKING, "its answer is no list of models"),
        ({"body": b" " * 100_000_000}, Level.BLOCKING, "its list is longer than 4 MiB"),
        ({"status": 503}, Level.NOTE, "HTTP 503"),
        ({"status": 429}, Level.NOTE, "HTTP 429"),
    ],
)
def test_an_endpoint_without_a_model_blocks_unless_it_may_come(
    endpoint: ModelEndpoint, changes: dict[str, Any], level: Level, said: str
) -> None:
    for name, value in changes.items():
        setattr(endpoint, name, value)
    finding = check(endpoint.url)
    assert finding.level is level
    assert said in finding.message


def test_an_answer_that_trickles_in_is_given_up(endpoint: ModelEndpoint) -> None:
    endpoint.trickle_seconds = 0.05
    answer = ask_for_models(endpoint.url + "/v1", None, answer_seconds=0.3)
    assert (answer.status, answer.models, answer.trouble) == (None, (), "ReadTimeout")


def test_another_model_than_the_wanted_one_is_told(endpoint: ModelEndpoint) -> None:
    assert check(endpoint.url, model="wanted/model").message.endswith("serves some/model instead of wanted/model")
    endpoint.models = ("some/model", "wanted/model")
    assert check(endpoint.url, model="wanted/model").message.endswith("serves wanted/model")


# NIMs of the cluster


@pytest.fixture
def api() -> Iterator[KubernetesApi]:
    with serving_kubernetes(KubernetesApi(SimulatedClock())) as api:
        yield api


@pytest.fixture
def environment(api: KubernetesApi, tmp_path: Path) -> dict[str, str]:
    return {"KUBECONFIG": str(write_kubeconfig(tmp_path / "kubeconfig", cluster=api.url))}


def repair(
    api: KubernetesApi, environment: dict[str, str], given: Deployment | None = None, **more: Any
) -> list[Finding]:
    more = {"keys": KEYS, "log": lambda _: None, "clock": api.clock, "environment": environment} | more
    return repair_endpoints(given or deployment(), [Role.VLM, Role.LLM], **more)


def test_cold_nims_are_deployed_and_found_ready(api: KubernetesApi, environment: dict[str, str]) -> None:
    before = check_endpoint(deployment(), Role.VLM, environment=environment)
    assert (before.level, before.message) == (Level.COLD, "the NIM qwen3-vl in osmo-nims does not serve: missing")
    assert api.writes == []
    findings = repair(api, environment)
    assert [(one.subject, one.level) for one in findings] == [
        ("endpoint vlm", Level.READY),
        ("endpoint llm", Level.READY),
    ]
    assert findings[0].message == "the NIM qwen3-vl in osmo-nims is Ready; not reached from here"
    # Once more, and nothing is written.
    api.requests.clear()
    assert repair(api, environment) == findings
    assert api.writes == []


def test_a_ready_nim_of_another_spec_is_said_to_be_left_alone(api: KubernetesApi, environment: dict[str, str]) -> None:
    api.weights.add("qwen3-vl")
    api.put("secrets", manifests.ngc_secrets(NGC_KEY)[0])
    manifest = manifests.service(QWEN3_VL)
    manifest["spec"]["resources"] = {"limits": {"nvidia.com/gpu": 2}}
    api.put("nimservices", manifest)
    api.settle()
    finding = check_endpoint(deployment(), Role.VLM, environment=environment)
    assert finding.level is Level.READY
    assert finding.message.endswith("is Ready; not reached from here. Its spec is not this project's, it is left alone")


def test_one_nim_that_two_roles_ask_is_brought_up_for_both(api: KubernetesApi, environment: dict[str, str]) -> None:
    vlm = Endpoints().vlm
    both = deployment().model_copy(update={"endpoints": Endpoints(vlm=vlm, llm=vlm)})
    assert [one.level for one in repair(api, environment, both)] == [Level.READY, Level.READY]
    assert api.of("nimservices").keys() == {"qwen3-vl"}


def test_an_external_endpoint_is_never_deployed(api: KubernetesApi, environment: dict[str, str]) -> None:
    vlm, llm = repair(api, environment, deployment(NOBODY))
    assert vlm.message == f"the vlm at {NOBODY} does not answer here (ConnectError); workers wait for it"
    assert (vlm.level, llm.level) == (Level.NOTE, Level.READY)
    assert api.of("nimservices").keys() == {"qwen25-14b"}


def test_what_keeps_a_nim_from_serving_blocks_with_what_to_provide(
    api: KubernetesApi, environment: dict[str, str]
) -> None:
    findings = repair(api, environment, keys=Keys(NGC_KEY, None))
    assert {one.level for one in findings} == {Level.BLOCKING}
    assert findings[0].message == (
        "the NIM qwen3-vl: set HF_TOKEN: the download of the NIMs' weights needs it, "
        "and the namespace osmo-nims has no Secret with it"
    )


def test_who_may_not_look_at_nims_is_stopped_by_the_repair_alone(
    api: KubernetesApi, environment: dict[str, str]
) -> None:
    api.allowed = set()
    finding = check_endpoint(deployment(), Role.VLM, environment=environment)
    assert finding.level is Level.NOTE
    assert 'cannot get resource "nimservices"' in finding.message
    assert [one.level for one in repair(api, environment)] == [Level.BLOCKING, Level.BLOCKING]


def test_without_a_way_into_the_cluster_its_nims_are_left_to_the_workers(tmp_path: Path) -> None:
    environment = {"KUBECONFIG": str(tmp_path / "none")}
    (finding,) = repair_endpoints(deployment(), [Role.VLM], keys=KEYS, log=print, environment=environment)
    assert finding.level is Level.NOTE
    assert "workers wait for it. Its NIM was not looked at: this is no pod of a cluster" in finding.message


def test_several_contexts_are_a_stop_until_the_deployment_names_one(api: KubernetesApi, tmp_path: Path) -> None:
    environment = {"KUBECONFIG": str(write_kubeconfig(tmp_path / "kubeconfig", a="http://127.0.0.1:9", b=api.url))}
    (vlm, _) = repair(api, environment)
    assert vlm.level is Level.BLOCKING
    assert "the kubeconfig has several contexts: a, b" in vlm.message
    chosen = Deployment.model_validate({"osmo": {"url": "http://osmo"}, "kubernetes": {"context": "b"}})
    assert [one.level for one in repair(api, environment, chosen)] == [Level.READY, Level.READY]


def test_no_finding_and_no_line_of_the_log_holds_a_key(api: KubernetesApi, environment: dict[str, str]) -> None:
    log: list[str] = []
    api.fails["qwen3-vl-hf-download"] = 1
    findings = repair(api, environment, log=log.append) + repair(api, environment, log=log.append)
    assert "0123456789" not in "\n".join([*log, *map(str, findings)])
