"""Every recorded exchange of the real service (OSMO 6.4.0) is answered alike by the embedded one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets.embedded.service.settings import StandIn
from vda_assets_tests.embedded.service.conftest import IMAGE, Caller, settings_below

EXCHANGES = Path(__file__).parents[2] / "osmo" / "exchanges"
# Told by other tests: file:// is known here; running and ending states depend on the moment.
_OTHERWISE_TESTED = {"submit_bad_scheme", "query_running", "cancel", "cancel_finished", "restart_failed", "submit"}
_OWN_WORDING = {"submit_bad_name", "submit_two_leads", "submit_duplicate_task", "submit_unknown_field"}
_LEFT = sorted({file.stem for file in EXCHANGES.glob("*.json")} - _OTHERWISE_TESTED)


def recorded(name: str) -> list[dict[str, Any]]:
    return json.loads((EXCHANGES / f"{name}.json").read_text())["exchanges"]


def replay(caller: Caller, exchange: dict[str, Any]) -> httpx.Response:
    return caller.http.request(
        exchange["method"], exchange["path"], params=exchange["query"], json=exchange["request_body"]
    )


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A service with the history of the recorded one: traffic-1 completed, -2 to -4 failed, -5 canceled."""
    folder = tmp_path_factory.mktemp("recording")
    # The recorded tasks start `python3`, and an administrator recorded them.
    images = {IMAGE: StandIn(path=[str(Path(sys.executable).parent)])}
    with EmbeddedOsmo(settings_below(folder, role="osmo-admin", images=images)) as osmo:
        caller = Caller(osmo.url)
        for name, body in {
            "s3cred": {"data_credential": {"endpoint": "s3://vda-data", "access_key_id": "id", "access_key": "key"}},
            "nvcr_io": {"registry_credential": {"registry": "nvcr.io", "username": "$oauthtoken", "auth": "key"}},
            "hf_token": {"generic_credential": {"credential": {"token": "hf_0123456789"}}},
        }.items():
            assert caller.http.post(f"/api/credentials/{name}", json=body).status_code == 200
        submit = recorded("submit")[0]
        text = submit["request_body"]["file"].replace("s3://", f"file://{folder}/")
        clip = folder / "vda-bucket/datasets/traffic/clip-001.mp4"
        clip.parent.mkdir(parents=True)
        clip.write_bytes(b"clip")
        submit["request_body"]["file"] = text
        assert replay(caller, submit).json()["name"] == "traffic-1"
        caller.ended("traffic-1")
        assert caller.submit(_changed(text, command=["bash", "-c", "exit 7"], args=[])) == "traffic-2"
        caller.ended("traffic-2")
        assert replay(caller, recorded("restart_failed")[0]).json()["name"] == "traffic-3"
        assert caller.submit(_changed(text, image="nobody/knows:1")) == "traffic-4"
        assert caller.submit(_changed(text, command=["sleep", "1000"], args=[])) == "traffic-5"
        caller.wait_for_status("traffic-5", "augment_0", "RUNNING")
        exchange = recorded("query_running")[0]
        assert_alike(replay(caller, exchange).json(), exchange["response_body"])
        assert replay(caller, recorded("cancel")[0]).json() == {"name": "traffic-5"}
        for number in range(3, 6):
            caller.ended(f"traffic-{number}")
        yield caller


def _changed(text: str, **changes: Any) -> str:
    document = yaml.safe_load(text)
    group = next(each for each in document["workflow"]["groups"] if each["name"] == "augmentation_group")
    group["tasks"][0] |= changes
    return yaml.dump(document)


def assert_alike(answer: Any, expected: Any, *, where: str = "body") -> None:
    """Same keys and same kinds of values; where the recording has null, anything may stand, and the other way round."""
    if answer is None or expected is None:
        return
    if isinstance(expected, dict) and not where.endswith(("labels", "platforms", "nodeSelector")):
        assert set(answer) == set(expected), where
        for key, value in expected.items():
            assert_alike(answer[key], value, where=f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(answer, list), where
        for one in answer[:1]:
            assert_alike(one, expected[0] if expected else one, where=f"{where}[]")
    else:
        number = (int, float)
        assert isinstance(answer, number if isinstance(expected, number) else type(expected)), where


@pytest.mark.parametrize("name", _LEFT)
def test_answers_like_the_recorded_service(recording: Caller, name: str) -> None:
    for exchange in recorded(name):
        answer = replay(recording, exchange)
        expected = exchange["response_body"]
        assert answer.status_code == exchange["status"], answer.text
        assert answer.headers["content-type"].partition(";")[0] == exchange["content_type"].partition(";")[0]
        if isinstance(expected, str):
            assert bool(answer.text) == bool(expected)
            continue
        assert_alike(answer.json(), expected)
        if answer.is_error and "message" in expected:
            assert answer.json().get("error_code") == expected.get("error_code")
            assert answer.json().get("workflow_id") == expected.get("workflow_id")
            said, meant = answer.json()["message"], expected["message"]
            assert said == meant or (name in _OWN_WORDING and said.split("\n")[0] == meant.split("\n")[0])


@pytest.mark.parametrize(
    ("workflow_id", "name"),
    [
        ("traffic-1", "query_stages_completed"),
        ("traffic-2", "query_stages_failed"),
        ("traffic-4", "query_stages_image_pull"),
        ("traffic-5", "query_stages_canceled"),
    ],
)
def test_ends_in_the_recorded_states(recording: Caller, workflow_id: str, name: str) -> None:
    expected = recorded(name)[-1]["response_body"]
    answer = recording.query(workflow_id)
    assert answer["status"] == expected["status"]
    assert answer["cancelled_by"] == expected["cancelled_by"]
    assert _states(answer) | _after_setup(expected) == _states(expected) | _after_setup(expected)


def _states(workflow: dict[str, Any]) -> dict[str, Any]:
    return {
        task["name"]: (
            group["status"],
            task["status"],
            task["exit_code"],
            task["lead"],
            group["downstream_groups"] != [],
        )
        for group in workflow["groups"]
        for task in group["tasks"]
    }


def _after_setup(workflow: dict[str, Any]) -> dict[str, Any]:
    """The quick independent branch may have ended before the cancel that the recording caught it in."""
    return {"label_original_0": _states(workflow)["label_original_0"]}


def test_a_finished_workflow_is_not_canceled_again(recording: Caller) -> None:
    exchange = recorded("cancel_finished")[0]
    answer = replay(recording, exchange)
    assert (answer.status_code, answer.json()) == (exchange["status"], exchange["response_body"])
    assert recording.http.post("/api/workflow/traffic-5/cancel", params={"force": "True"}).status_code == 200


def test_an_unknown_url_scheme_is_refused_as_the_service_does(recording: Caller) -> None:
    exchange = recorded("submit_bad_scheme")[0]
    exchange["request_body"]["file"] = exchange["request_body"]["file"].replace("file://", "ftp://")
    answer = replay(recording, exchange)
    assert answer.status_code == exchange["status"]
    assert answer.json() == {"message": "Internal server error: Unknown URI scheme: ftp"}
