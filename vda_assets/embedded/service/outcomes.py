"""Which status follows from which: tasks -> group -> workflow, and what an exit code or exit action makes of a task.

Source: OSMO 6.4 (group and workflow aggregation, exit actions, failure messages).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vda_assets.osmo.statuses import TaskStatus, WorkflowStatus

IMAGE_PULL_EXIT_CODE = 301
UPSTREAM_EXIT_CODE = 3000
BACKEND_EXIT_CODE = 3001
MAX_RETRIES_PER_TASK = 0
EXIT_CODES_PATTERN = re.compile(r"\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*")
EXIT_ACTIONS = ("COMPLETE", "FAIL", "RESCHEDULE")

UNSTARTED = frozenset({TaskStatus.SUBMITTING, TaskStatus.WAITING, TaskStatus.PROCESSING, TaskStatus.SCHEDULING})
_NO_ERROR_LOGS = frozenset(
    {
        TaskStatus.FAILED_SERVER_ERROR,
        TaskStatus.FAILED_BACKEND_ERROR,
        TaskStatus.FAILED_IMAGE_PULL,
        TaskStatus.FAILED_UPSTREAM,
        TaskStatus.FAILED_CANCELED,
        TaskStatus.FAILED_EXEC_TIMEOUT,
        TaskStatus.FAILED_QUEUE_TIMEOUT,
    }
)


def is_failed(status: str) -> bool:
    return status.startswith("FAILED")


def is_finished(status: str) -> bool:
    return status == TaskStatus.COMPLETED or is_failed(status)


def has_error_logs(status: str) -> bool:
    return is_failed(status) and status not in _NO_ERROR_LOGS


@dataclass(frozen=True)
class TaskState:
    status: str
    lead: bool


@dataclass(frozen=True)
class Ending:
    """How a task ended: its status and what OSMO tells about it."""

    status: TaskStatus
    exit_code: int | None
    message: str | None


def group_status(tasks: Sequence[TaskState], *, ignore_nonlead: bool) -> TaskStatus:
    """Status of a group whose tasks have started."""
    statuses = {task.status for task in tasks}
    if not all(map(is_finished, statuses)):
        going = TaskStatus.RUNNING in statuses or any(map(is_finished, statuses))
        return TaskStatus.RUNNING if going else TaskStatus.INITIALIZING
    for status in (TaskStatus.FAILED_UPSTREAM, TaskStatus.FAILED_SERVER_ERROR, TaskStatus.FAILED_PREEMPTED):
        if status in statuses:
            return status
    considered = {task.status for task in tasks if task.lead or not ignore_nonlead}
    if TaskStatus.FAILED_EVICTED in considered:
        return TaskStatus.FAILED_EVICTED
    return TaskStatus.FAILED if any(map(is_failed, considered)) else TaskStatus.COMPLETED


def workflow_status(groups: Sequence[str], *, was_running: bool) -> WorkflowStatus:
    """Status of a workflow from its groups; once RUNNING it stays so between its stages."""
    statuses = set(groups)
    if not all(map(is_finished, statuses)):
        going = was_running or TaskStatus.RUNNING in statuses
        return WorkflowStatus.RUNNING if going else WorkflowStatus.PENDING
    for status in ("FAILED_CANCELED", "FAILED_SERVER_ERROR", "FAILED_EXEC_TIMEOUT", "FAILED_QUEUE_TIMEOUT"):
        if status in statuses:
            return WorkflowStatus(status)
    failed = {status for status in statuses if is_failed(status)} - {TaskStatus.FAILED_UPSTREAM}
    if not failed:
        return WorkflowStatus.COMPLETED
    return WorkflowStatus(failed.pop()) if len(failed) == 1 else WorkflowStatus.FAILED


def ending_of(*, task_name: str, user_code: int, control_code: int, exit_actions: dict[str, str]) -> Ending:
    """Ending of a task whose command ended with `user_code` and whose transfers ended with `control_code`."""
    reasons = [
        (user_code, f"Task {container_name(task_name)}"),
        (control_code, "OSMO Control"),
    ]
    lines = [f"- Exit code {code} due to {who} failure. " for code, who in reasons if code]
    message = "\n".join(["Failure reason:", *lines]) if lines else None
    exit_code = max(user_code, control_code)
    status = TaskStatus.FAILED if exit_code else TaskStatus.COMPLETED
    action = _exit_action(exit_code, exit_actions)
    if action == "RESCHEDULE":
        remark = f"No exit action applied due to retry limit {MAX_RETRIES_PER_TASK}."
        return Ending(status, exit_code, f"{message or ''}{remark}")
    if action is not None:
        status = TaskStatus.COMPLETED if action == "COMPLETE" else TaskStatus.FAILED
        message = f"{message or ''}Exit Action: {action} the task for exit code {exit_code}."
    return Ending(status, exit_code, message)


def image_pull_ending(task_name: str, image: str) -> Ending:
    message = (
        f"Failure reason: Exit code {IMAGE_PULL_EXIT_CODE} due to Task {container_name(task_name)} failed with "
        f'ImagePullBackOff: Back-off pulling image "{image}": the embedded OSMO has no stand-in for this image; '
        "name it under its images."
    )
    return Ending(TaskStatus.FAILED_IMAGE_PULL, IMAGE_PULL_EXIT_CODE, message)


def container_name(task_name: str) -> str:
    """Kubernetes' spelling of a task's name."""
    return task_name.lower().replace("_", "-")


def _exit_action(exit_code: int, exit_actions: dict[str, str]) -> str | None:
    for action, codes in exit_actions.items():
        for part in codes.split(","):
            first, _, last = part.partition("-")
            if int(first) <= exit_code <= int(last or first):
                return action.upper()
    return None
