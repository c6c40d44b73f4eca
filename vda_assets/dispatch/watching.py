"""One look at the tasks of all workflows of a run: which stages completed, which workflows ended, what still runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from vda_assets.flows.stages import Stage, stage_of_task
from vda_assets.flows.workflow import run_prefix
from vda_assets.osmo.models import TaskEntry
from vda_assets.osmo.service import OsmoService
from vda_assets.osmo.statuses import TaskStatus

_BEFORE_THE_QUEUE = {TaskStatus.SUBMITTING, TaskStatus.WAITING, TaskStatus.PROCESSING}


@dataclass(frozen=True)
class WatchedWorkflow:
    """The newest try of each task, by task name; empty when the service listed none. `former` are OSMO's own before.

    Over 1,000 tasks of a run, a task that changes while the service is asked may be missing for once.
    """

    tasks: Mapping[str, TaskEntry]
    former: Sequence[TaskEntry] = ()

    @property
    def ended(self) -> bool:
        """Whether every task that was listed ended."""
        return bool(self.tasks) and all(task.meaning.ended for task in self.tasks.values())

    @property
    def is_held_up(self) -> bool:
        """Whether nothing of it gets on: its first tasks are PROCESSING, and no other one is further."""
        alive = {task.status for task in self.tasks.values() if not task.meaning.ended}
        return TaskStatus.PROCESSING in alive and alive <= _BEFORE_THE_QUEUE

    def tasks_of(self, stage: Stage) -> list[TaskEntry]:
        return [task for name, task in self.tasks.items() if stage_of_task(name) is stage]

    def former_of(self, stage: Stage) -> list[TaskEntry]:
        return [task for task in self.former if stage_of_task(task.task_name) is stage]

    def completed(self, stage: Stage, *, workers: int) -> bool:
        """Whether all workers of the stage completed."""
        succeeded = [task.meaning.succeeded for task in self.tasks_of(stage)]
        return len(succeeded) == workers and all(succeeded)

    def running(self, now: datetime) -> list[tuple[str, float]]:
        """(stage, seconds since it started) of every task that runs."""
        return [
            (str(stage_of_task(name)), (now - task.start_time).total_seconds())
            for name, task in self.tasks.items()
            if task.start_time is not None and not task.meaning.ended
        ]

    def seconds_of(self, stage: Stage) -> float:
        """How long the stage's longest task ran."""
        spans = [
            (task.end_time - task.start_time).total_seconds()
            for task in self.tasks_of(stage)
            if task.start_time and task.end_time
        ]
        return max(spans, default=0.0)


def look(
    client: OsmoService, run_of_workflow: Mapping[str, str], *, started_after: datetime | None
) -> tuple[dict[str, WatchedWorkflow], frozenset[str]]:
    """What the workflows are at, and the ids of others that are alive under the same runs.

    One call per 1,000 tasks of each run. `started_after`: no task of these workflows started before, so that those of
    workflows that ended long ago need not be listed again.
    """
    tasks: dict[str, dict[str, TaskEntry]] = {workflow_id: {} for workflow_id in run_of_workflow}
    former: defaultdict[str, list[TaskEntry]] = defaultdict(list)
    others: set[str] = set()
    for run_id in sorted(set(run_of_workflow.values())):
        for entry in client.tasks(workflow_id=run_prefix(run_id), started_after=started_after):
            of_workflow = tasks.get(entry.workflow_id)
            if of_workflow is None:
                if not entry.meaning.ended:
                    others.add(entry.workflow_id)
                continue
            known = of_workflow.get(entry.task_name)
            older, newest = sorted((known, entry), key=lambda one: one.retry_id) if known else (None, entry)
            of_workflow[entry.task_name] = newest
            if older:
                former[entry.workflow_id].append(older)
    watched = {workflow_id: WatchedWorkflow(found, former[workflow_id]) for workflow_id, found in tasks.items()}
    return watched, frozenset(others)


def first_start(watched: Collection[WatchedWorkflow]) -> datetime | None:
    """When the first of the workflows' tasks started, by the service's clock; None when a workflow showed no tasks."""
    tasks = [task for one in watched for task in (*one.tasks.values(), *one.former)]
    starts = [task.start_time for task in tasks if task.start_time is not None]
    return min(starts, default=None) if all(one.tasks for one in watched) else None
