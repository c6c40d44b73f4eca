"""What each stage of a clip took of the pool, whoever submitted it, and however often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vda_assets.config.deployment import Deployment
from vda_assets.dispatch.accounting import Usage, usage_of
from vda_assets.dispatch.submissions import Submitted, history_of
from vda_assets.dispatch.watching import WatchedWorkflow
from vda_assets.flows.stages import Stage, stage_of_task
from vda_assets.flows.workflow import LABEL_CLIP, clip_hash
from vda_assets.osmo.models import TaskEntry
from vda_assets.osmo.statuses import TaskStatus
from vda_assets_tests.dispatch.desk import DEPLOYMENT, Desk, Told, works
from vda_assets_tests.dispatch.test_dispatcher import after_pauses
from vda_assets_tests.osmo.in_memory_rows import Fate, Try

SECONDS = {Stage.ORIGINAL_LABELS: 100.0, Stage.AUGMENTED_VIDEOS: 300.0, Stage.AUGMENTED_LABELS: 50.0}
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def lasting(one: Try) -> Fate:
    stage = stage_of_task(one.task.name)
    assert stage is not None
    return Fate(seconds=SECONDS[stage])


def taken(told: Told, name: str) -> dict[Stage, float | None]:
    return {stage: getattr(told.usage["a.mp4", stage], name) for stage in Stage}


def check_all_is_known(told: Told, *, tries: int = 1) -> None:
    assert taken(told, "gpu_seconds") == pytest.approx(SECONDS)
    assert taken(told, "run_seconds") == pytest.approx(SECONDS)
    assert taken(told, "tries") == dict.fromkeys(Stage, tries)
    # In memory a workflow stands in the queue for some seconds; a stage does not wait for the one before it there.
    assert all(queue is not None and 0 < queue < 10 for queue in taken(told, "queue_seconds").values())


def test_a_stage_takes_what_its_tasks_ran_and_waits_from_when_the_one_before_has_ended() -> None:
    check_all_is_known(Desk(lasting).run(works("a.mp4")))


def test_seconds_count_for_each_gpu_of_a_worker() -> None:
    resources = {"augmentation": {"gpu": 4}, "auto_labeling": {"gpu": 0}}
    deployment = Deployment.model_validate({**DEPLOYMENT, "resources": resources})
    told = Desk(lasting).run(works("a.mp4"), deployment=deployment)
    assert taken(told, "gpu_seconds") == {
        Stage.ORIGINAL_LABELS: 0.0,
        Stage.AUGMENTED_VIDEOS: 1200.0,
        Stage.AUGMENTED_LABELS: 0.0,
    }


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.0, 10.0])
def test_a_workflow_that_ends_before_its_row_was_looked_for_is_known_like_any_other(seconds: float) -> None:
    failing = clip_hash(works("b.mp4")[0].clip)

    def script(one: Try) -> Fate:
        is_failed = one.labels[LABEL_CLIP] == failing and stage_of_task(one.task.name) is Stage.AUGMENTED_VIDEOS
        return Fate(seconds=seconds, status=TaskStatus.FAILED, exit_code=1) if is_failed else Fate(seconds=seconds)

    keys = [f"{letter}.mp4" for letter in "abcdefgh"]
    told = Desk(script, step_seconds=0.01).run(works(*keys))
    assert set(told.failed) == {("b.mp4", Stage.AUGMENTED_VIDEOS), ("b.mp4", Stage.AUGMENTED_LABELS)}
    assert told.usage.pop(("b.mp4", Stage.AUGMENTED_LABELS)).queue_seconds is None
    assert len(told.usage) == 3 * len(keys) - 1
    for usage in told.usage.values():
        assert usage.tries == 1
        assert usage.queue_seconds is not None


@pytest.mark.parametrize("status", [TaskStatus.FAILED_EVICTED, TaskStatus.RESCHEDULED])
def test_a_try_that_was_in_vain_is_counted_with_the_one_that_was_not(status: TaskStatus) -> None:
    first: list[Try] = []

    def script(one: Try) -> Fate:
        if stage_of_task(one.task.name) is Stage.AUGMENTED_VIDEOS:
            first.append(one)
            if one == first[0]:
                return Fate(seconds=40, status=status, exit_code=None)
        return lasting(one)

    augmented = Desk(script).run(works("a.mp4")).usage["a.mp4", Stage.AUGMENTED_VIDEOS]
    assert augmented.gpu_seconds == pytest.approx(340)
    assert augmented.run_seconds == pytest.approx(300)
    assert augmented.tries == 2


def test_a_stage_that_failed_took_something_and_one_that_never_began_did_not() -> None:
    def script(one: Try) -> Fate:
        if stage_of_task(one.task.name) is Stage.AUGMENTED_VIDEOS:
            return Fate(seconds=40, status=TaskStatus.FAILED, exit_code=1)
        return lasting(one)

    told = Desk(script).run(works("a.mp4"))
    failed, not_begun = told.usage["a.mp4", Stage.AUGMENTED_VIDEOS], told.usage["a.mp4", Stage.AUGMENTED_LABELS]
    assert (failed.gpu_seconds, failed.tries) == (pytest.approx(40), 1)
    assert (not_begun.gpu_seconds, not_begun.run_seconds, not_begun.queue_seconds) == (None, None, None)


@pytest.mark.parametrize("seconds_away", [1, 1000])
def test_what_a_killed_run_submitted_is_known_to_the_next_whether_it_ended_meanwhile_or_goes_on(
    seconds_away: int,
) -> None:
    desk = Desk(lasting)
    dispatcher = desk.dispatcher(told=after_pauses(3, KeyboardInterrupt))
    dispatcher._leave_nothing_running = lambda: None  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        dispatcher.run(works("a.mp4"))
    desk.clock.sleep(seconds_away)
    told = desk.run(works("a.mp4"))
    assert len(desk.osmo.workflows_taken) == 1
    check_all_is_known(told)


def test_what_is_adopted_as_finished_is_looked_at_by_one_call_for_a_run() -> None:
    desk = Desk(lasting)
    clips = works(*(f"{number}.mp4" for number in range(9)))
    desk.run(clips)
    before = desk.osmo.calls["tasks"]
    told = desk.run(clips, run="run-ffffffff")
    assert desk.osmo.calls["tasks"] == before + 1
    assert {usage.tries for usage in told.usage.values()} == {1}
    assert all(usage.gpu_seconds for usage in told.usage.values())


def submitted(number: int, run: str = "run-1", stages: frozenset[Stage] = frozenset(Stage)) -> Submitted:
    moment = NOON + timedelta(minutes=number)
    return Submitted(f"vda-{number}", run, "hash", 1, "COMPLETED", moment, stages)


def task(stage: Stage, start: float | None, end: float | None, *, worker: int = 0, gpu: int | None = 1) -> TaskEntry:
    def at(seconds: float | None) -> datetime | None:
        return None if seconds is None else NOON + timedelta(seconds=seconds)

    name = stage.row.task_name(worker)
    return TaskEntry(
        workflow_id="vda-0", task_name=name, status="COMPLETED", start_time=at(start), end_time=at(end), gpu=gpu
    )


def usage(*tasks: TaskEntry, known: bool = True, stage: Stage = Stage.AUGMENTED_LABELS) -> Usage:
    watched = WatchedWorkflow({one.task_name: one for one in tasks})
    return usage_of(watched, stage, waits_for=stage.row.upstream, history=[submitted(0)] if known else [])


def test_what_the_service_does_not_say_is_absent_and_not_nothing() -> None:
    assert usage(known=False) == Usage()
    assert usage() == Usage(tries=1)
    assert usage(task(Stage.AUGMENTED_LABELS, None, 5)) == Usage(tries=1)
    assert usage(task(Stage.AUGMENTED_LABELS, 5, None)).run_seconds is None
    assert usage(task(Stage.AUGMENTED_LABELS, 5, 9, gpu=None)) == Usage(None, 5, 4, 1)
    assert usage(task(Stage.AUGMENTED_LABELS, 5, 9), known=False) == Usage(4, None, 4, None)


def test_the_workers_of_a_stage_add_up_and_each_group_waits_for_its_own_clip() -> None:
    videos = [task(Stage.AUGMENTED_VIDEOS, 0, 100), task(Stage.AUGMENTED_VIDEOS, 0, 500, worker=1)]
    labels = [task(Stage.AUGMENTED_LABELS, 130, 230), task(Stage.AUGMENTED_LABELS, 520, 600, worker=1)]
    assert usage(*videos, *labels) == Usage(gpu_seconds=180, queue_seconds=30, run_seconds=470, tries=1)


def test_tries_are_the_submissions_of_the_stage_in_the_run_up_to_the_workflow() -> None:
    several = [
        submitted(0, "run-2"),
        submitted(1, stages=frozenset({Stage.ORIGINAL_LABELS})),
        submitted(2),
        submitted(3),
    ]
    history = history_of("vda-2", several)
    for stage, tries in ((Stage.ORIGINAL_LABELS, 2), (Stage.AUGMENTED_VIDEOS, 1)):
        assert usage_of(WatchedWorkflow({}), stage, waits_for=None, history=history).tries == tries
    assert history_of("vda-9", several) == []
