"""Rows of an OSMO in memory -> what the client gives for them."""

from __future__ import annotations

from datetime import datetime

from vda_assets.embedded.service.outcomes import has_error_logs, is_failed
from vda_assets.osmo.models import Group, Task, TaskEntry, Workflow, WorkflowEntry
from vda_assets.osmo.statuses import TaskStatus
from vda_assets_tests.osmo.in_memory_pool import USER
from vda_assets_tests.osmo.in_memory_rows import GroupRow, TaskRow, WorkflowRow


def details(row: WorkflowRow, *, now: datetime) -> Workflow:
    return Workflow(
        name=row.id,
        uuid=row.uuid,
        status=row.status,
        submitted_by=USER,
        cancelled_by=row.canceled_by if row.has_ended else None,
        pool=row.pool,
        priority=row.priority,
        labels=row.labels,
        submit_time=row.submit,
        start_time=row.start,
        end_time=row.end,
        queued_seconds=((row.start or row.end or now) - row.submit).total_seconds(),
        duration_seconds=_seconds(row.start, row.end or now),
        overview=row.url,
        logs=f"{row.url}/logs",
        groups=tuple(_group(row, group) for group in row.groups),
    )


def entry(row: WorkflowRow, *, now: datetime) -> WorkflowEntry:
    return WorkflowEntry(
        name=row.id,
        workflow_uuid=row.uuid,
        status=row.status,
        user=USER,
        pool=row.pool,
        priority=row.priority,
        labels=row.labels,
        submit_time=row.submit,
        start_time=row.start,
        end_time=row.end,
        queued_seconds=((row.start or row.end or now) - row.submit).total_seconds(),
        duration_seconds=_seconds(row.start, row.end or now),
        overview=row.url,
        logs=f"{row.url}/logs",
        error_logs=f"{row.url}/error_logs" if is_failed(row.status) else None,
    )


def task_entry(row: WorkflowRow, task: TaskRow, *, now: datetime) -> TaskEntry:
    return TaskEntry(
        workflow_id=row.id,
        workflow_uuid=row.uuid,
        task_name=task.name,
        retry_id=task.retry_id,
        status=task.status,
        user=USER,
        pool=row.pool,
        priority=row.priority,
        start_time=task.start,
        end_time=task.end,
        duration_seconds=_seconds(task.start, task.end or now),
        overview=row.url,
        logs=f"{row.url}/logs?task_name={task.name}",
        gpu=task.gpus,
    )


def _group(row: WorkflowRow, group: GroupRow) -> Group:
    completed = {each.name for each in row.groups if each.status == TaskStatus.COMPLETED}
    return Group(
        name=group.name,
        status=group.status,
        failure_message=group.message,
        processing_start_time=group.processing,
        scheduling_start_time=group.scheduling,
        initializing_start_time=group.initializing,
        start_time=group.start,
        end_time=group.end,
        remaining_upstream_groups=tuple(name for name in group.upstream if name not in completed),
        downstream_groups=tuple(each.name for each in row.groups if group.name in each.upstream),
        tasks=tuple(_task(row, group, task) for task in sorted(group.tasks, key=lambda each: each.name)),
    )


def _task(row: WorkflowRow, group: GroupRow, task: TaskRow) -> Task:
    one = f"task_name={task.name}&retry_id={task.retry_id}"
    return Task(
        name=task.name,
        retry_id=task.retry_id,
        status=task.status,
        lead=task.spec.lead,
        exit_code=task.exit_code,
        failure_message=task.message,
        logs=f"{row.url}/logs?{one}",
        error_logs=f"{row.url}/error_logs?{one}" if has_error_logs(task.status) else None,
        processing_start_time=group.processing,
        scheduling_start_time=group.scheduling,
        initializing_start_time=group.initializing,
        start_time=task.start,
        end_time=task.end,
        task_uuid=task.uuid,
        pod_name=f"{row.uuid[:16]}-{task.uuid[:16]}",
    )


def _seconds(start: datetime | None, end: datetime) -> float | None:
    return None if start is None else (end - start).total_seconds()
