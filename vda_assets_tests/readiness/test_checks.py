"""What is checked before a GPU is spent, against a real embedded OSMO and real endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from vda_assets.config.deployment import (
    Deployment,
    Endpoint,
    Endpoints,
    GeneratorEndpoint,
    Images,
    OsmoConnection,
    Role,
)
from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets.flows.selection import FLOWS, Selection
from vda_assets.osmo.auth import DevUserAuth
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.credentials import GenericCredential
from vda_assets.readiness.checks import (
    check_images,
    check_task_credentials,
    endpoints_of,
)
from vda_assets.readiness.endpoints import check_endpoint
from vda_assets.readiness.finding import Level
from vda_assets.readiness.outlook import Outlook
from vda_assets.readiness.overview import time_overview
from vda_assets.readiness.pools import PoolReadiness, check_service
from vda_assets_tests.embedded.service.conftest import settings_below
from vda_assets_tests.osmo.service import VERSION, Reply, Service, serving

NOBODY = "http://127.0.0.1:9/v1"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[OsmoClient]:
    """Of a service that holds the credential `hf_token`."""
    with EmbeddedOsmo(settings_below(tmp_path)) as osmo, OsmoClient(osmo.url, DevUserAuth("somebody")) as client:
        client.set_credential("hf_token", GenericCredential(credential={"token": SecretStr("hf_0123456789")}))
        yield client


def deployment(*, video_transfer: str | None = None, **task_credentials: dict[str, str]) -> Deployment:
    generator = GeneratorEndpoint(url=video_transfer, model="cosmos-transfer2.5") if video_transfer else None
    return Deployment(
        osmo=OsmoConnection(url="http://osmo.example.com"),
        endpoints=Endpoints(video_transfer=generator),
        task_credentials=task_credentials,
    )


def test_a_credential_that_tasks_ask_for_and_osmo_has_is_ready(client: OsmoClient) -> None:
    (finding,) = check_task_credentials(client, deployment(hf_token={"HF_TOKEN": "token"}))
    assert (finding.level, finding.message) == (Level.READY, "OSMO has hf_token")


def test_a_missing_credential_blocks_and_says_how_to_give_it(client: OsmoClient) -> None:
    wanted = {"hf_token": {"HF_TOKEN": "token"}, "ngc": {"NGC_API_KEY": "key", "NGC_CLI_API_KEY": "key", "ORG": "org"}}
    there, missing = check_task_credentials(client, deployment(**wanted))
    assert there.level is Level.READY
    assert (missing.level, missing.message) == (
        Level.BLOCKING,
        "give OSMO the credential ngc, or take it out of task_credentials: "
        "osmo credential set ngc --type GENERIC --payload key=… org=…",
    )


def test_configurations_that_users_may_not_read_block_nothing(client: OsmoClient) -> None:
    findings = {finding.subject: finding for finding in check_service(client, deployment()).findings}
    assert findings["pod template"].level is Level.NOTE
    assert "config:Read" in findings["pod template"].message
    assert findings["pool"].level is Level.READY


def pools_of(platforms: dict[str, list[str]]) -> dict[str, Any]:
    """What a service answers that has these pools with these platforms."""
    return {
        "pools": {
            name: {"name": name, "status": "ONLINE", "platforms": {one: {} for one in several}}
            for name, several in platforms.items()
        }
    }


def readiness_at(platforms: dict[str, list[str]], pool: str | None) -> PoolReadiness:
    answers = {"/api/version": VERSION, "/api/pool": Reply(pools_of(platforms)), "/api/resources": Reply({}, 403)}
    with serving(lambda asked: answers.get(asked.path, Reply({}))) as service, OsmoClient(service.url) as client:
        given = Deployment(osmo=OsmoConnection(url=service.url, pool=pool))
        return check_service(client, given)


def test_what_osmo_keeps_for_itself_is_not_offered_as_a_pool() -> None:
    readiness = readiness_at({"system": ["cpu"], "team-a": ["h100"], "team-b": ["l40"]}, pool="default")
    (finding,) = (one for one in readiness.findings if one.level is Level.BLOCKING)
    assert finding.message == "osmo.pool 'default' does not exist; this login may use: team-a, team-b"


@pytest.mark.parametrize(
    ("pools", "chosen", "message"),
    [
        ({"team-a": ["h100"]}, "team-a", "team-a, the only one that is ONLINE and has a platform with GPUs"),
        ({"system": ["h100"], "cpus": ["system"], "team-a": ["h100"]}, "team-a", "team-a, the only one that"),
        (
            {"team-b": ["l40"], "team-a": ["h100"]},
            None,
            "set osmo.pool (several are ONLINE); choose from: team-a, team-b",
        ),
        ({"system": ["cpu"]}, None, "this login may use no pool that is ONLINE and has a platform with GPUs"),
        ({}, None, "this login may use no pool that is ONLINE and has a platform with GPUs"),
    ],
)
def test_without_a_pool_the_only_one_with_gpus_is_taken_and_several_are_a_question(
    pools: dict[str, list[str]], chosen: str | None, message: str
) -> None:
    readiness = readiness_at(pools, pool=None)
    assert readiness.pool == chosen
    (said,) = (one.message for one in readiness.findings if one.subject == "pool")
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("platforms", "chosen", "message"),
    [
        (["system", "h100"], "h100", "h100, the only one of its pool"),
        (["h100", "l40", "system"], None, "set osmo.gpu_platform (the pool has several); choose from: h100, l40"),
        (["system"], None, "the pool has no platform with GPUs; choose another osmo.pool"),
        ([], None, "the pool has no platform with GPUs; choose another osmo.pool"),
    ],
)
def test_what_osmo_keeps_for_itself_is_neither_chosen_nor_offered_as_a_platform(
    platforms: list[str], chosen: str | None, message: str
) -> None:
    readiness = readiness_at({"default": platforms}, pool="default")
    assert readiness.gpu_platform == chosen
    assert [one.message for one in readiness.findings if one.subject == "platform"] == [message]


def test_nothing_is_said_of_credentials_where_tasks_ask_for_none(client: OsmoClient) -> None:
    assert check_task_credentials(client, deployment()) == []


@pytest.mark.parametrize(
    ("flow", "video_transfer", "asked"),
    [
        ("e2e", NOBODY, ["vlm", "llm", "video_transfer"]),
        ("e2e", None, ["vlm", "llm"]),
        ("auto_labeling", NOBODY, ["vlm", "llm"]),
    ],
)
def test_the_generators_endpoint_is_asked_where_it_is_used(
    flow: str, video_transfer: str | None, asked: list[str]
) -> None:
    assert endpoints_of(deployment(video_transfer=video_transfer), FLOWS[flow]) == asked


@pytest.fixture
def generator(request: pytest.FixtureRequest) -> Iterator[Service]:
    with serving(lambda asked: request.param) as service:
        yield service


def answered(body: Any, status: int = 200) -> Reply:
    return Reply(body, status)


@pytest.mark.parametrize(
    ("generator", "level", "said"),
    [
        (answered({"data": [{"id": "cosmos-transfer2.5"}]}), Level.READY, "serves cosmos-transfer2.5"),
        (answered({"detail": "Not Found"}, 404), Level.READY, "/v1 answers"),
        (answered({"data": []}), Level.BLOCKING, "lists no model"),
        (answered({"detail": "loading"}, 503), Level.NOTE, "does not answer here (HTTP 503)"),
    ],
    indirect=["generator"],
)
def test_a_generator_that_answers_is_ready_whether_it_lists_models_or_not(
    generator: Service, level: Level, said: str
) -> None:
    finding = check_endpoint(deployment(video_transfer=f"{generator.url}/v1"), Role.VIDEO_TRANSFER)
    assert finding.level is level
    assert said in finding.message
    assert [asked.path for asked in generator.asked] == ["/v1/models"]


def test_a_generator_that_does_not_answer_is_a_note_and_nothing_that_a_run_could_make() -> None:
    finding = check_endpoint(deployment(video_transfer=NOBODY), Role.VIDEO_TRANSFER)
    assert finding.level is Level.NOTE
    assert finding.message == (
        f"the video_transfer at {NOBODY} does not answer here (ConnectError); workers ask it without waiting"
    )
    selection: Selection = FLOWS["e2e"]
    assert time_overview(selection, [finding], Outlook(1, 1), stand_in=False).warm


def test_a_language_model_without_a_list_of_models_is_not_ready() -> None:
    with serving(lambda asked: answered({"detail": "Not Found"}, 404)) as service:
        given = Deployment(
            osmo=OsmoConnection(url="http://osmo.example.com"),
            endpoints=Endpoints(llm=Endpoint(url=f"{service.url}/v1", model="qwen")),
        )
        assert check_endpoint(given, Role.LLM).level is Level.BLOCKING


def test_labels_of_videos_that_the_labelling_cannot_decode_are_blocked_and_the_rest_is_not() -> None:
    generator = GeneratorEndpoint(url=NOBODY, model="cosmos", returns="vp9")
    newer = Deployment(
        osmo=OsmoConnection(url="http://osmo.example.com"),
        images=Images(augmentation_version="1.1.0"),
        endpoints=Endpoints(video_transfer=generator),
    )
    (finding,) = check_images(newer, FLOWS["e2e"])
    assert finding.level is Level.BLOCKING
    assert "returns vp9" in finding.message
    assert check_images(newer, FLOWS["auto_labeling"]) == []
