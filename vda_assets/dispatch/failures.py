"""Why stages of a workflow failed, in words a user can act on, and whether sending them once more can help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from vda_assets.flows.stages import Stage, stage_of_task
from vda_assets.osmo.errors import OsmoError, OsmoNotFound
from vda_assets.osmo.models import Task, Workflow
from vda_assets.osmo.service import OsmoService
from vda_assets.osmo.statuses import TaskStatus, meaning_of, meaning_of_exit_code

# What the worker prints before its reason.
WORKER_REASON = "vda_worker: FAILED: "
_LOG_TAIL_LINES = 12
_LARGEST_EXIT_CODE_OF_A_COMMAND = 255
# How often a clip's work is submitted in one run when the cluster, not the work, is to blame.
_MAX_TRIES = 3
# An input could not be downloaded, an output could not be uploaded (OSMO 6.4).
_MOVING_FAILED = {2010, 2012}
_SYSTEMIC_STATUSES = {
    TaskStatus.FAILED_IMAGE_PULL,
    TaskStatus.FAILED_START_ERROR,
    TaskStatus.FAILED_START_TIMEOUT,
    TaskStatus.FAILED_QUEUE_TIMEOUT,
    TaskStatus.FAILED_BACKEND_ERROR,
    TaskStatus.FAILED_SERVER_ERROR,
}
# Of OSMO: storage, credentials, mounts. Of the worker: a bad setup, an endpoint that is not ready.
_SYSTEMIC_EXIT_CODES = {2010, 2011, 2012, 2013, 2014, 64, 69}


class Blame(Enum):
    """Who a failure is put down to."""

    WORK = "the work itself: sent once more, it would fail alike"
    CLUSTER = "the cluster: the same work sent once more can succeed"
    STORAGE = "an input or output that could not be moved: once more is worth it, should storage have been away"
    UPSTREAM = "the stage before: this one never began"
    PERSON = "somebody who canceled it"


@dataclass(frozen=True)
class StageFailure:
    """Why one stage of one clip failed, in words a user can act on; `link` opens the workflow.

    `is_systemic`: nothing in it has to do with the clip, so that the next one can be expected to fail alike.
    """

    stage: Stage
    message: str
    link: str = ""
    blame: Blame = Blame.WORK
    is_systemic: bool = False

    @property
    def is_own(self) -> bool:
        """Whether it comes from the clip: the same clip can be expected to fail alike the next time."""
        return self.blame is Blame.WORK and not self.is_systemic


@dataclass(frozen=True)
class Explained:
    """A workflow that ended, or that the service lost, with one failure for each stage that it was asked for."""

    failures: tuple[StageFailure, ...]


@dataclass(frozen=True)
class GoesOn:
    """A workflow that has not ended, or that completed a stage since it was looked at: look again."""


def explain_failures(client: OsmoService, workflow_id: str, stages: Sequence[Stage]) -> Explained | GoesOn:
    """What became of stages that are not known to have completed. Raises OsmoError when OSMO cannot be asked."""
    try:
        workflow = client.workflow(workflow_id)
    except OsmoNotFound:
        lost = f"OSMO does not know workflow {workflow_id} any more"
        return Explained(tuple(StageFailure(stage, lost, blame=Blame.CLUSTER) for stage in stages))
    failed = {stage: _failed_tasks(workflow.tasks, stage) for stage in stages}
    if not all(task.meaning.ended for task in workflow.tasks) or not all(failed.values()):
        return GoesOn()
    return Explained(tuple(_explain(client, workflow, stage, tasks) for stage, tasks in failed.items()))


def worth_another_try(failures: Sequence[StageFailure], *, tries: int) -> bool:
    """Whether the cluster alone is to blame, or storage for the first time: a failure of the work itself comes back."""
    blamed = {failure.blame for failure in failures} - {Blame.UPSTREAM}
    if Blame.STORAGE in blamed and tries > 1:
        return False
    return bool(blamed) and blamed <= {Blame.CLUSTER, Blame.STORAGE} and tries < _MAX_TRIES


def _failed_tasks(tasks: Iterable[Task], stage: Stage) -> list[Task]:
    return [task for task in tasks if stage_of_task(task.name) is stage and not task.meaning.succeeded]


def _explain(client: OsmoService, workflow: Workflow, stage: Stage, failed: Sequence[Task]) -> StageFailure:
    # With a group per index, one task may have failed by itself and another for its own upstream.
    task = min(failed, key=lambda one: one.status == TaskStatus.FAILED_UPSTREAM)
    message = _what_osmo_says(task)
    if task.status == TaskStatus.FAILED_UPSTREAM:
        return StageFailure(stage, message, workflow.overview, Blame.UPSTREAM)
    if task.status != TaskStatus.FAILED_CANCELED:
        message += _what_its_log_says(client, workflow.name, task.name)
    is_systemic = task.status in _SYSTEMIC_STATUSES or task.exit_code in _SYSTEMIC_EXIT_CODES
    return StageFailure(stage, message, workflow.overview, _blame(task), is_systemic)


def _blame(task: Task) -> Blame:
    if task.exit_code in _MOVING_FAILED:
        return Blame.STORAGE
    if task.status == TaskStatus.FAILED_CANCELED:
        return Blame.PERSON
    return Blame.CLUSTER if meaning_of(task.status).retry_can_help else Blame.WORK


def _what_osmo_says(task: Task) -> str:
    code = f"exit code {task.exit_code}, " if task.exit_code is not None else ""
    message = f"task {task.name} ended {task.status}: {code}{meaning_of_exit_code(task.exit_code)}"
    is_the_commands_own = task.exit_code is not None and task.exit_code <= _LARGEST_EXIT_CODE_OF_A_COMMAND
    reason = (task.failure_message or "").strip()
    return message if is_the_commands_own or not reason else f"{message}; {reason}"


def _what_its_log_says(client: OsmoService, workflow_id: str, task: str) -> str:
    """The worker's own reason on the first line, the log's end below it."""
    try:
        lines = client.log_tail(workflow_id, task=task, lines=_LOG_TAIL_LINES)
    except OsmoError as error:
        return f"\n  (its log could not be read: {error})"
    reason = next((line.partition(WORKER_REASON)[2] for line in reversed(lines) if WORKER_REASON in line), "")
    return f"{'; ' if reason else ''}{reason}" + "".join(f"\n  {line}" for line in lines)
