"""Lists by name, label, status and time, and logs while they grow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vda_assets.embedded.service.errors import ApiError
from vda_assets.embedded.service.listing import parse_selector
from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets_tests.embedded.service.conftest import Caller, settings_below, task, workflow


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with EmbeddedOsmo(settings_below(tmp_path_factory.mktemp("filled"))) as osmo:
        caller = Caller(osmo.url)
        for name, labels in {"a": ["run=r1", "video=v1"], "b": ["run=r1", "video=v2"], "c": ["run=r2"]}.items():
            caller.ended(caller.submit(workflow(task("one", "true"), name=name), label=labels))
        yield caller


def names(caller: Caller, **params: object) -> list[str]:
    answer = caller.http.get("/api/workflow", params=params)
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["workflows"]]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["a-1", "b-1", "c-1"]),
        ({"order": "DESC"}, ["c-1", "b-1", "a-1"]),
        ({"limit": 2}, ["b-1", "c-1"]),
        ({"limit": 2, "offset": 2}, ["a-1"]),
        ({"label": "run=r1"}, ["a-1", "b-1"]),
        ({"label": ["run=r*", "video=(v1|v9)"]}, ["a-1"]),
        ({"label": "video=*"}, ["a-1", "b-1"]),
        ({"no_label": "video"}, ["c-1"]),
        ({"name": "b-"}, ["b-1"]),
        ({"statuses": ["FAILED", "RUNNING"]}, []),
        ({"submitted_after": "2100-01-01T00:00:00"}, []),
        ({"submitted_before": "2100-01-01T00:00:00Z", "priority": "NORMAL"}, ["a-1", "b-1", "c-1"]),
        ({"users": "testuser", "all_users": True, "pools": "default"}, ["a-1", "b-1", "c-1"]),
        ({"limit": 0}, []),
    ],
)
def test_workflows_are_found(filled: Caller, params: dict[str, object], expected: list[str]) -> None:
    assert names(filled, **params) == expected


def test_more_entries_tells_of_a_next_page(filled: Caller) -> None:
    assert filled.http.get("/api/workflow", params={"limit": 2}).json()["more_entries"] is True
    assert filled.http.get("/api/workflow", params={"limit": 3}).json()["more_entries"] is False


def test_tasks_of_many_workflows_come_in_one_call(filled: Caller) -> None:
    def found(**params: object) -> list[str]:
        return [each["workflow_id"] for each in filled.http.get("/api/task", params=params).json()["tasks"]]

    assert found(workflow_id="-1", order="DESC") == ["c-1", "b-1", "a-1"]
    assert found(workflow_id="-1", limit=2, offset=1) == ["a-1", "b-1"]
    assert found(statuses="FAILED") == []


@pytest.mark.parametrize(
    ("selector", "patterns"),
    [("k=v", ["v"]), ("k=v*", ["v*"]), ("k=(a|b)", ["a", "b"]), ("k=x(a|b)y(c|d)", ["xayc", "xayd", "xbyc", "xbyd"])],
)
def test_selectors_expand(selector: str, patterns: list[str]) -> None:
    assert parse_selector(selector) == ("k", patterns)


@pytest.mark.parametrize(
    "selector", ["k", "=v", "k=", "k=((a|b))", "k=(a", "k=a]", "k=(a|)", f"k=({'|'.join('x' * 33)})"]
)
def test_bad_selectors_are_refused(selector: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse_selector(selector)
    assert refusal.value.error_code == "USAGE"


def test_a_log_is_followed_to_the_end_of_its_workflow(caller: Caller, tmp_path: Path) -> None:
    script = f"echo early; until [ -e {tmp_path}/gate ]; do sleep 0.01; done; echo late >&2"
    workflow_id = caller.submit(workflow(task("talks", script)))
    lines: list[str] = []
    early = threading.Event()
    with caller.http.stream("GET", f"/api/workflow/{workflow_id}/logs") as answer:
        for line in answer.iter_lines():
            lines.append(line)
            if line.endswith("[talks] early") and not early.is_set():
                early.set()
                assert caller.query(workflow_id)["status"] == "RUNNING"
                (tmp_path / "gate").touch()
    assert lines[-1].endswith("[talks][osmo] No Files in Output Folder")
    assert any(line.endswith("[talks] late") for line in lines)


def test_logs_are_cut_and_filtered(caller: Caller) -> None:
    tasks = [task("one", "for n in 1 2 3 4; do echo line $n; done"), task("two", "echo other")]
    workflow_id = caller.submit(workflow(*tasks))
    caller.ended(workflow_id)
    assert "other" not in caller.logs(workflow_id, task_name="one")
    cut = caller.logs(workflow_id, query=r"line \d", last_n_lines=2).splitlines()
    assert [line.partition("] ")[2] for line in cut] == ["line 3", "line 4"]
    assert caller.http.get(f"/api/workflow/{workflow_id}/logs", params={"query": "("}).status_code == 400


@pytest.mark.parametrize("params", [{"users": "nobody"}, {"label": "*=a"}, {"no_label": "a b"}])
def test_lists_of_what_cannot_be_are_refused(filled: Caller, params: dict[str, str]) -> None:
    assert filled.http.get("/api/workflow", params=params).status_code == 400


def test_resources_may_be_told_concisely(filled: Caller) -> None:
    (pool,) = filled.http.get("/api/resources", params={"concise": True}).json()["pools"]
    assert (pool["pool"], pool["platform"], pool["status"]) == ("default", "gpu", "ONLINE")
    assert {"usage_fields", "allocatable_fields", "backend"} <= set(pool)
