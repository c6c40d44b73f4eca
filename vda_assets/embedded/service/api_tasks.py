"""Calls about tasks: one task, and the tasks of many workflows at once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from vda_assets.embedded.service import listing, views
from vda_assets.embedded.service.errors import ApiError
from vda_assets.embedded.service.service import CallUser, Order, Priority, Texts, TheService

router = APIRouter()


@router.get("/api/workflow/{name}/task/{task_name}")
def one_task(name: str, task_name: str, service: TheService) -> dict[str, Any]:
    workflow_id = service.workflow(name)["id"]
    tasks = [task for task in service.store.tasks(workflow_id) if task["name"] == task_name]
    if not tasks:
        raise ApiError(f"Task {task_name} of workflow {workflow_id} is not found.", error_code="DATABASE")
    return views.single_task(tasks[0])


@router.get("/api/task")
def list_tasks(
    service: TheService,
    user: CallUser,
    *,
    workflow_id: str | None = None,
    statuses: Texts = None,
    users: Texts = None,
    all_users: bool = False,
    pools: Texts = None,
    all_pools: bool = False,
    nodes: Texts = None,
    started_after: datetime | None = None,
    started_before: datetime | None = None,
    offset: int = 0,
    limit: int = 20,
    order: Order = "ASC",
    summary: bool = False,
    aggregate_by_workflow: bool = False,
    priority: Annotated[list[Priority] | None, Query()] = None,
) -> dict[str, Any]:
    listing.check_page(limit, offset, least=1)
    listing.check_users(service.store, users, caller=user)
    conditions = listing.Conditions.of_stored(service.settings.row_seconds)
    if workflow_id:
        conditions.add("instr(t.workflow, ?) > 0", workflow_id)
    if not all_users:
        conditions.add_any_of("w.user", users or [user])
    if not all_pools:
        conditions.add_any_of("w.pool", pools or [service.settings.pool])
    conditions.add_any_of("t.status", statuses)
    conditions.add_any_of("t.node", nodes)
    conditions.add_any_of("w.priority", priority)
    if started_after:
        conditions.add("(t.start_time IS NULL OR t.start_time >= ?)", listing.as_stored(started_after))
    if started_before:
        conditions.add("t.start_time < ?", listing.as_stored(started_before))
    if summary or aggregate_by_workflow:
        return {"summaries": listing.sum_resources(service.store, conditions, by_workflow=not summary)}
    rows = listing.list_tasks(service.store, conditions, limit=limit, offset=offset, ascending=order == "ASC")
    return {"tasks": [views.task_entry(row, base_url=service.url) for row in rows]}
