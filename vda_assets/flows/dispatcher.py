"""Keeps a run's workflows on the pool until every clip's work has ended: look up, submit, watch, report, cancel.

A workflow is found again by the hash of its work, so that what a killed process left behind is adopted, and nothing is
submitted twice. A stage is reported as soon as its tasks completed, while other stages and clips go on.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from vda_assets.config.deployment import Deployment
from vda_assets.flows.selection import Output
from vda_assets.flows.stage_failures import StageFailure, explain_failures, worth_another_try
from vda_assets.flows.work import ClipWork, remaining
from vda_assets.flows.workflow import (
    LABEL_RUN,
    LABEL_WORK,
    build_workflow,
    labels_attempt,
    run_prefix,
    stage_of_task,
)
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoError, OsmoRefused, OsmoServerError, OsmoUnavailable
from vda_assets.osmo.models import TaskEntry, WorkflowEntry
from vda_assets.osmo.statuses import meaning_of
from vda_assets.storage.layout import RunLayout

ResultT = TypeVar("ResultT")
_HEARTBEAT_SECONDS = 110.0
# How often a clip's work is submitted in one run when the cluster, not the work, is to blame.
_MAX_TRIES = 3
_CANCEL_BUDGET_SECONDS = 20.0


class Report(Protocol):
    """Who is told what happened. Each stage of each work is told exactly once, by one of the two."""

    def stage_completed(self, work: ClipWork, stage: Output, *, layout: RunLayout, workflow_id: str) -> None: ...

    def stage_failed(self, work: ClipWork, failure: StageFailure) -> None: ...


@dataclass(frozen=True)
class Pace:
    """How often to look: quickly after something changed, ever more slowly while nothing does."""

    shortest_seconds: float = 0.5
    longest_seconds: float = 15.0
    growth: float = 1.5
    # For how long a service that does not answer is waited for.
    patience_seconds: float = 900.0


@dataclass
class _Active:
    work: ClipWork
    workflow_id: str
    layout: RunLayout
    tries: int = 1
    completed: set[Output] = field(default_factory=set)


@dataclass(frozen=True)
class _Pending:
    """`attempt` numbers the submissions of this very work, `tries` those of its clip in this run."""

    work: ClipWork
    attempt: int
    tries: int = 1


@dataclass
class Dispatcher:
    """`is_whole` tells whether a completed workflow's outputs still lie in storage; if not, the work is done anew."""

    client: OsmoClient
    deployment: Deployment
    gpu_platform: str
    layout: RunLayout
    report: Report
    is_whole: Callable[[ClipWork, RunLayout], bool]
    log: Callable[[str], None]
    pace: Pace = Pace()
    sleep: Callable[[float], None] = time.sleep

    def run(self, works: Sequence[ClipWork]) -> None:
        """Returns when every stage of every work was reported. An interrupt cancels what this run has on the pool."""
        self._active: dict[str, _Active] = {}
        self._totals = Counter(stage for work in works for stage in work.stages)
        self._ended: Counter[Output] = Counter()
        self._started = time.monotonic()
        try:
            self._run(works)
        except Exception:
            raise  # the workflows go on: a retried run adopts them
        except BaseException:
            self._cancel_all()
            raise

    def _run(self, works: Sequence[ClipWork]) -> None:
        self._pending = deque(self._patiently(lambda: self._adopt(works)))
        pause = self.pace.shortest_seconds
        heartbeat = time.monotonic()
        while self._pending or self._active:
            changed = self._fill()
            changed |= self._patiently(self._look)
            if time.monotonic() - heartbeat >= _HEARTBEAT_SECONDS:
                heartbeat = time.monotonic()
                self.log(self._progress())
            if not (self._pending or self._active):
                break
            pause = self.pace.shortest_seconds if changed else min(pause * self.pace.growth, self.pace.longest_seconds)
            self.sleep(pause)

    # Submitting

    def _adopt(self, works: Sequence[ClipWork]) -> list[_Pending]:
        """Takes over what runs or completed already; returns the rest with the attempt that each is to be."""
        newest = self._find(works)
        pending = []
        for work in works:
            entry = newest.get(work.hash)
            if entry is None:
                pending.append(_Pending(work, 1))
                continue
            meaning = meaning_of(entry.status)
            layout = RunLayout(self.layout.storage_url, self.layout.dataset, entry.labels[LABEL_RUN])
            if not meaning.ended or (meaning.succeeded and self.is_whole(work, layout)):
                self._active[entry.name] = _Active(work, entry.name, layout)
                self.log(f"{work.clip.key}: adopted workflow {entry.name} ({entry.status})")
            else:
                pending.append(_Pending(work, labels_attempt(entry.labels) + 1))
        return pending

    def _find(self, works: Iterable[ClipWork]) -> dict[str, WorkflowEntry]:
        """The newest workflow of each work's hash, over all runs."""
        newest: dict[str, WorkflowEntry] = {}
        hashes = [work.hash for work in works]
        for entry in self.client.workflows(labels={LABEL_WORK: hashes}) if hashes else ():
            found = newest.get(entry.labels[LABEL_WORK])
            if found is None or entry.submit_time > found.submit_time:
                newest[entry.labels[LABEL_WORK]] = entry
        return newest

    def _fill(self) -> bool:
        """Submits until `max_in_flight` is reached; True when something was submitted or refused."""
        changed = False
        while self._pending and len(self._active) < self.deployment.osmo.max_in_flight:
            pending = self._pending.popleft()
            work = pending.work
            changed = True
            try:
                workflow_id = self._patiently(partial(self._submit, work, pending.attempt))
            except (OsmoRefused, OsmoServerError) as error:
                for stage in work.stages:
                    self._fail(work, StageFailure(stage, f"the workflow was not accepted: {error}"))
                continue
            self._active[workflow_id] = _Active(work, workflow_id, self.layout, tries=pending.tries)
            self.log(f"{work.clip.key}: submitted workflow {workflow_id} ({', '.join(work.stages)})")
        return changed

    def _submit(self, work: ClipWork, attempt: int) -> str:
        spec = build_workflow(
            work,
            layout=self.layout,
            deployment=self.deployment,
            gpu_platform=self.gpu_platform,
            attempt=attempt,
        )
        try:
            return self.client.submit(spec, pool=self.deployment.osmo.pool).name
        except OsmoUnavailable as error:
            # A POST that broke may have been accepted: it is looked up before it is sent again.
            if not error.maybe_delivered:
                raise
            entry = self._patiently(lambda: self._find([work])).get(work.hash)
            if entry is None or labels_attempt(entry.labels) < attempt:
                raise
            return entry.name

    # Watching

    def _look(self) -> bool:
        """One call for the tasks of all workflows of a run; True when a stage or a workflow ended."""
        tasks: dict[str, dict[str, TaskEntry]] = {workflow_id: {} for workflow_id in self._active}
        for run_id in sorted({active.layout.run_id for active in self._active.values()}):
            for entry in self.client.tasks(workflow_id=run_prefix(run_id)):
                of_workflow = tasks.get(entry.workflow_id)
                if of_workflow is None:
                    continue
                known = of_workflow.get(entry.task_name)
                if known is None or known.retry_id < entry.retry_id:
                    of_workflow[entry.task_name] = entry
        changed = False
        for workflow_id, entries in tasks.items():
            changed |= self._digest(self._active[workflow_id], list(entries.values()))
        return changed

    def _digest(self, active: _Active, entries: list[TaskEntry]) -> bool:
        changed = False
        meanings = [(stage_of_task(entry.task_name), meaning_of(entry.status)) for entry in entries]
        for stage in active.work.stages:
            of_stage = [meaning for its_stage, meaning in meanings if its_stage is stage]
            if stage not in active.completed and of_stage and all(meaning.succeeded for meaning in of_stage):
                active.completed.add(stage)
                self._ended[stage] += 1
                changed = True
                self.report.stage_completed(active.work, stage, layout=active.layout, workflow_id=active.workflow_id)
        if meanings and all(meaning.ended for _, meaning in meanings):
            changed = True
            failures = self._failures_of(active)
            del self._active[active.workflow_id]
            if failures and active.tries < _MAX_TRIES and worth_another_try(failures):
                self._try_again(active, failures)
            else:
                for failure in failures:
                    self._fail(active.work, failure)
        return changed

    def _try_again(self, active: _Active, failures: Sequence[StageFailure]) -> None:
        """Puts what is left of the work back to the others, as the next attempt of exactly that."""
        left = remaining(active.work, dict.fromkeys(active.completed, active.layout))
        entry = self._find([left]).get(left.hash)
        attempt = labels_attempt(entry.labels) + 1 if entry else 1
        self._pending.append(_Pending(left, attempt, active.tries + 1))
        self.log(
            f"{active.work.clip.key}: trying {', '.join(left.stages)} again: {failures[0].message.splitlines()[0]}"
        )

    def _failures_of(self, active: _Active) -> list[StageFailure]:
        left = [stage for stage in active.work.stages if stage not in active.completed]
        return explain_failures(self.client, active.workflow_id, left, flow=active.work.selection.flow) if left else []

    def _fail(self, work: ClipWork, failure: StageFailure) -> None:
        self._ended[failure.stage] += 1
        self.report.stage_failed(work, failure)

    # Waiting and ending

    def _patiently(self, call: Callable[[], ResultT]) -> ResultT:
        """The call's result; a service that does not answer is waited for, up to the pace's patience."""
        deadline = time.monotonic() + self.pace.patience_seconds
        pause = self.pace.shortest_seconds
        while True:
            try:
                return call()
            except OsmoUnavailable as error:
                if time.monotonic() >= deadline:
                    raise
                self.log(f"waiting for OSMO: {error}")
                pause = min(pause * 2, 60.0)
                self.sleep(pause)

    def _progress(self) -> str:
        stages = ", ".join(f"{stage} {self._ended[stage]} of {total}" for stage, total in sorted(self._totals.items()))
        ended, total = sum(self._ended.values()), sum(self._totals.values())
        elapsed = time.monotonic() - self._started
        left = f", about {elapsed / ended * (total - ended) / 60:.0f} min left" if ended else ""
        return f"{len(self._active)} workflows on the pool, {len(self._pending)} waiting; ended: {stages}{left}"

    def _cancel_all(self) -> None:
        """Cancels what is on the pool, in bounded time, and says what it could not cancel."""
        deadline = time.monotonic() + _CANCEL_BUDGET_SECONDS
        for workflow_id in list(self._active):
            if time.monotonic() >= deadline:
                self.log(f"no time left to cancel {', '.join(self._active)}")
                return
            try:
                self.client.cancel(workflow_id, message="the Dagster run was terminated")
                self.log(f"canceled workflow {workflow_id}")
            except OsmoError as error:
                self.log(f"could not cancel workflow {workflow_id}: {error}")
            del self._active[workflow_id]
