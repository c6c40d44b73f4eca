"""What a dispatcher does about everything that may happen between it and OSMO."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from vda_assets.config.deployment import Deployment
from vda_assets.dispatch.company import Alone
from vda_assets.dispatch.pace import Pace
from vda_assets.dispatch.systemic import ALIKE_IN_A_ROW
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.stages import Stage
from vda_assets.osmo.errors import OsmoBusy, OsmoSubmissionRefused, OsmoUnavailable
from vda_assets.osmo.statuses import TaskStatus
from vda_assets_tests.dispatch.desk import DEPLOYMENT, Desk, Inline, Killed, Told, works
from vda_assets_tests.osmo.in_memory import NoAnswer
from vda_assets_tests.osmo.in_memory_rows import Fate, Try

CLIPS = tuple(f"clip{number}.mp4" for number in range(10))
EVERYTHING = {(key, stage): 1 for key in CLIPS for stage in Stage}


def all_of(*keys: str) -> dict[tuple[str, Stage], int]:
    return {(key, stage): 1 for key in keys for stage in Stage}


def after_pauses(count: int, error: type[BaseException]) -> Told:
    """A report in whose given pause the run ends."""
    told = Told()

    def at_pause() -> None:
        nonlocal count
        count -= 1
        if not count:
            raise error

    told.at_pause = at_pause
    return told


class Other(Alone):
    """A company of one other run that works on these clips, and was there first when it `is_ahead`."""

    def __init__(self, keys: Collection[str], *, is_ahead: bool = False) -> None:
        self.keys, self.is_ahead = frozenset(keys), is_ahead

    def ahead(self, keys: Collection[str]) -> frozenset[str]:
        return self.keys & frozenset(keys) if self.is_ahead else frozenset()

    def need(self, keys: Collection[str]) -> frozenset[str]:
        return self.keys & frozenset(keys)


def test_every_stage_of_every_clip_is_told_once_and_the_pool_is_never_overfilled() -> None:
    desk, most = Desk(), []
    told = Told(at_pause=lambda: most.append(len(desk.osmo.alive())))
    desk.run(works(*CLIPS), told=told)
    assert told.completed == EVERYTHING
    assert told.failed == {}
    assert max(most) == DEPLOYMENT["osmo"]["max_in_flight"]
    assert len(desk.osmo.workflows_taken) == len(CLIPS)


@pytest.mark.parametrize("pauses", [1, 2, 5, 9, 14])
def test_what_a_killed_run_left_is_adopted_and_nothing_is_sent_twice(pauses: int) -> None:
    desk = Desk()
    # A process that is killed says nothing to OSMO: its dispatcher is thrown away as it is.
    told = after_pauses(pauses, Killed)
    dispatcher = desk.dispatcher(told=told)
    dispatcher._leave_nothing_running = lambda: None  # type: ignore[method-assign]
    with pytest.raises(Killed):
        dispatcher.run(works(*CLIPS))
    desk.clock.sleep(1)
    again = desk.run(works(*CLIPS))
    assert again.completed == EVERYTHING
    assert len(desk.osmo.workflows_taken) == len(CLIPS)


def test_clips_of_one_name_in_two_datasets_have_workflows_of_their_own() -> None:
    desk = Desk()
    desk.run(works("a.mp4", dataset="street"), dataset="street")
    told = desk.run(works("a.mp4", dataset="yard"), run="run-ffffffff", dataset="yard")
    assert set(told.runs.values()) == {"run-ffffffff"}
    assert len(desk.osmo.workflows_taken) == 2


def test_an_interrupt_in_one_dataset_leaves_the_other_ones_workflows_alone() -> None:
    desk = Desk()
    told = Told()

    def interrupt_the_other() -> None:
        told.at_pause = lambda: None
        with pytest.raises(KeyboardInterrupt):
            desk.run(works("a.mp4", dataset="yard"), dataset="yard", told=after_pauses(2, KeyboardInterrupt))

    told.at_pause = interrupt_the_other
    # Even with the same run token, whose eight digits are no proof.
    desk.run(works("a.mp4"), told=told)
    assert told.completed == all_of("a.mp4")


def test_an_interrupt_cancels_what_the_run_submitted() -> None:
    desk = Desk()
    with pytest.raises(KeyboardInterrupt):
        desk.run(works(*CLIPS), told=after_pauses(3, KeyboardInterrupt))
    desk.clock.sleep(5)
    assert desk.osmo.alive() == []


def test_an_interrupt_right_after_an_answer_cancels_the_workflow_whose_row_is_to_come() -> None:
    desk = Desk(row_seconds=2.0)
    with pytest.raises(KeyboardInterrupt):
        desk.run(works("a.mp4"), told=after_pauses(2, KeyboardInterrupt))
    desk.clock.sleep(5)
    assert len(desk.osmo.workflows_taken) == 1
    assert desk.osmo.alive() == []


@pytest.fixture
def heeded() -> Iterator[None]:
    """SIGINT interrupts this process, even where whoever started it has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupted(Inline):
    """Ctrl-C strikes where its answer is taken, or right after a POST was sent, before anybody notes it down."""

    def __init__(self, *, at_answer: bool) -> None:
        self._at_answer = at_answer

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future = super().submit(work, *arguments, **options)
        if not self._at_answer:
            signal.raise_signal(signal.SIGINT)
            return future
        result = future.result

        def interrupted(timeout: float | None = None) -> Any:
            signal.raise_signal(signal.SIGINT)
            return result(timeout)

        future.result = interrupted  # type: ignore[method-assign]
        return future


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("at_answer", [False, True])
def test_an_interrupt_amid_a_submission_cancels_the_workflow_whose_row_is_to_come(at_answer: bool) -> None:
    desk = Desk(row_seconds=2.0, executor=Interrupted(at_answer=at_answer))
    with pytest.raises(KeyboardInterrupt):
        desk.run(works("a.mp4"))
    desk.clock.sleep(5)
    assert len(desk.osmo.workflows_taken) == 1
    assert desk.osmo.alive() == []


@pytest.mark.usefixtures("heeded")
def test_a_second_interrupt_while_workflows_are_canceled_waits_for_that() -> None:
    desk = Desk(lambda _: Fate(seconds=1000))
    with pytest.raises(KeyboardInterrupt):
        desk.run(works(*CLIPS), told=after_pauses(3, KeyboardInterrupt), company=Terminated())
    desk.clock.sleep(5)
    assert desk.osmo.alive() == []


class Terminated(Alone):
    """The signal comes once more while it is asked what of the run's own work others need."""

    def need(self, keys: Collection[str]) -> frozenset[str]:
        signal.raise_signal(signal.SIGINT)
        return frozenset()


class InPod(Alone):
    def goes_on(self) -> bool:
        return True


def test_an_interrupt_of_a_run_that_goes_on_elsewhere_cancels_nothing() -> None:
    desk = Desk(lambda _: Fate(seconds=1000))
    with pytest.raises(KeyboardInterrupt):
        desk.run(works(*CLIPS[:3]), told=after_pauses(4, KeyboardInterrupt), company=InPod())
    desk.clock.sleep(5)
    sent = desk.osmo.alive()
    assert len(sent) == 3
    assert desk.run(works(*CLIPS[:3])).completed == all_of(*CLIPS[:3])
    assert set(desk.osmo.workflows_taken) == set(sent)


def test_an_interrupt_spares_what_another_living_run_waits_for() -> None:
    desk = Desk(lambda _: Fate(seconds=1000))
    with pytest.raises(KeyboardInterrupt):
        desk.run(works(*CLIPS[:3]), told=after_pauses(4, KeyboardInterrupt), company=Other({CLIPS[1]}))
    desk.clock.sleep(5)
    (spared,) = desk.osmo.alive()
    assert desk.run(works(CLIPS[1])).completed == all_of(CLIPS[1])
    assert spared in desk.osmo.workflows_taken


def test_an_interrupt_spares_what_the_run_adopted_from_another_one() -> None:
    desk = Desk(lambda _: Fate(seconds=1000))
    first = desk.dispatcher(run="run-11111111", told=after_pauses(3, Killed))
    first._leave_nothing_running = lambda: None  # type: ignore[method-assign]
    with pytest.raises(Killed):
        first.run(works("a.mp4"))
    with pytest.raises(KeyboardInterrupt):
        desk.run(works("a.mp4"), told=after_pauses(3, KeyboardInterrupt))
    desk.clock.sleep(5)
    assert len(desk.osmo.alive()) == 1


@pytest.mark.parametrize("row_seconds", [0.3, 3.0])
def test_an_interrupt_cancels_a_submission_that_nobody_answered(row_seconds: float) -> None:
    desk = Desk()
    desk.osmo.posts.append(NoAnswer(delivered=True, seconds=1.0, row_seconds=row_seconds))
    with pytest.raises(KeyboardInterrupt):
        desk.run(works("a.mp4"), told=after_pauses(1, KeyboardInterrupt))
    desk.clock.sleep(5)
    assert len(desk.osmo.workflows_taken) == 1
    assert desk.osmo.alive() == []


def test_a_delivered_submission_that_nobody_answered_is_not_sent_again() -> None:
    desk = Desk()
    desk.osmo.posts.extend([NoAnswer(delivered=True, seconds=60.0, row_seconds=45.0)] * 3)
    told = desk.run(works(*CLIPS[:3]))
    assert told.completed == all_of(*CLIPS[:3])
    assert len(desk.osmo.workflows_taken) == 3


def test_a_submission_that_never_arrived_is_sent_again() -> None:
    desk = Desk()
    desk.osmo.posts.append(NoAnswer(delivered=False))
    assert desk.run(works("a.mp4")).completed == all_of("a.mp4")
    assert desk.osmo.calls["submit"] == 2


@pytest.mark.parametrize(
    "trouble",
    [OsmoBusy("User x cannot submit more than 3 ongoing workflows."), OsmoBusy("Pool is undergoing maintenance.")],
)
def test_a_refusal_of_the_moment_holds_submissions_back_and_fails_nobody(trouble: OsmoBusy) -> None:
    desk, log = Desk(), []
    desk.osmo.posts.extend([None, trouble, trouble, trouble])
    told = desk.run(works(*CLIPS), log=log)
    assert told.completed == EVERYTHING
    assert sum(str(trouble) in line for line in log) == 1
    assert any("takes submissions again" in line for line in log)


def test_a_limit_of_workflows_below_max_in_flight_is_filled_and_not_run_into_all_the_time() -> None:
    desk = Desk()
    desk.osmo.max_num_workflows = 2
    assert desk.run(works(*CLIPS)).completed == EVERYTHING
    assert desk.osmo.calls["submit"] < 4 * len(CLIPS)


def test_a_service_that_is_away_for_a_while_fails_nobody() -> None:
    desk, log = Desk(), []
    told = Told()
    told.at_pause = lambda: (desk.osmo.go_away(600), setattr(told, "at_pause", lambda: None))[1]
    assert desk.run(works(*CLIPS), told=told, log=log).completed == EVERYTHING
    assert len(desk.osmo.workflows_taken) == len(CLIPS)
    assert any("waiting for OSMO" in line for line in log)


def test_a_service_that_stays_away_ends_the_run_and_its_workflows_go_on() -> None:
    desk = Desk(lambda _: Fate(seconds=10_000))
    told = Told()
    told.at_pause = lambda: desk.osmo.go_away(100_000)
    with pytest.raises(OsmoUnavailable):
        desk.run(works("a.mp4"), told=told, pace=Pace(patience_seconds=60))
    assert len(desk.osmo.alive()) == 1


def test_clips_that_an_earlier_run_works_on_are_left_to_it_and_adopted() -> None:
    desk = Desk(lambda _: Fate(seconds=100))
    other = Other({"a.mp4"}, is_ahead=True)
    told = Told()

    def submit_as_the_other_run() -> None:
        told.at_pause = lambda: None
        first = desk.dispatcher(run="run-11111111", told=after_pauses(2, Killed))
        first._leave_nothing_running = lambda: None  # type: ignore[method-assign]
        with pytest.raises(Killed):
            first.run(works("a.mp4"))

    told.at_pause = submit_as_the_other_run
    desk.run(works("a.mp4", "b.mp4"), told=told, company=other)
    assert told.completed == all_of("a.mp4", "b.mp4")
    assert len(desk.osmo.workflows_taken) == 2
    assert told.runs["a.mp4", Stage.ORIGINAL_LABELS] == "run-11111111"


def test_clips_that_were_left_to_a_run_which_died_are_submitted() -> None:
    desk = Desk()
    other = Other({"a.mp4"}, is_ahead=True)
    told = Told(at_pause=lambda: setattr(other, "is_ahead", False))
    assert desk.run(works("a.mp4"), told=told, company=other).completed == all_of("a.mp4")


def test_a_superseded_workflow_is_canceled_before_its_folder_is_written_again() -> None:
    desk = Desk(lambda _: Fate(seconds=1000))
    first = desk.dispatcher(told=after_pauses(2, Killed))
    first._leave_nothing_running = lambda: None  # type: ignore[method-assign]
    with pytest.raises(Killed):
        first.run(works("a.mp4"))
    desk.clock.sleep(1)
    second = desk.dispatcher(told=Told())
    second.clear_the_way(works("a.mp4", configuration="second"))
    assert desk.osmo.alive() == []


def test_a_workflow_of_the_same_configuration_or_of_a_living_run_is_not_superseded() -> None:
    desk = Desk(lambda _: Fate(seconds=1000))
    first = desk.dispatcher(told=after_pauses(2, Killed))
    first._leave_nothing_running = lambda: None  # type: ignore[method-assign]
    with pytest.raises(Killed):
        first.run(works("a.mp4"))
    desk.clock.sleep(1)
    labels_alone = works("a.mp4", selection=FLOWS["auto_labeling"])
    desk.dispatcher(told=Told()).clear_the_way(labels_alone)
    desk.dispatcher(told=Told(), company=Other({"a.mp4"})).clear_the_way(works("a.mp4", configuration="second"))
    assert len(desk.osmo.alive()) == 1


def test_clips_that_all_fail_alike_for_no_reason_of_theirs_stop_the_submissions() -> None:
    def read_only(_: Try) -> Fate:
        return Fate(status=TaskStatus.FAILED, exit_code=2012, message="upload refused")

    desk = Desk(read_only)
    many = tuple(f"clip{number}.mp4" for number in range(60))
    told = desk.run(works(*many))
    assert told.failed.keys() == all_of(*many).keys()
    # Each clip that failed was tried once more, should storage have been away.
    assert len(desk.osmo.workflows_taken) <= 2 * (ALIKE_IN_A_ROW + DEPLOYMENT["osmo"]["max_in_flight"]) + 2
    assert "the clips before failed alike" in told.failed[many[-1], Stage.ORIGINAL_LABELS]


def test_refusals_that_are_all_alike_stop_the_submissions() -> None:
    desk = Desk()
    desk.osmo.posts.extend([OsmoSubmissionRefused("pool x: no such platform", status=400)] * 60)
    many = tuple(f"clip{number}.mp4" for number in range(60))
    told = desk.run(works(*many))
    assert len(told.failed) == len(all_of(*many))
    assert desk.osmo.calls["submit"] < 30


def test_clips_that_fail_for_reasons_of_their_own_stop_nobody() -> None:
    def bad_clip(_: Try) -> Fate:
        return Fate(status=TaskStatus.FAILED, exit_code=65)

    desk = Desk(bad_clip)
    desk.run(works(*(f"clip{number}.mp4" for number in range(20))))
    assert len(desk.osmo.workflows_taken) == 20


@pytest.mark.parametrize(("exit_code", "submissions"), [(2010, 2), (2012, 2), (65, 1)])
def test_moving_an_input_or_output_is_tried_once_more(exit_code: int, submissions: int) -> None:
    desk = Desk(lambda one: Fate(status=TaskStatus.FAILED, exit_code=exit_code) if one.number < 9 else Fate())
    told = desk.run(works("a.mp4"))
    assert told.failed.keys() == all_of("a.mp4").keys()
    assert len(desk.osmo.workflows_taken) == submissions


def test_a_failure_whose_log_cannot_be_read_is_told_at_once() -> None:
    desk = Desk(lambda _: Fate(status=TaskStatus.FAILED, exit_code=65))
    desk.osmo.log_error = OsmoUnavailable("Service Unavailable", maybe_delivered=False)
    told = desk.run(works("a.mp4"))
    assert desk.osmo.calls["log_tail"] <= len(Stage)
    assert "could not be read" in told.failed["a.mp4", Stage.ORIGINAL_LABELS]


def test_a_workflow_that_the_service_forgot_is_submitted_again() -> None:
    desk = Desk(lambda _: Fate(seconds=300))
    told = Told()

    def lose() -> None:
        if alive := list(desk.osmo.workflows()):
            desk.osmo.lose(alive[0].name)
            told.at_pause = lambda: None

    told.at_pause = lose
    assert desk.run(works("a.mp4"), told=told).completed == all_of("a.mp4")
    assert len(desk.osmo.workflows_taken) == 2


def test_a_long_run_says_how_far_it_is_and_how_long_it_will_take() -> None:
    log: list[str] = []
    deployment = Deployment.model_validate({**DEPLOYMENT, "osmo": {"url": "http://osmo", "max_in_flight": 2}})
    clips = works("a.mp4", "b.mp4", "c.mp4")
    told = Desk().run(clips, log=log, deployment=deployment, pace=Pace(heartbeat_seconds=0))

    assert told.completed.total() == 9
    beats = [line for line in log if " workflows on the pool" in line]
    stages = "ended: augmented_labels {0} of 3, augmented_videos {0} of 3, original_labels {0} of 3"
    assert beats[0] == f"0 workflows on the pool, 3 waiting; {stages.format(0)}"
    assert any(re.match(r"2 workflows on the pool \(tasks: \d [A-Z]+.*\), 1 waiting; ", line) for line in beats)
    assert re.match(rf"0 workflows on the pool .*, 0 waiting; {stages.format(3)}", beats[-1])
    assert any(re.search(r", about \d+ min left$", line) for line in beats)


def test_a_workflow_that_no_clock_of_osmo_ends_is_named_in_the_sign_of_life() -> None:
    desk, log = Desk(lambda _: Fate(stuck_in=TaskStatus.PROCESSING)), []
    deployment = Deployment.model_validate({**DEPLOYMENT, "timeout": {"queue_timeout": "10m"}})
    told = Told()

    def cancel_once_it_is_named() -> None:
        if any("is PROCESSING for" in line for line in log):
            raise KeyboardInterrupt

    told.at_pause = cancel_once_it_is_named
    with pytest.raises(KeyboardInterrupt):
        desk.run(works("a.mp4"), told=told, log=log, deployment=deployment)
    assert any("PROCESSING" in line and "vda-0a1b2c3d-" in line for line in log)
    assert any("tasks: " in line for line in log)


def test_a_service_without_labels_is_driven_by_names_alone() -> None:
    desk = Desk(version="6.3.0")
    told = desk.run(works(*CLIPS[:2]))
    assert told.completed == all_of(*CLIPS[:2])
    assert len(desk.osmo.workflows_taken) == 2


def test_priority_and_labels_of_the_deployment_go_with_every_workflow() -> None:
    desk = Desk()
    osmo = {**DEPLOYMENT["osmo"], "priority": "LOW", "labels": {"project": "street"}}
    desk.run(works("a.mp4"), deployment=Deployment.model_validate({**DEPLOYMENT, "osmo": osmo}))
    (entry,) = desk.osmo.workflows()
    assert entry.priority == "LOW"
    assert entry.labels["project"] == "street"


def test_without_company_nobody_is_ahead_and_nobody_needs_anything() -> None:
    alone = Alone()
    alone.work_on(["a.mp4"])
    assert alone.ahead(["a.mp4"]) == alone.need(["a.mp4"]) == frozenset()
