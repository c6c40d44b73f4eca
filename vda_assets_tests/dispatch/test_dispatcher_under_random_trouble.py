"""Whatever happens in whatever order: every stage is told once, nothing is worked twice, nothing is left running."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from vda_assets.flows.selection import FLOWS
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork
from vda_assets.osmo.errors import OsmoBusy
from vda_assets.osmo.statuses import TaskStatus
from vda_assets_tests.dispatch.desk import DEPLOYMENT, Desk, Told, works
from vda_assets_tests.osmo.in_memory import NoAnswer
from vda_assets_tests.osmo.in_memory_rows import Fate, Try

CLUSTER = [TaskStatus.FAILED_PREEMPTED, TaskStatus.FAILED_EVICTED, TaskStatus.FAILED_BACKEND_ERROR]


class Paused(BaseException):
    """The run's process is stopped for a moment, so that the machine can do something to it."""


class DispatcherMachine(RuleBasedStateMachine):
    """A run that is driven pause by pause, while things happen between the pauses."""

    @initialize(count=st.integers(1, 6), seconds=st.integers(1, 200))
    def begin(self, count: int, seconds: int) -> None:
        self.failing: Counter[str] = Counter()
        self.desk = Desk(lambda one: self._fate(one, seconds))
        self.works = works(*(f"clip{number}.mp4" for number in range(count)), selection=FLOWS["e2e"])
        self.count = count
        self.coming: list[ClipWork] = []
        self.told = Told()
        self.done = False
        self.dispatcher = self.desk.dispatcher(told=self.told)
        self.dispatcher._leave_nothing_running = lambda: None  # type: ignore[method-assign]
        self.is_new = True

    def _fate(self, one: Try, seconds: int) -> Fate:
        if self.failing[one.task.name]:
            self.failing[one.task.name] -= 1
            return Fate(seconds=seconds, status=CLUSTER[one.number % len(CLUSTER)], exit_code=3006)
        return Fate(seconds=seconds)

    @rule(pauses=st.integers(1, 8))
    @precondition(lambda self: not self.done)
    def go_on(self, pauses: int) -> None:
        left = pauses

        def at_pause() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Paused

        self.told.at_pause = at_pause
        try:
            if self.is_new:
                self.is_new = False
                self.dispatcher.run(self.works[: self.count], more=self._more)
            else:
                self.dispatcher._work_off(self._more)
            while late := self._more():
                self.dispatcher.run(late, more=self._more)
            self.done = True
        except Paused:
            pass

    def _more(self) -> list[ClipWork]:
        come, self.coming = self.coming, []
        return come

    @rule(count=st.integers(1, 3))
    @precondition(lambda self: not self.done and len(self.works) < 12)
    def clips_come_up(self, count: int) -> None:
        there = len(self.works)
        come = works(*(f"clip{number}.mp4" for number in range(there, there + count)), selection=FLOWS["e2e"])
        self.works += come
        self.coming += come

    @rule(seconds=st.integers(1, 60))
    def time_passes(self, seconds: int) -> None:
        """Also when the run is done: a machine needs something that it can always do."""
        self.desk.clock.sleep(seconds)

    @rule(seconds=st.integers(1, 300))
    @precondition(lambda self: not self.done)
    def the_service_goes_away(self, seconds: int) -> None:
        self.desk.osmo.go_away(seconds)

    @rule(row_seconds=st.floats(0.1, 90), seconds=st.floats(1, 60))
    @precondition(lambda self: not self.done)
    def an_answer_is_lost(self, row_seconds: float, seconds: float) -> None:
        # As long as a row does not take longer than a service that slow is waited for.
        self.desk.osmo.posts.append(
            NoAnswer(delivered=True, seconds=seconds, row_seconds=min(row_seconds, max(9.0, 1.9 * seconds)))
        )

    @rule()
    @precondition(lambda self: not self.done)
    def a_submission_is_lost(self) -> None:
        self.desk.osmo.posts.append(NoAnswer(delivered=False))

    @rule(count=st.integers(1, 3))
    @precondition(lambda self: not self.done)
    def the_service_is_busy(self, count: int) -> None:
        self.desk.osmo.posts.extend([OsmoBusy("not now")] * count)

    @rule(stage=st.sampled_from(list(Stage)))
    @precondition(lambda self: not self.done and sum(self.failing.values()) < 2)
    def a_node_is_lost(self, stage: Stage) -> None:
        self.failing[stage.row.task_name(0)] += 1

    @invariant()
    def no_stage_is_told_twice(self) -> None:
        if hasattr(self, "told"):
            assert all(count == 1 for count in self.told.completed.values())
            assert not self.told.completed.keys() & self.told.failed.keys()

    @invariant()
    def the_pool_is_never_overfilled(self) -> None:
        if hasattr(self, "desk"):
            assert len(self.desk.osmo.alive()) <= DEPLOYMENT["osmo"]["max_in_flight"]

    @invariant()
    def no_two_workflows_of_a_work_are_alive(self) -> None:
        if hasattr(self, "desk"):
            alive = Counter(name.rpartition("-")[0] for name in self.desk.osmo.alive())
            assert all(count == 1 for count in alive.values())

    def teardown(self) -> None:
        if not hasattr(self, "desk"):
            return
        while not self.done:
            self.go_on(1000)
        everything = {(one.clip.key, stage) for one in self.works for stage in one.stages}
        assert self.told.completed.keys() | self.told.failed.keys() == everything
        assert self.desk.osmo.alive() == []


DispatcherMachine.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.generate],
)
TestDispatcherUnderRandomTrouble = DispatcherMachine.TestCase
