"""The pool of an OSMO in memory: a simulated clock moves its workflows on, by a script of what becomes of each task.

By OSMO 6.4's rules: groups wait for those that they read from, queue for GPUs, start and run; an end carries over to
siblings, later groups and the workflow.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from vda_assets.embedded.service.outcomes import (
    UPSTREAM_EXIT_CODE,
    TaskState,
    group_status,
    is_failed,
    is_finished,
    workflow_status,
)
from vda_assets.embedded.service.quantities import parse_duration
from vda_assets.embedded.service.scheduling import PRIORITIES
from vda_assets.osmo.statuses import TaskStatus
from vda_assets_tests.osmo.in_memory_rows import Fate, GroupRow, Script, TaskRow, Try, WorkflowRow
from vda_assets_tests.simulated_clock import SimulatedClock

USER = "testuser"
_NEVER_RUNS = {
    TaskStatus.FAILED_IMAGE_PULL,
    TaskStatus.FAILED_START_ERROR,
    TaskStatus.FAILED_START_TIMEOUT,
    TaskStatus.FAILED_BACKEND_ERROR,
}


class Pool:
    """Workflows that share `gpus`. A group starts when all it reads from completed and its GPUs are free."""

    def __init__(
        self,
        clock: SimulatedClock,
        script: Script,
        *,
        gpus: int,
        step_seconds: float,
        on_end: Callable[[WorkflowRow, TaskRow], None],
    ) -> None:
        self._clock = clock
        self._script = script
        self._gpus = gpus
        self._step_seconds = step_seconds
        self._on_end = on_end
        self.workflows: list[WorkflowRow] = []

    def begin(self, row: WorkflowRow) -> None:
        """Stores the workflow and moves its first groups on."""
        row.is_stored = True
        self._promote(row)

    def cancel(self, row: WorkflowRow, message: str) -> None:
        """Ends what has not ended; a canceled task has no exit code (OSMO 6.4)."""
        if row.has_ended:
            return
        row.canceled_by = USER
        text = f"Task was canceled by user: {USER}. {message}".rstrip()
        for group in row.groups:
            self._end_group(row, group, TaskStatus.FAILED_CANCELED, None, text)
        self._settle(row)
        self._start_what_fits()

    # From group to group

    def _promote(self, row: WorkflowRow) -> None:
        statuses = {group.name: group.status for group in row.groups}
        for group in row.groups:
            if group.status not in (TaskStatus.SUBMITTING, TaskStatus.WAITING):
                continue
            upstream = [statuses[name] for name in group.upstream]
            if any(map(is_failed, upstream)):
                text = "Upstream task failed."
                self._end_group(row, group, TaskStatus.FAILED_UPSTREAM, UPSTREAM_EXIT_CODE, text)
            elif all(status == TaskStatus.COMPLETED for status in upstream):
                self._process(row, group)
            else:
                group.status = TaskStatus.WAITING
            statuses[group.name] = group.status
        self._settle(row)

    def _process(self, row: WorkflowRow, group: GroupRow) -> None:
        self._move(group, TaskStatus.PROCESSING)
        group.processing = self._clock.now()
        # A service that died in mid-job leaves its group here, where no clock of OSMO runs.
        if all(self._fate(row, task).stuck_in != TaskStatus.PROCESSING for task in group.tasks):
            self._clock.after(self._step_seconds, partial(self._queue, row, group))

    def _queue(self, row: WorkflowRow, group: GroupRow) -> None:
        if group.status != TaskStatus.PROCESSING:
            return
        self._move(group, TaskStatus.SCHEDULING)
        group.scheduling = self._clock.now()
        limit = parse_duration(row.spec.timeout.queue_timeout)
        self._clock.after(limit, partial(self._end_late, row, group, TaskStatus.FAILED_QUEUE_TIMEOUT))
        self._start_what_fits()

    def _start_what_fits(self) -> None:
        """Best priority first, then oldest; one that does not fit is not overtaken."""
        groups = [(row, group) for row in self.workflows for group in row.groups]
        taken = sum(group.gpus for _, group in groups if group.initializing and not is_finished(group.status))
        waiting = [(row, group) for row, group in groups if group.status == TaskStatus.SCHEDULING]
        for row, group in sorted(waiting, key=lambda each: PRIORITIES.index(each[0].priority)):
            taken += group.gpus
            if taken > self._gpus:
                return
            self._move(group, TaskStatus.INITIALIZING)
            group.initializing = self._clock.now()
            self._clock.after(self._step_seconds, partial(self._run, row, group))

    def _run(self, row: WorkflowRow, group: GroupRow) -> None:
        if group.status != TaskStatus.INITIALIZING:
            return
        for task in group.tasks:
            self._run_task(row, group, task)
        if group.status == TaskStatus.RUNNING:
            limit = parse_duration(row.spec.timeout.exec_timeout)
            self._clock.after(limit, partial(self._end_late, row, group, TaskStatus.FAILED_EXEC_TIMEOUT))

    def _run_task(self, row: WorkflowRow, group: GroupRow, task: TaskRow) -> None:
        if is_finished(task.status):
            return
        fate = self._fate(row, task)
        if fate.status not in _NEVER_RUNS:
            task.status, task.start = TaskStatus.RUNNING, self._clock.now()
            task.log += fate.log
            self._settle_group(row, group)
        if fate.stuck_in is None:
            self._clock.after(fate.seconds, partial(self._end_task, row, group, task, fate))

    # Ends

    def _end_task(self, row: WorkflowRow, group: GroupRow, task: TaskRow, fate: Fate) -> None:
        if is_finished(task.status):
            return
        if fate.status == TaskStatus.RESCHEDULED:
            task.status, task.exit_code, task.end = fate.status, fate.exit_code, self._clock.now()
            again = TaskRow(task.spec, task.gpus, retry_id=task.retry_id + 1, status=TaskStatus.INITIALIZING)
            group.tries.append(again)
            self._clock.after(self._step_seconds, partial(self._run_task, row, group, again))
            return
        self._end(row, task, fate.status, fate.exit_code, fate.message)
        if task.spec.lead:
            status, text = (
                (TaskStatus.FAILED, "Lead task failed")
                if is_failed(fate.status)
                else (TaskStatus.COMPLETED, "Lead task finished")
            )
            for sibling in group.tasks:
                self._end(row, sibling, status, None, text)
        self._settle_group(row, group)

    def _end_late(self, row: WorkflowRow, group: GroupRow, status: TaskStatus) -> None:
        counted = {TaskStatus.FAILED_QUEUE_TIMEOUT: TaskStatus.SCHEDULING}.get(status, TaskStatus.RUNNING)
        if group.status == counted:
            self._end_group(row, group, status, None, "Task took longer than the set limit.")
            self._promote(row)
            self._start_what_fits()

    def _end_group(
        self, row: WorkflowRow, group: GroupRow, status: TaskStatus, exit_code: int | None, text: str
    ) -> None:
        if is_finished(group.status):
            return
        for task in group.tasks:
            self._end(row, task, status, exit_code, text)
        group.status, group.message, group.end = status, text, self._clock.now()

    def _end(
        self, row: WorkflowRow, task: TaskRow, status: TaskStatus, exit_code: int | None, text: str | None
    ) -> None:
        if is_finished(task.status):
            return
        task.status, task.exit_code, task.message, task.end = status, exit_code, text, self._clock.now()
        self._on_end(row, task)

    def _settle_group(self, row: WorkflowRow, group: GroupRow) -> None:
        states = [TaskState(task.status, task.spec.lead) for task in group.tasks]
        group.status = group_status(states, ignore_nonlead=group.spec.ignoreNonleadStatus)
        if group.status == TaskStatus.RUNNING and group.start is None:
            group.start = self._clock.now()
        if is_finished(group.status):
            group.end = self._clock.now()
            group.message = next((task.message for task in group.tasks if is_failed(task.status)), None)
            self._promote(row)
            self._start_what_fits()
        else:
            self._settle(row)

    def _settle(self, row: WorkflowRow) -> None:
        row.status = workflow_status([group.status for group in row.groups], was_running=row.start is not None)
        row.start = min((group.start for group in row.groups if group.start), default=None)
        if row.has_ended:
            row.end = row.end or self._clock.now()

    def _move(self, group: GroupRow, status: TaskStatus) -> None:
        group.status = status
        for task in group.tasks:
            task.status = status

    def _fate(self, row: WorkflowRow, task: TaskRow) -> Fate:
        return self._script(Try(row.id, row.number, row.labels, task.spec, task.retry_id))
