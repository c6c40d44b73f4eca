"""How stored workflows move on: groups get ready, start, end; each end carries over to siblings, groups and workflow.

Everything here is one database transaction after the other, by OSMO 6.4's rules. No processes and no threads:
every method returns the `Changes` that the engine has to follow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vda_assets.embedded.service.outcomes import (
    BACKEND_EXIT_CODE,
    UPSTREAM_EXIT_CODE,
    Ending,
    TaskState,
    group_status,
    is_failed,
    is_finished,
    workflow_status,
)
from vda_assets.embedded.service.scheduling import Need, can_ever_fit
from vda_assets.embedded.service.settings import PlatformCapacity
from vda_assets.embedded.service.store import Row, Store, utc_now
from vda_assets.osmo.statuses import TaskStatus

_UPSTREAM_FAILED = Ending(TaskStatus.FAILED_UPSTREAM, UPSTREAM_EXIT_CODE, "Upstream task failed.")
RESTARTED = Ending(
    TaskStatus.FAILED_BACKEND_ERROR,
    BACKEND_EXIT_CODE,
    f"Failure reason: Exit code {BACKEND_EXIT_CODE} due to the embedded OSMO being restarted while the task ran.",
)


@dataclass
class Changes:
    """What the engine has to do now; times are the groups' limits in seconds."""

    ended_tasks: set[int] = field(default_factory=set)
    ended_groups: set[int] = field(default_factory=set)
    ready: list[tuple[Need, float]] = field(default_factory=list)
    started_groups: dict[int, float] = field(default_factory=dict)


class Ledger:
    """`on_failed` is told of every workflow that failed, before its end is stored."""

    def __init__(
        self, store: Store, *, platforms: Mapping[str, PlatformCapacity], on_failed: Callable[[str], None]
    ) -> None:
        self._store = store
        self._platforms = platforms
        self._on_failed = on_failed

    def promote(self, workflow_id: str) -> Changes:
        """Queues each group whose upstream groups completed, fails it when one failed; updates the workflow."""
        changes = Changes()
        with self._store.transaction():
            self._promote(workflow_id, changes)
        return changes

    def start_task(self, task_id: int, *, start_time: str, **columns: Any) -> Changes:
        changes = Changes()
        with self._store.transaction():
            self._store.update("task", task_id, status=TaskStatus.RUNNING, start_time=start_time, **columns)
            self._settle_group(self._group_of(task_id), changes)
        return changes

    def end_task(self, task_id: int, ending: Ending) -> Changes:
        """Stores how a task ended, unless it had ended before; its siblings follow OSMO's lead rules."""
        changes = Changes()
        with self._store.transaction():
            self._end_task(task_id, ending, changes)
        return changes

    def end_group(self, group_id: int, ending: Ending) -> Changes:
        """Ends whatever of the group has not ended, with the same status for the group itself."""
        changes = Changes()
        with self._store.transaction():
            group = self._store.one("SELECT * FROM grp WHERE id = ?", group_id)
            assert group is not None
            if not is_finished(group["status"]):
                self._end_group(group, ending, changes)
                self._promote(group["workflow"], changes)
        return changes

    def cancel(self, workflow_id: str, *, user: str, message: str | None) -> Changes:
        changes = Changes()
        text = f"Task was canceled by user: {user}. {message or ''}".rstrip()
        with self._store.transaction():
            for group in self._store.groups(workflow_id):
                if not is_finished(group["status"]):
                    self._end_group(group, Ending(TaskStatus.FAILED_CANCELED, None, text), changes)
            self._settle_workflow(workflow_id, cancelled_by=user)
        return changes

    def recover(self) -> tuple[list[Row], Changes]:
        """After a start: ends the tasks that ran when the last server ended; returns them as they were stored.

        Groups that had a place in the queue wait again; `promote` brings them back.
        """
        changes = Changes()
        with self._store.transaction():
            left = self._store.all(
                "SELECT t.* FROM task t JOIN grp g ON g.id = t.grp WHERE t.status IN ('INITIALIZING', 'RUNNING')"
            )
            self._store.execute("UPDATE grp SET status = 'WAITING' WHERE status IN ('PROCESSING', 'SCHEDULING')")
            self._store.execute("UPDATE task SET status = 'WAITING' WHERE status IN ('PROCESSING', 'SCHEDULING')")
            for task in left:
                self._end_task(task["id"], RESTARTED, changes)
        return left, changes

    def unfinished_workflows(self) -> list[str]:
        rows = self._store.all("SELECT id FROM workflow WHERE status IN ('PENDING', 'RUNNING') ORDER BY seq")
        return [row["id"] for row in rows]

    def _end_task(self, task_id: int, ending: Ending, changes: Changes) -> None:
        group = self._group_of(task_id)
        tasks = self._store.tasks_of_group(group["id"])
        task = next(each for each in tasks if each["id"] == task_id)
        if is_finished(task["status"]):
            return
        self._end(task, ending, changes)
        sibling_ending = _sibling_ending(task, ending.status, ignore_nonlead=bool(group["ignore_nonlead"]))
        if sibling_ending is not None:
            for sibling in tasks:
                if sibling["id"] != task_id and not is_finished(sibling["status"]):
                    self._end(sibling, sibling_ending, changes)
        self._settle_group(group, changes)

    def _promote(self, workflow_id: str, changes: Changes) -> None:
        workflow = self._store.workflow(workflow_id)
        assert workflow is not None
        groups = self._store.groups(workflow_id)
        statuses = {group["name"]: group["status"] for group in groups}
        for group in groups:
            if group["status"] not in (TaskStatus.SUBMITTING, TaskStatus.WAITING):
                continue
            upstream = [statuses[name] for name in json.loads(group["upstream"])]
            if any(map(is_failed, upstream)):
                self._end_group(group, _UPSTREAM_FAILED, changes)
                statuses[group["name"]] = TaskStatus.FAILED_UPSTREAM
            elif all(status == TaskStatus.COMPLETED for status in upstream):
                statuses[group["name"]] = self._queue(group, workflow, changes)
            else:
                self._store.update("grp", group["id"], status=TaskStatus.WAITING)
        self._settle_workflow(workflow_id)

    def _queue(self, group: Row, workflow: Row, changes: Changes) -> TaskStatus:
        by_platform: dict[str, tuple[int, int]] = {}
        for task in self._store.tasks_of_group(group["id"]):
            gpus, cpus = by_platform.get(task["platform"], (0, 0))
            by_platform[task["platform"]] = (gpus + task["gpu"], cpus + task["cpu"])
            if not can_ever_fit(Need(0, "", {task["platform"]: (task["gpu"], task["cpu"])}), self._platforms):
                # The platforms were changed since the submission, which would have been refused.
                text = f"Task {task['name']} asks for more than the platform {task['platform']} has."
                self._end_group(group, Ending(TaskStatus.FAILED_BACKEND_ERROR, BACKEND_EXIT_CODE, text), changes)
                return TaskStatus.FAILED_BACKEND_ERROR
        need = Need(group["id"], workflow["priority"], by_platform)
        now = utc_now()
        self._store.update(
            "grp", group["id"], status=TaskStatus.SCHEDULING, processing_start_time=now, scheduling_start_time=now
        )
        self._store.execute("UPDATE task SET status = ? WHERE grp = ?", TaskStatus.SCHEDULING, group["id"])
        changes.ready.append((need, workflow["queue_timeout"]))
        return TaskStatus.SCHEDULING

    def _end(self, task: Row, ending: Ending, changes: Changes) -> None:
        self._store.update(
            "task",
            task["id"],
            status=ending.status,
            exit_code=ending.exit_code,
            failure_message=ending.message,
            end_time=utc_now(),
            spec=None,
        )
        changes.ended_tasks.add(task["id"])

    def _end_group(self, group: Row, ending: Ending, changes: Changes) -> None:
        for task in self._store.tasks_of_group(group["id"]):
            if not is_finished(task["status"]):
                self._end(task, ending, changes)
        self._store.update("grp", group["id"], status=ending.status, failure_message=ending.message, end_time=utc_now())
        changes.ended_groups.add(group["id"])

    def _settle_group(self, group: Row, changes: Changes) -> None:
        tasks = self._store.tasks_of_group(group["id"])
        states = [TaskState(task["status"], bool(task["lead"])) for task in tasks]
        status = group_status(states, ignore_nonlead=bool(group["ignore_nonlead"]))
        if status == group["status"]:
            return
        columns: dict[str, Any] = {"status": status}
        if is_finished(status):
            failed = sorted((task for task in tasks if is_failed(task["status"])), key=lambda task: not task["lead"])
            columns |= {"end_time": utc_now(), "failure_message": failed[0]["failure_message"] if failed else None}
            changes.ended_groups.add(group["id"])
        elif group["start_time"] is None and status == TaskStatus.RUNNING:
            columns["start_time"] = min((task["start_time"] for task in tasks if task["start_time"]), default=utc_now())
            workflow = self._store.workflow(group["workflow"])
            assert workflow is not None
            changes.started_groups[group["id"]] = workflow["exec_timeout"]
        self._store.update("grp", group["id"], **columns)
        if is_finished(status):
            self._promote(group["workflow"], changes)
        else:
            self._settle_workflow(group["workflow"])

    def _settle_workflow(self, workflow_id: str, *, cancelled_by: str | None = None) -> None:
        workflow = self._store.workflow(workflow_id)
        assert workflow is not None
        groups = self._store.groups(workflow_id)
        status = workflow_status([group["status"] for group in groups], was_running=workflow["start_time"] is not None)
        if status == workflow["status"]:
            return
        starts = [group["start_time"] for group in groups if group["start_time"]]
        columns: dict[str, Any] = {"status": status, "start_time": min(starts, default=None)}
        if is_finished(status):
            if is_failed(status):
                self._on_failed(workflow_id)
            by_limit = "osmo" if status.endswith("_TIMEOUT") else None
            columns |= {"end_time": utc_now(), "cancelled_by": cancelled_by or by_limit}
        self._store.update("workflow", workflow["id"], **columns)

    def _group_of(self, task_id: int) -> Row:
        group = self._store.one("SELECT g.* FROM grp g JOIN task t ON t.grp = g.id WHERE t.id = ?", task_id)
        assert group is not None
        return group


def _sibling_ending(task: Row, status: TaskStatus, *, ignore_nonlead: bool) -> Ending | None:
    if task["lead"]:
        if is_failed(status):
            return Ending(TaskStatus.FAILED, None, "Lead task failed")
        return Ending(TaskStatus.COMPLETED, None, "Lead task finished")
    if is_failed(status) and not ignore_nonlead:
        return Ending(TaskStatus.FAILED, None, f"Task {task['name']} Failed.")
    return None
