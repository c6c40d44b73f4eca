"""Keeps a run's workflows on the pool until every clip's work has ended: look up, submit, watch, report, cancel.

A workflow is found again by the hash of its work, so that what a killed process left behind is adopted, and nothing is
submitted twice. A stage is reported as soon as its tasks completed, while other stages and clips go on.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from math import ceil
from typing import Protocol, TypeVar

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.base.patience import Patience, Waiter
from vda_assets.config.deployment import Deployment
from vda_assets.dispatch.cancel import cancel_run, cancel_workflows
from vda_assets.dispatch.failures import Explained, StageFailure, explain_failures, worth_another_try
from vda_assets.dispatch.pace import Heartbeat, Pace, Rhythm
from vda_assets.dispatch.submissions import Submissions, Submitted, next_attempt, work_hash_in
from vda_assets.dispatch.watching import WatchedWorkflow, first_start, look
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork, remaining, without
from vda_assets.flows.workflow import WORK_HASH_IN_NAME, build_workflow
from vda_assets.osmo.errors import OsmoRefused, OsmoServerError, OsmoUnavailable
from vda_assets.osmo.service import OsmoService
from vda_assets.storage.layout import RunLayout

ResultT = TypeVar("ResultT")
# How often a clip's work is submitted in one run when the cluster, not the work, is to blame.
_MAX_TRIES = 3
# After how many looks without any of its tasks a workflow is taken to be lost.
_LOOKS_UNTIL_LOST = 3


class Report(Protocol):
    """Who is told what happened. Each stage of each work is told exactly once, completed or failed."""

    def stage_completed(self, work: ClipWork, stage: Stage, *, layout: RunLayout, workflow_id: str) -> None: ...

    def stage_failed(self, work: ClipWork, failure: StageFailure) -> None: ...

    def while_waiting(self) -> None:
        """Called before every pause: time for what need not be done at once."""


class IsWhole(Protocol):
    """Whether all outputs of a stage are there in a run's folder, and the work that left them has the hash `work_hash`.

    A service without labels knows only the beginning of that hash.
    """

    def __call__(self, work: ClipWork, stage: Stage, *, layout: RunLayout, work_hash: str) -> bool: ...


@dataclass
class _Active:
    """`stages` are those of the work that the workflow does; an adopted one may do fewer than are needed."""

    work: ClipWork
    workflow_id: str
    layout: RunLayout
    stages: frozenset[Stage]
    tries: int = 1
    completed: set[Stage] = field(default_factory=set)
    looks_without_tasks: int = 0

    @property
    def left(self) -> list[Stage]:
        return [stage for stage in self.work.stages if stage not in self.completed]


@dataclass(frozen=True)
class _Pending:
    """`attempt` numbers the submissions of this very work, `tries` those of its clip in this run."""

    work: ClipWork
    attempt: int
    tries: int


class Dispatcher:
    """Drives one run. `log` is told transitions and, every few minutes, how far the run is."""

    def __init__(
        self,
        *,
        client: OsmoService,
        deployment: Deployment,
        gpu_platform: str,
        layout: RunLayout,
        report: Report,
        is_whole: IsWhole,
        log: Callable[[str], None],
        pace: Pace = Pace(),  # noqa: B008 - a frozen value
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._client, self._deployment, self._gpu_platform = client, deployment, gpu_platform
        self._layout, self._report, self._is_whole, self._log = layout, report, is_whole, log
        self._pace, self._clock = pace, clock
        self._submissions = Submissions(client)
        self._pending: deque[_Pending] = deque()
        self._active: dict[str, _Active] = {}
        self._nothing_started_before: datetime | None = None
        self._totals: Counter[Stage] = Counter()
        self._ended: Counter[Stage] = Counter()
        self._started = clock.monotonic()
        self._rhythm = Rhythm(pace)
        patience = Patience(pace.patience_seconds, first_pause_seconds=pace.shortest_seconds, longest_pause_seconds=60)
        self._waiter = Waiter(patience, whom="OSMO", worth_waiting=OsmoUnavailable, clock=clock, log=log)

    def run(self, works: Sequence[ClipWork]) -> None:
        """Returns when every stage of every work was reported. An interrupt cancels what this run has on the pool.

        Raises OsmoUnavailable when the service stays away; the workflows go on then, and a retried run adopts them.
        """
        self._totals.update(stage for work in works for stage in work.stages)
        try:
            self._take_up(works, tries=1)
            self._work_off()
        except Exception:
            raise
        except BaseException:
            message = "the Dagster run was terminated"
            cancel_run(self._client, self._layout.run_id, known=list(self._active), message=message, log=self._log)
            raise

    def _work_off(self) -> None:
        heartbeat = Heartbeat(self._pace, self._clock)
        while self._pending or self._active:
            changed = self._fill()
            watched = self._waiter.ask(self._look)
            changed |= self._digest(watched)
            if heartbeat.is_due():
                self._log(self._progress())
            if self._pending or self._active:
                self._report.while_waiting()
                now = self._clock.now()
                running = [task for one in watched.values() for task in one.running(now)]
                self._clock.sleep(self._rhythm.next_pause(changed=changed, running=running))

    # Submitting

    def _take_up(self, works: Sequence[ClipWork], *, tries: int) -> None:
        """Reports what former workflows finished, takes over what runs already, and lines the rest up."""
        submitted = self._waiter.ask(lambda: self._submissions.of(works))
        for work in works:
            former = submitted[work.clip.key]
            left = remaining(work, self._report_finished(work, former))
            if not left.stages:
                continue
            alive = [one for one in former if not one.meaning.ended and one.stages & set(left.stages)]
            if alive:
                self._adopt(left, max(alive, key=lambda one: len(one.stages & set(left.stages))), tries)
            else:
                self._pending.append(_Pending(left, next_attempt(left, former), tries))

    def _report_finished(self, work: ClipWork, former: Sequence[Submitted]) -> dict[Stage, RunLayout]:
        """Stages whose results a workflow that ended, well or not, left whole."""
        finished: dict[Stage, RunLayout] = {}
        for one in reversed(former):
            layout = self._layout_of(one.run_id)
            for stage in one.stages - set(finished) if one.meaning.ended else ():
                if self._is_whole(work, stage, layout=layout, work_hash=one.work_hash):
                    finished[stage] = layout
                    self._ended[stage] += 1
                    self._log(f"{work.clip.key}: adopted {stage} of workflow {one.workflow_id} ({one.status})")
                    self._report.stage_completed(work, stage, layout=layout, workflow_id=one.workflow_id)
        return finished

    def _adopt(self, work: ClipWork, one: Submitted, tries: int) -> None:
        stages = one.stages & set(work.stages)
        self._active[one.workflow_id] = _Active(work, one.workflow_id, self._layout_of(one.run_id), stages, tries)
        self._nothing_started_before = None
        self._log(f"{work.clip.key}: adopted workflow {one.workflow_id} ({one.status}) for {', '.join(sorted(stages))}")

    def _layout_of(self, run_id: str) -> RunLayout:
        return RunLayout(self._layout.storage_url, self._layout.dataset, run_id)

    def _fill(self) -> bool:
        """Submits until `max_in_flight` is reached; True when something was submitted or refused."""
        new: list[_Active] = []
        refused = False
        while self._pending and len(self._active) < self._deployment.osmo.max_in_flight:
            pending = self._pending.popleft()
            work = pending.work
            try:
                workflow_id = self._waiter.ask(partial(self._submit, work, pending.attempt))
            except (OsmoRefused, OsmoServerError) as error:
                refused = True
                for stage in work.stages:
                    self._fail(work, StageFailure(stage, f"the workflow was not accepted: {error}"))
                continue
            active = _Active(work, workflow_id, self._layout, frozenset(work.stages), pending.tries)
            self._active[workflow_id] = active
            new.append(active)
            self._log(f"{work.clip.key}: submitted workflow {workflow_id} ({', '.join(work.stages)})")
        if new:
            self._waiter.ask(lambda: self._settle(new))
        return bool(new) or refused

    def _submit(self, work: ClipWork, attempt: int) -> str:
        spec = build_workflow(
            work,
            layout=self._layout,
            deployment=self._deployment,
            gpu_platform=self._gpu_platform,
            attempt=attempt,
            labelled=self._submissions.labelled,
        )
        try:
            return self._client.submit(spec, pool=self._deployment.osmo.pool).name
        except OsmoUnavailable as error:
            if not error.maybe_delivered:
                raise
            # It may have been accepted: it is looked up before it is sent again.
            former = self._waiter.ask(lambda: self._submissions.of([work]))[work.clip.key]
            accepted = [one for one in former if one.does_exactly(work) and one.attempt >= attempt]
            if not accepted:
                raise
            return accepted[0].workflow_id

    def _settle(self, new: Sequence[_Active]) -> None:
        """Leaves the oldest workflow of each work, should another run or a doubled delivery have sent one before."""
        submitted = self._submissions.of([active.work for active in new])
        for active in new:
            rivals = [one for one in submitted[active.work.clip.key] if one.does_all_of(active.work)]
            first = next((one for one in rivals if not one.meaning.ended or self._left_all(one, active.work)), None)
            if first is None or first.workflow_id == active.workflow_id or active.workflow_id not in self._active:
                continue
            del self._active[active.workflow_id]
            self._cancel([active.workflow_id], f"{first.workflow_id} does the same work")
            self._adopt(active.work, first, active.tries)

    def _left_all(self, one: Submitted, work: ClipWork) -> bool:
        """Whether the results of a workflow that ended lie whole in storage: somebody may have deleted them."""
        layout = self._layout_of(one.run_id)
        return one.meaning.succeeded and all(
            self._is_whole(work, stage, layout=layout, work_hash=one.work_hash) for stage in work.stages
        )

    # Watching

    def _look(self) -> dict[str, WatchedWorkflow]:
        """The tasks of all workflows that are on the pool; a stray of work that another one does is canceled."""
        runs = {one.workflow_id: one.layout.run_id for one in self._active.values()}
        watched, strays = look(self._client, runs, started_after=self._nothing_started_before)
        self._nothing_started_before = first_start(watched.values())
        ours = {active.work.work_hash[:WORK_HASH_IN_NAME]: active for active in self._active.values()}
        for workflow_id in strays:
            twin = ours.get(work_hash_in(workflow_id) or "")
            if twin is not None:
                self._cancel([workflow_id], f"{twin.workflow_id} does the same work")
        return watched

    def _digest(self, watched: dict[str, WatchedWorkflow]) -> bool:
        """Reports what ended; True when something did."""
        changes = [self._digest_one(self._active[workflow_id], one) for workflow_id, one in watched.items()]
        return any(changes)

    def _digest_one(self, active: _Active, watched: WatchedWorkflow) -> bool:
        new = [stage for stage in active.left if watched.completed(stage, workers=active.work.workers(stage))]
        for stage in new:
            active.completed.add(stage)
            self._ended[stage] += 1
            self._rhythm.ended(stage, watched.seconds_of(stage))
            self._report.stage_completed(active.work, stage, layout=active.layout, workflow_id=active.workflow_id)
        if not watched.ended and not self._may_be_lost(active, watched):
            return bool(new)
        failures: tuple[StageFailure, ...] = ()
        if active.left:
            attempted = [stage for stage in active.left if stage in active.stages]
            became = self._waiter.ask(lambda: explain_failures(self._client, active.workflow_id, attempted))
            if not isinstance(became, Explained):
                active.looks_without_tasks = 0
                return bool(new)
            failures = became.failures
        del self._active[active.workflow_id]
        if active.left:
            self._go_on(active, failures)
        return True

    def _go_on(self, active: _Active, failures: Sequence[StageFailure]) -> None:
        """A workflow ended before its clip's work did: fails what failed for good, takes up the rest."""
        failed: set[Stage] = set()
        if failures and not (active.tries < _MAX_TRIES and worth_another_try(failures)):
            for failure in failures:
                self._fail(active.work, failure)
            failed = {failure.stage for failure in failures}
            for stage in sorted(active.work.selection.depending_on(failed) - failed):
                self._fail(active.work, StageFailure(stage, f"not begun: {', '.join(sorted(failed))} failed"))
                failed.add(stage)
        elif failures:
            self._log(f"{active.work.clip.key}: once more, since {failures[0].message.splitlines()[0]}")
        done = dict.fromkeys(active.completed, active.layout)
        left = remaining(without(active.work, failed), done)
        if left.stages:
            self._take_up([left], tries=active.tries + bool(failures))

    def _may_be_lost(self, active: _Active, watched: WatchedWorkflow) -> bool:
        """Whether it is time to ask for a workflow that shows no tasks: a service restored from a backup forgets."""
        active.looks_without_tasks = 0 if watched.tasks else active.looks_without_tasks + 1
        return active.looks_without_tasks >= _LOOKS_UNTIL_LOST

    def _fail(self, work: ClipWork, failure: StageFailure) -> None:
        self._ended[failure.stage] += 1
        self._report.stage_failed(work, failure)

    # Waiting and ending

    def _progress(self) -> str:
        stages = ", ".join(f"{stage} {self._ended[stage]} of {total}" for stage, total in sorted(self._totals.items()))
        ended, total = sum(self._ended.values()), sum(self._totals.values())
        elapsed = self._clock.monotonic() - self._started
        left = f", about {ceil(elapsed / ended * (total - ended) / 60)} min left" if ended else ""
        return f"{len(self._active)} workflows on the pool, {len(self._pending)} waiting; ended: {stages}{left}"

    def _cancel(self, workflow_ids: Iterable[str], message: str) -> None:
        cancel_workflows(self._client, workflow_ids, message=message, log=self._log)
