"""What each OSMO status and exit code means to whoever waits for it: ended, succeeded, worth a retry.

Source: OSMO 6.4 (workflow, group and task status enums; exit codes of `osmo-ctrl` and the backend listener).
Unknown statuses are read by OSMO's own rule: `COMPLETED` is success, `FAILED…` is failure, anything else is alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WorkflowStatus(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    FAILED_SUBMISSION = "FAILED_SUBMISSION"
    FAILED_SERVER_ERROR = "FAILED_SERVER_ERROR"
    FAILED_EXEC_TIMEOUT = "FAILED_EXEC_TIMEOUT"
    FAILED_QUEUE_TIMEOUT = "FAILED_QUEUE_TIMEOUT"
    FAILED_CANCELED = "FAILED_CANCELED"
    FAILED_BACKEND_ERROR = "FAILED_BACKEND_ERROR"
    FAILED_IMAGE_PULL = "FAILED_IMAGE_PULL"
    FAILED_EVICTED = "FAILED_EVICTED"
    FAILED_START_ERROR = "FAILED_START_ERROR"
    FAILED_START_TIMEOUT = "FAILED_START_TIMEOUT"
    FAILED_PREEMPTED = "FAILED_PREEMPTED"


class TaskStatus(StrEnum):
    """Status of a task; a group has the same ones but `RESCHEDULED`."""

    SUBMITTING = "SUBMITTING"
    WAITING = "WAITING"
    PROCESSING = "PROCESSING"
    SCHEDULING = "SCHEDULING"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    RESCHEDULED = "RESCHEDULED"
    FAILED = "FAILED"
    FAILED_CANCELED = "FAILED_CANCELED"
    FAILED_SERVER_ERROR = "FAILED_SERVER_ERROR"
    FAILED_BACKEND_ERROR = "FAILED_BACKEND_ERROR"
    FAILED_EXEC_TIMEOUT = "FAILED_EXEC_TIMEOUT"
    FAILED_QUEUE_TIMEOUT = "FAILED_QUEUE_TIMEOUT"
    FAILED_IMAGE_PULL = "FAILED_IMAGE_PULL"
    FAILED_UPSTREAM = "FAILED_UPSTREAM"
    FAILED_EVICTED = "FAILED_EVICTED"
    FAILED_START_ERROR = "FAILED_START_ERROR"
    FAILED_START_TIMEOUT = "FAILED_START_TIMEOUT"
    FAILED_PREEMPTED = "FAILED_PREEMPTED"


@dataclass(frozen=True)
class Meaning:
    """`retry_can_help` is about the same work sent once more, unchanged."""

    ended: bool
    succeeded: bool
    retry_can_help: bool


_ALIVE = Meaning(ended=False, succeeded=False, retry_can_help=False)
_SUCCEEDED = Meaning(ended=True, succeeded=True, retry_can_help=False)
_TRY_AGAIN = Meaning(ended=True, succeeded=False, retry_can_help=True)
_FINAL = Meaning(ended=True, succeeded=False, retry_can_help=False)

# RESCHEDULED ends the task's row, but the next retry_id carries the work on: the task itself is alive.
MEANING: dict[str, Meaning] = {
    TaskStatus.SUBMITTING: _ALIVE,
    TaskStatus.WAITING: _ALIVE,
    TaskStatus.PROCESSING: _ALIVE,
    TaskStatus.SCHEDULING: _ALIVE,
    TaskStatus.INITIALIZING: _ALIVE,
    TaskStatus.RUNNING: _ALIVE,
    TaskStatus.RESCHEDULED: _ALIVE,
    WorkflowStatus.PENDING: _ALIVE,
    TaskStatus.COMPLETED: _SUCCEEDED,
    TaskStatus.FAILED_SERVER_ERROR: _TRY_AGAIN,
    TaskStatus.FAILED_BACKEND_ERROR: _TRY_AGAIN,
    TaskStatus.FAILED_EVICTED: _TRY_AGAIN,
    TaskStatus.FAILED_PREEMPTED: _TRY_AGAIN,
    TaskStatus.FAILED_QUEUE_TIMEOUT: _TRY_AGAIN,
    TaskStatus.FAILED_START_ERROR: _TRY_AGAIN,
    TaskStatus.FAILED_START_TIMEOUT: _TRY_AGAIN,
    TaskStatus.FAILED: _FINAL,
    TaskStatus.FAILED_CANCELED: _FINAL,
    TaskStatus.FAILED_EXEC_TIMEOUT: _FINAL,
    TaskStatus.FAILED_IMAGE_PULL: _FINAL,
    TaskStatus.FAILED_UPSTREAM: _FINAL,
    WorkflowStatus.FAILED_SUBMISSION: _FINAL,
}


def meaning_of(status: str) -> Meaning:
    """Meaning of a workflow, group or task status, also of one that a newer service may invent."""
    known = MEANING.get(status)
    if known is not None:
        return known
    return _FINAL if status.startswith("FAILED") else _ALIVE


_EXIT_CODES: dict[int, str] = {
    0: "success",
    301: "the image could not be pulled",
    302: "the image could not be pulled",
    303: "the container's configuration was refused",
    304: "the container crashed again and again",
    305: "the container's status is unknown",
    999: "the container waited for a reason that OSMO does not name",
    1001: "the preflight test of the node failed",
    2010: "an input could not be downloaded",
    2011: "an input could not be mounted",
    2012: "an output could not be uploaded",
    2013: "the check of the data credentials failed",
    2014: "no permission for an input or output URL",
    2024: "the tasks of the group did not all get ready (barrier)",
    3000: "an upstream task failed",
    3001: "the backend failed",
    3002: "the OSMO service failed",
    3003: "the container could not be started",
    3004: "the pod was evicted or ran out of memory",
    3005: "the pod did not start in time",
    3006: "the pod was preempted",
    4000: "unknown",
}


def meaning_of_exit_code(code: int | None) -> str:
    """One phrase for a task's exit code as OSMO 6.4 stores it; `None` is a cancel, a timeout or not ended yet."""
    if code is None:
        return "no exit code (canceled, timed out or not ended)"
    if code in _EXIT_CODES:
        return _EXIT_CODES[code]
    if 128 < code <= 255:
        return f"the command was killed by signal {code - 128}, or chose this code itself"
    if code <= 255:
        return "the command's own exit code"
    if code < 300:
        return f"osmo-init failed with {code - 255}"
    if 1000 <= code < 2000:
        return f"the preflight test failed with {code - 1000}"
    if 2000 <= code < 3000:
        return "osmo-ctrl failed"
    return "unknown"
