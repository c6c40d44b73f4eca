"""Why stages of a workflow failed, in words a user can act on, and whether sending them once more can help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vda_assets.flows.selection import Output
from vda_assets.flows.workflow import stage_of_task
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoError, OsmoNotFound
from vda_assets.osmo.models import Task, Workflow
from vda_assets.osmo.statuses import TaskStatus, meaning_of, meaning_of_exit_code

# What the worker prints before its reason.
WORKER_REASON = "vda_worker: FAILED: "
_LOG_TAIL_LINES = 12
_LARGEST_EXIT_CODE_OF_A_COMMAND = 255


@dataclass(frozen=True)
class StageFailure:
    """Why one stage of one clip failed, in words a user can act on; `link` opens the workflow.

    `retry_can_help` is None for a stage that never began because the one before it failed.
    """

    stage: Output
    message: str
    link: str = ""
    retry_can_help: bool | None = False


def explain_failures(client: OsmoClient, workflow_id: str, stages: Sequence[Output]) -> list[StageFailure] | None:
    """One failure for each of the stages of a workflow that ended, or that the service lost.

    None while one of its tasks goes on, or has completed one of the stages. Raises OsmoError when it cannot be asked.
    """
    try:
        workflow = client.workflow(workflow_id)
    except OsmoNotFound:
        lost = f"OSMO does not know workflow {workflow_id} any more"
        return [StageFailure(stage, lost, retry_can_help=True) for stage in stages]
    failed = {stage: _failed_tasks(workflow.tasks, stage) for stage in stages}
    if not all(task.meaning.ended for task in workflow.tasks) or not all(failed.values()):
        return None
    return [_explain(client, workflow, stage, tasks) for stage, tasks in failed.items()]


def _failed_tasks(tasks: Iterable[Task], stage: Output) -> list[Task]:
    return [task for task in tasks if stage_of_task(task.name) is stage and not task.meaning.succeeded]


def worth_another_try(failures: Sequence[StageFailure]) -> bool:
    """Whether the cluster alone is to blame: a failure of the work itself would come back."""
    causes = [failure.retry_can_help for failure in failures if failure.retry_can_help is not None]
    return bool(causes) and all(causes)


def _explain(client: OsmoClient, workflow: Workflow, stage: Output, failed: Sequence[Task]) -> StageFailure:
    # With a group per index, one task may have failed by itself and another for its own upstream.
    task = min(failed, key=lambda one: one.status == TaskStatus.FAILED_UPSTREAM)
    message = _what_osmo_says(task)
    is_upstream = task.status == TaskStatus.FAILED_UPSTREAM
    if not is_upstream and task.status != TaskStatus.FAILED_CANCELED:
        message += _what_its_log_says(client, workflow.name, task.name)
    can_help = None if is_upstream else meaning_of(task.status).retry_can_help
    return StageFailure(stage, message, workflow.overview, can_help)


def _what_osmo_says(task: Task) -> str:
    code = f"exit code {task.exit_code}, " if task.exit_code is not None else ""
    message = f"task {task.name} ended {task.status}: {code}{meaning_of_exit_code(task.exit_code)}"
    is_the_commands_own = task.exit_code is not None and task.exit_code <= _LARGEST_EXIT_CODE_OF_A_COMMAND
    reason = (task.failure_message or "").strip()
    return message if is_the_commands_own or not reason else f"{message}; {reason}"


def _what_its_log_says(client: OsmoClient, workflow_id: str, task: str) -> str:
    """The worker's own reason on the first line, the log's end below it."""
    try:
        lines = client.log_tail(workflow_id, task=task, lines=_LOG_TAIL_LINES)
    except OsmoError as error:
        return f"\n  (its log could not be read: {error})"
    reason = next((line.partition(WORKER_REASON)[2] for line in reversed(lines) if WORKER_REASON in line), "")
    return f"{'; ' if reason else ''}{reason}" + "".join(f"\n  {line}" for line in lines)
