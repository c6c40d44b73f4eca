"""The OSMO in memory behaves as the embedded one does behind the client: one scenario, asked of both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import (
    OsmoAlreadyFinished,
    OsmoBusy,
    OsmoNotFound,
    OsmoSubmissionRefused,
    OsmoUnavailable,
)
from vda_assets.osmo.models import Workflow
from vda_assets.osmo.service import OsmoService
from vda_assets.osmo.spec import GroupSpec, ResourceSpec, TaskInput, TaskSpec, TimeoutSpec, WorkflowSpec
from vda_assets.osmo.statuses import TaskStatus
from vda_assets_tests.embedded.service.conftest import IMAGE, settings_below
from vda_assets_tests.osmo.in_memory import InMemoryOsmo, NoAnswer
from vda_assets_tests.osmo.in_memory_rows import Fate, Try
from vda_assets_tests.simulated_clock import SimulatedClock

PATIENCE_SECONDS = 30.0


@dataclass
class World:
    """A service, and how time passes at it."""

    osmo: OsmoService
    sleep: Callable[[float], None]

    def until(self, look: Callable[[], Any]) -> Any:
        waited = 0.0
        while waited < PATIENCE_SECONDS:
            if found := look():
                return found
            self.sleep(0.05)
            waited += 0.05
        raise AssertionError("waited in vain")

    def submit(self, spec: WorkflowSpec, **more: Any) -> str:
        """The id of a workflow that the service's lists show already."""
        workflow_id = self.osmo.submit(spec, pool="default", **more).name
        self.until(lambda: [one for one in self.osmo.workflows(name=workflow_id) if one.name == workflow_id])
        return workflow_id

    def ended(self, workflow_id: str) -> Workflow:
        return self.until(lambda: (found := self.osmo.workflow(workflow_id)).meaning.ended and found)

    def wait_for_task(self, workflow_id: str, task: str, status: str) -> None:
        self.until(
            lambda: any(one.task_name == task for one in self.osmo.tasks(workflow_id=workflow_id, statuses=[status]))
        )


def script(one: Try) -> Fate:
    """What the commands of `chain` do."""
    if one.task.args[0] == "exit 7":
        return Fate(0.1, TaskStatus.FAILED, 7, "Failure reason:\n- Exit code 7 due to Task first failure. ")
    return Fate(1000.0 if "sleep" in one.task.args[0] else 0.1, log=("made",))


@pytest.fixture(params=["embedded", "in memory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        if request.param == "embedded":
            served = stack.enter_context(EmbeddedOsmo(settings_below(tmp_path, row_seconds=0.1)))
            yield World(stack.enter_context(OsmoClient(served.url)), time.sleep)
        else:
            clock = SimulatedClock()
            yield World(InMemoryOsmo(clock, script, gpus=2, step_seconds=0.1), clock.sleep)


def task(name: str, command: str, **more: Any) -> TaskSpec:
    return TaskSpec(name=name, image=IMAGE, command=["bash", "-c"], args=[command], **more)


def chain(first: str, second: str = "echo made", *, name: str = "traffic", **more: Any) -> WorkflowSpec:
    """Two groups of one task, the second after the first."""
    return WorkflowSpec(
        name=name,
        resources={"default": ResourceSpec(cpu=1, gpu=1, platform="gpu")},
        groups=[
            GroupSpec(name="first_group", tasks=[task("first", first)]),
            GroupSpec(name="second_group", tasks=[task("second", second, inputs=[TaskInput(task="first")])]),
        ],
        **more,
    )


def states(workflow: Workflow) -> dict[str, tuple[str, str, int | None]]:
    return {one.name: (workflow.group_of(one.name).status, one.status, one.exit_code) for one in workflow.tasks}


def test_a_workflow_completes_group_after_group(world: World) -> None:
    workflow_id = world.submit(chain("echo made"))
    ended = world.ended(workflow_id)
    assert (workflow_id, ended.status) == ("traffic-1", "COMPLETED")
    assert set(states(ended).values()) == {("COMPLETED", "COMPLETED", 0)}
    first, second = (ended.group_of(name) for name in ("first", "second"))
    assert first.end_time <= second.scheduling_start_time
    assert (first.downstream_groups, second.remaining_upstream_groups) == (("second_group",), ())
    assert ended.submit_time <= ended.start_time <= ended.end_time


def test_a_task_that_fails_takes_what_waits_for_it_along(world: World) -> None:
    ended = world.ended(world.submit(chain("exit 7")))
    assert ended.status == "FAILED"
    assert states(ended) == {
        "first": ("FAILED", "FAILED", 7),
        "second": ("FAILED_UPSTREAM", "FAILED_UPSTREAM", 3000),
    }
    assert "Exit code 7" in ended.tasks[0].failure_message + ended.tasks[1].failure_message


def test_a_cancel_is_carried_out_later_and_only_once(world: World) -> None:
    workflow_id = world.submit(chain("sleep 1000"))
    world.wait_for_task(workflow_id, "first", "RUNNING")
    world.osmo.cancel(workflow_id, message="stop")
    ended = world.ended(workflow_id)
    assert (ended.status, ended.cancelled_by) == ("FAILED_CANCELED", "testuser")
    assert set(states(ended).values()) == {("FAILED_CANCELED", "FAILED_CANCELED", None)}
    assert ended.tasks[0].failure_message == "Task was canceled by user: testuser. stop"
    with pytest.raises(OsmoAlreadyFinished):
        world.osmo.cancel(workflow_id)


def test_workflows_are_found_by_labels_by_name_and_by_status_newest_first(world: World) -> None:
    for clip in ("a", "b", "c"):
        world.submit(chain("echo made", labels={"clip": clip}), labels={"run": "run-1"})
    world.submit(chain("echo made", name="other"))

    def found(**asked: Any) -> list[str]:
        return [one.name for one in world.osmo.workflows(**asked)]

    assert found() == ["other-1", "traffic-3", "traffic-2", "traffic-1"]
    assert found(labels={"clip": ["a", "c"], "run": "run-1"}) == ["traffic-3", "traffic-1"]
    assert found(labels={"clip": []}) == []
    assert found(name="raffic") == ["traffic-3", "traffic-2", "traffic-1"]
    assert found(name="other", statuses=["FAILED"]) == []
    assert next(world.osmo.workflows(name="traffic-2")).labels == {"clip": "b", "run": "run-1"}


def test_the_tasks_of_many_workflows_come_with_one_call(world: World) -> None:
    done = world.ended(world.submit(chain("echo made")))
    alive = world.submit(chain("sleep 1000"))
    world.wait_for_task(alive, "first", "RUNNING")
    first, second, *others = world.osmo.tasks(workflow_id="traffic")
    assert (first.workflow_id, first.task_name, first.status, first.gpu) == (alive, "first", "RUNNING", 1)
    assert (second.task_name, second.status, second.start_time) == ("second", "WAITING", None)
    assert {(one.workflow_id, one.status) for one in others} == {(done.name, "COMPLETED")}
    since = done.end_time + timedelta(seconds=2)
    late = world.osmo.tasks(workflow_id="traffic", started_after=since)
    assert done.name not in {one.workflow_id for one in late}


def test_a_log_has_the_lines_of_its_task(world: World) -> None:
    workflow_id = world.ended(world.submit(chain("echo made"))).name
    assert any(line.endswith("[first] made") for line in world.osmo.log_tail(workflow_id, task="first", lines=20))


def test_what_is_not_known_or_not_allowed_is_refused(world: World) -> None:
    with pytest.raises(OsmoNotFound, match="nope-1 is not found"):
        world.osmo.workflow("nope-1")
    with pytest.raises(OsmoSubmissionRefused, match="Pool nopool not found"):
        world.osmo.submit(chain("true"), pool="nopool")
    with pytest.raises(OsmoSubmissionRefused, match="label"):
        world.osmo.submit(chain("true"), pool="default", labels={"clip": "a b"})
    assert str(world.osmo.version()) == "6.4.0"


def test_a_group_that_waits_too_long_for_a_gpu_fails(world: World) -> None:
    world.submit(chain("sleep 1000"))
    world.submit(chain("sleep 1000"))
    late = world.submit(chain("true", timeout=TimeoutSpec(queue_timeout="1s")))
    assert world.ended(late).status == "FAILED_QUEUE_TIMEOUT"


# What only the simulated one can be told to do


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


def test_the_row_of_a_workflow_appears_after_the_answer(clock: SimulatedClock) -> None:
    world = World(InMemoryOsmo(clock), clock.sleep)
    workflow_id = world.osmo.submit(chain("echo made"), pool="default").name
    assert list(world.osmo.workflows()) == []
    assert list(world.osmo.tasks(workflow_id=workflow_id)) == []
    with pytest.raises(OsmoNotFound):
        world.osmo.workflow(workflow_id)
    with pytest.raises(OsmoNotFound):
        world.osmo.cancel(workflow_id)
    world.until(lambda: list(world.osmo.workflows()))


@pytest.mark.parametrize("delivered", [False, True])
def test_a_post_without_an_answer_may_have_been_delivered(clock: SimulatedClock, delivered: bool) -> None:
    osmo = InMemoryOsmo(clock)
    osmo.posts.append(NoAnswer(delivered=delivered, seconds=60.0, row_seconds=5.0))
    with pytest.raises(OsmoUnavailable) as caught:
        osmo.submit(chain("true"), pool="default")
    assert caught.value.maybe_delivered
    assert (clock.monotonic(), list(osmo.workflows())) == (60.0, [])
    clock.sleep(5.0)
    assert [one.name for one in osmo.workflows()] == (["traffic-1"] if delivered else [])


def test_a_refusal_of_the_moment_stores_nothing(clock: SimulatedClock) -> None:
    osmo = InMemoryOsmo(clock)
    osmo.max_num_workflows = 1
    osmo.submit(chain("true"), pool="default")
    with pytest.raises(OsmoBusy, match="cannot submit more than 1 ongoing workflows"):
        osmo.submit(chain("true"), pool="default")
    clock.sleep(60.0)
    osmo.is_in_maintenance = True
    with pytest.raises(OsmoBusy, match="undergoing maintenance"):
        osmo.submit(chain("true"), pool="default")
    assert osmo.workflows_taken == ["traffic-1"]


def test_a_task_that_is_rescheduled_is_tried_again(clock: SimulatedClock) -> None:
    osmo = InMemoryOsmo(
        clock,
        lambda one: (
            Fate(1.0, TaskStatus.RESCHEDULED, 9) if one.task.name == "first" and one.retry_id < 2 else Fate(1.0)
        ),
    )
    osmo.submit(chain("true"), pool="default")
    clock.sleep(60.0)
    tries = sorted((one.task_name, one.retry_id, one.status) for one in osmo.tasks(workflow_id="traffic"))
    assert tries == [
        ("first", 0, "RESCHEDULED"),
        ("first", 1, "RESCHEDULED"),
        ("first", 2, "COMPLETED"),
        ("second", 0, "COMPLETED"),
    ]
    assert {one.retry_id for one in osmo.workflow("traffic-1").tasks} == {0, 2}


def test_a_task_that_is_stuck_in_processing_is_ended_by_no_clock(clock: SimulatedClock) -> None:
    osmo = InMemoryOsmo(clock, lambda _: Fate(stuck_in=TaskStatus.PROCESSING))
    osmo.submit(chain("true", timeout=TimeoutSpec(queue_timeout="1m")), pool="default")
    clock.sleep(7200.0)
    assert {one.status for one in osmo.tasks(workflow_id="traffic")} == {"PROCESSING", "WAITING"}
    osmo.cancel("traffic-1")
    clock.sleep(1.0)
    assert osmo.alive() == []


def test_a_lost_workflow_is_known_to_no_call(clock: SimulatedClock) -> None:
    osmo = InMemoryOsmo(clock)
    osmo.submit(chain("true"), pool="default")
    clock.sleep(5.0)
    osmo.lose("traffic-1")
    assert list(osmo.tasks(workflow_id="traffic")) == []
    with pytest.raises(OsmoNotFound):
        osmo.workflow("traffic-1")


def test_gpus_are_given_to_the_best_priority_first(clock: SimulatedClock) -> None:
    osmo = InMemoryOsmo(clock, lambda _: Fate(10.0), gpus=1)
    osmo.submit(chain("true", name="running"), pool="default")
    for name, priority in (("low", "LOW"), ("normal", "NORMAL"), ("high", "HIGH")):
        osmo.submit(chain("true", name=name), pool="default", priority=priority)
    clock.sleep(200.0)
    order = sorted(osmo.workflows(), key=lambda one: one.start_time)
    assert [one.name for one in order] == ["running-1", "high-1", "normal-1", "low-1"]


def test_an_image_that_cannot_be_pulled_shows_only_at_the_task(clock: SimulatedClock) -> None:
    osmo = InMemoryOsmo(clock, lambda _: Fate(5.0, TaskStatus.FAILED_IMAGE_PULL, 301))
    osmo.submit(chain("true"), pool="default")
    clock.sleep(60.0)
    ended = osmo.workflow("traffic-1")
    assert (ended.status, ended.group_of("first").status) == ("FAILED", "FAILED")
    assert ("first", "FAILED_IMAGE_PULL", None) in {(one.name, one.status, one.start_time) for one in ended.tasks}


def test_a_service_without_labels_refuses_a_spec_that_has_some(clock: SimulatedClock) -> None:
    osmo = InMemoryOsmo(clock, version="6.3.1")
    with pytest.raises(OsmoSubmissionRefused, match="labels"):
        osmo.submit(chain("true", labels={"clip": "a"}), pool="default")


def test_an_outage_ends_after_its_time(clock: SimulatedClock) -> None:
    osmo = InMemoryOsmo(clock)
    osmo.go_away(30.0)
    with pytest.raises(OsmoUnavailable):
        osmo.version()
    clock.sleep(30.0)
    assert osmo.version().major == "6"
    assert osmo.calls == {"version": 2}
