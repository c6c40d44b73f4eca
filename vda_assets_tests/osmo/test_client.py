"""Lists that go over several pages, and what is sent with a spec."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoSubmissionRefused
from vda_assets.osmo.spec import TaskSpec, WorkflowSpec, to_yaml
from vda_assets_tests.osmo.service import Answers, Asked, Reply, serving

SUBMIT_TIME = "2026-11-22T06:43:45.978267"


def workflow(number: int) -> dict[str, Any]:
    return {"name": f"traffic-{number}", "status": "RUNNING", "submit_time": SUBMIT_TIME, "labels": {}}


def task(number: int) -> dict[str, Any]:
    return {"workflow_id": f"traffic-{number}", "task_name": "setup", "retry_id": 0, "status": "RUNNING"}


def page_of(asked: Asked, everything: list[Any]) -> list[Any]:
    query = dict(asked.query)
    start = int(query["offset"])
    return everything[start : start + int(query["limit"])]


def listing(workflows: list[Any]) -> Answers:
    def answer(asked: Asked) -> Reply:
        page = page_of(asked, workflows)
        return Reply({"workflows": page, "more_entries": bool(page) and page[-1] is not workflows[-1]})

    return answer


def labels_of(asked: Asked) -> list[str]:
    return [value for key, value in asked.query if key == "label"]


def test_a_list_of_workflows_goes_on_until_the_service_has_no_more() -> None:
    everything = [workflow(number) for number in range(2001)]
    with serving(listing(everything)) as service, OsmoClient(service.url) as client:
        names = [entry.name for entry in client.workflows()]
    assert names == [entry["name"] for entry in everything]
    assert [dict(asked.query)["offset"] for asked in service.asked] == ["0", "1000", "2000"]
    assert all({("all_users", "True"), ("all_pools", "True")} <= set(asked.query) for asked in service.asked)


def test_pages_are_asked_for_only_when_they_are_needed() -> None:
    with (
        serving(listing([workflow(number) for number in range(1500)])) as service,
        OsmoClient(service.url) as client,
    ):
        assert next(client.workflows()).name == "traffic-0"
        assert len(service.asked) == 1


def test_a_workflow_that_slides_to_the_next_page_is_listed_once() -> None:
    everything = [workflow(number) for number in range(1000, 0, -1)] + [workflow(0)]

    def answer(asked: Asked) -> Reply:
        reply = Reply({"workflows": page_of(asked, everything), "more_entries": len(everything) == 1001})
        everything.insert(0, workflow(1001))
        return reply

    with serving(answer) as service, OsmoClient(service.url) as client:
        names = [entry.name for entry in client.workflows()]
    assert names == [f"traffic-{number}" for number in range(1000, -1, -1)]


def test_many_values_of_a_label_become_several_calls() -> None:
    clips = [f"clip-{number:03}" for number in range(33)]
    with serving(listing([workflow(1)])) as service, OsmoClient(service.url) as client:
        list(client.workflows(labels={"vda-run": "run-1", "vda-video": clips}))
    assert [labels_of(asked) for asked in service.asked] == [
        ["vda-run=run-1", f"vda-video=({'|'.join(clips[:32])})"],
        ["vda-run=run-1", "vda-video=clip-032"],
    ]


def test_no_value_for_a_label_finds_nothing_and_asks_nothing() -> None:
    with serving(listing([workflow(1)])) as service, OsmoClient(service.url) as client:
        assert list(client.workflows(labels={"vda-video": []})) == []
        assert service.asked == []


@pytest.mark.parametrize(("tasks", "calls"), [(0, 1), (999, 1), (1000, 2), (1001, 2)])
def test_a_list_of_tasks_goes_on_until_a_page_is_not_full(tasks: int, calls: int) -> None:
    everything = [task(number) for number in range(tasks)]
    with (
        serving(lambda asked: Reply({"tasks": page_of(asked, everything)})) as service,
        OsmoClient(service.url) as client,
    ):
        listed = list(client.tasks(workflow_id="traffic"))
    assert [entry.workflow_id for entry in listed] == [entry["workflow_id"] for entry in everything]
    assert len(service.asked) == calls


def test_tasks_that_started_before_a_time_are_not_asked_for() -> None:
    since = datetime(2026, 11, 22, 20, 0, 0, 900_000, tzinfo=timezone(timedelta(hours=2)))
    with serving(lambda asked: Reply({"tasks": []})) as service, OsmoClient(service.url) as client:
        assert list(client.tasks(workflow_id="traffic", started_after=since)) == []
    assert dict(service.asked[0].query)["started_after"] == "2026-11-22T18:00:00"


def a_spec(argument: str) -> WorkflowSpec:
    return WorkflowSpec(
        name="traffic", tasks=[TaskSpec(name="setup", image="ubuntu:22.04", command=["sh"], args=[argument])]
    )


def test_a_spec_is_sent_as_the_yaml_that_it_is() -> None:
    spec = a_spec("ls {{input:0}} > {{output}}/list")
    with serving(lambda asked: Reply({"name": "traffic-1"})) as service, OsmoClient(service.url) as client:
        client.submit(spec, pool="default", labels={"vda-run": "run-1", "vda-video": "clip-1"}, priority="LOW")
    assert service.asked[0].json["file"] == to_yaml(spec)
    assert service.asked[0].query == [("priority", "LOW"), ("label", "vda-run=run-1"), ("label", "vda-video=clip-1")]


def test_a_spec_that_the_service_would_render_is_not_sent() -> None:
    with serving(lambda asked: Reply({"name": "traffic-1"})) as service, OsmoClient(service.url) as client:
        with pytest.raises(OsmoSubmissionRefused, match=r"traffic was not sent: .*\$\{#files"):
            client.submit(a_spec("echo ${#files[@]}"), pool="default")
        assert service.asked == []
