"""Calls about workflows: submit, list, query, logs, events, spec, cancel, restart."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict

from vda_assets.embedded.service import listing, views
from vda_assets.embedded.service.errors import ApiError
from vda_assets.embedded.service.logs import (
    LOG_FILE,
    MAX_ERROR_LINES,
    MAX_TASK_LINES,
    MAX_WORKFLOW_LINES,
    Keep,
    error_lines,
    follow,
    follow_events,
    line_filter,
)
from vda_assets.embedded.service.outcomes import has_error_logs, is_finished
from vda_assets.embedded.service.service import CallUser, Order, Priority, Service, Texts, TheService
from vda_assets.embedded.service.submission import VALIDATION_SUCCEEDED, Submission, check_pool
from vda_assets.osmo.statuses import WorkflowStatus

router = APIRouter()
# The service declares this charset for its log streams and sends UTF-8.
_LOG_HEADERS = {"content-type": "text/plain; charset=us-ascii"}


class TemplateSpec(BaseModel):
    model_config = ConfigDict(extra="forbid")

    file: str
    set_variables: list[str] = []
    set_string_variables: list[str] = []
    uploaded_templated_spec: str | None = None


@router.post("/api/pool/{pool}/workflow")
def submit(
    pool: str,
    service: TheService,
    user: CallUser,
    *,
    body: TemplateSpec | None = None,
    workflow_id: str | None = None,
    dry_run: bool = False,
    validation_only: bool = False,
    priority: Priority = "NORMAL",
    env_vars: Texts = None,
    label: Texts = None,
) -> dict[str, Any]:
    if (body is None) == (workflow_id is None):
        raise ApiError("Exactly one of a workflow spec and a workflow_id must be given.", error_code="USAGE")
    request = Submission(
        user=user,
        pool=pool,
        file=body.file if body else "",
        set_variables=body.set_variables if body else (),
        set_string_variables=body.set_string_variables if body else (),
        template=body.uploaded_templated_spec if body else None,
        env_vars=env_vars or (),
        labels=label or (),
        priority=priority,
        dry_run=dry_run,
        validation_only=validation_only,
    )
    if workflow_id is not None:
        check_pool(pool, service.settings)
        request = service.submitter.again(service.workflow(workflow_id), request)
    return _submitted(service, request)


@router.post("/api/pool/{pool}/workflow/{workflow_id}/restart")
def restart(pool: str, workflow_id: str, service: TheService, user: CallUser) -> dict[str, Any]:
    check_pool(pool, service.settings)
    request = service.submitter.restart(service.workflow(workflow_id), user=user, pool=pool)
    return _submitted(service, request)


@router.get("/api/workflow")
def list_workflows(
    service: TheService,
    user: CallUser,
    *,
    users: Texts = None,
    all_users: bool = False,
    name: str | None = None,
    statuses: Annotated[list[WorkflowStatus] | None, Query()] = None,
    offset: int = 0,
    limit: int = 20,
    order: Order = "ASC",
    pools: Texts = None,
    all_pools: bool = False,
    submitted_before: datetime | None = None,
    submitted_after: datetime | None = None,
    tags: Texts = None,
    app: str | None = None,
    priority: Annotated[list[Priority] | None, Query()] = None,
    label: Texts = None,
    no_label: Texts = None,
) -> dict[str, Any]:
    listing.check_page(limit, offset, least=0)
    listing.check_users(service.store, users, caller=user)
    conditions = listing.Conditions.of_stored(service.settings.row_seconds)
    if not all_users:
        conditions.add_any_of("w.user", users or [user])
    if not all_pools:
        conditions.add_any_of("w.pool", pools or [service.settings.pool])
    if name:
        conditions.add("instr(w.id, ?) > 0", name)
    if statuses:
        conditions.add_any_of("w.status", statuses)
    else:
        conditions.add("w.status != 'FAILED_SUBMISSION'")
    conditions.add_any_of("w.priority", priority)
    if submitted_before:
        conditions.add("w.submit_time < ?", listing.as_stored(submitted_before))
    if submitted_after:
        conditions.add("w.submit_time >= ?", listing.as_stored(submitted_after))
    if tags or app:
        conditions.add("0")  # no workflow has any here
    for selector in label or ():
        conditions.add_label(selector)
    for key in no_label or ():
        conditions.add_no_label(key)
    rows, more = listing.list_workflows(service.store, conditions, limit=limit, offset=offset, ascending=order == "ASC")
    labels = service.store.labels
    entries = [views.list_entry(row, labels(row["id"]), base_url=service.url) for row in rows]
    return {"workflows": entries, "more_entries": more}


@router.get("/api/workflow/{name}")
def query(name: str, service: TheService, skip_groups: bool = False, verbose: bool = False) -> dict[str, Any]:  # noqa: ARG001 - tasks have one try, so verbose shows no more
    workflow = service.workflow(name)
    with service.store.lock:
        return views.workflow_details(
            service.workflow(name),
            labels=service.store.labels(workflow["id"]),
            groups=[] if skip_groups else service.store.groups(workflow["id"]),
            tasks=service.store.tasks(workflow["id"]),
            base_url=service.url,
        )


@router.get("/api/workflow/{name}/logs")
def logs(
    name: str,
    service: TheService,
    last_n_lines: int | None = None,
    task_name: str | None = None,
    retry_id: int | None = None,  # noqa: ARG001 - tasks have one try
    query: str | None = None,
) -> StreamingResponse:
    workflow = service.workflow(name)
    lines = follow(
        service.engine.workflow_folder(workflow["id"]) / LOG_FILE,
        keep=_filter(task_name, query),
        last_lines=_last_lines(last_n_lines, MAX_TASK_LINES if task_name else MAX_WORKFLOW_LINES),
        ended=lambda: _is_over(service, workflow["id"]),
    )
    return StreamingResponse(lines, headers=_LOG_HEADERS)


@router.get("/api/workflow/{name}/error_logs")
def error_logs(
    name: str,
    service: TheService,
    last_n_lines: int | None = None,
    task_name: str | None = None,
    retry_id: int | None = None,  # noqa: ARG001 - tasks have one try
    query: str | None = None,
) -> PlainTextResponse:
    workflow = service.workflow(name)
    tasks = service.store.tasks(workflow["id"])
    if task_name is None:
        url = f"{service.url}/api/workflow/{workflow['id']}/error_logs"
        links = {
            f"{task['name']} retry-{task['retry_id']}": f"{url}?task_name={task['name']}&retry_id={task['retry_id']}"
            for task in tasks
            if has_error_logs(task["status"])
        }
        text = f"Specify task for error logs.\n\n{views.json_text(links)}\n"
        return PlainTextResponse(text, headers=_LOG_HEADERS)
    failed = any(task["name"] == task_name and has_error_logs(task["status"]) for task in tasks)
    keep, last_lines = _filter(None, query), _last_lines(last_n_lines, MAX_ERROR_LINES)
    log_file = service.engine.workflow_folder(workflow["id"]) / LOG_FILE
    try:
        text = error_lines(log_file, task_name, keep=keep, last_lines=last_lines) if failed else ""
    except ValueError as error:
        raise ApiError(f"Invalid query: {error}") from error
    return PlainTextResponse(text, headers=_LOG_HEADERS)


@router.get("/api/workflow/{name}/events")
def events(
    name: str,
    service: TheService,
    task_name: str | None = None,
    retry_id: int | None = None,  # noqa: ARG001 - tasks have one try
) -> StreamingResponse:
    workflow_id = service.workflow(name)["id"]

    def read() -> str:
        with service.store.lock:
            tasks = [task for task in service.store.tasks(workflow_id) if task_name in (None, task["name"])]
            return views.events_text(service.store.groups(workflow_id), tasks)

    return StreamingResponse(follow_events(read, ended=lambda: _is_over(service, workflow_id)), headers=_LOG_HEADERS)


@router.get("/api/workflow/{name}/spec")
def spec(name: str, service: TheService, use_template: bool = False) -> PlainTextResponse:
    return PlainTextResponse(service.submitter.saved_spec(service.workflow(name), use_template=use_template))


@router.post("/api/workflow/{name}/cancel")
def cancel(
    name: str, service: TheService, user: CallUser, message: str | None = None, force: bool = False
) -> dict[str, str]:
    with service.store.lock:
        workflow = service.workflow(name)
        if not is_finished(workflow["status"]):
            service.engine.cancel(workflow["id"], user=user, message=message)
        elif not force:
            raise ApiError(f"Workflow {workflow['id']} is already finished.")
    return {"name": workflow["id"]}


def _submitted(service: Service, request: Submission) -> dict[str, Any]:
    accepted = service.submitter.submit(request)
    if accepted.stored is not None:
        service.engine.submitted(accepted.stored["id"])
        url = f"{service.url}/api/workflow/{accepted.stored['id']}"
        return views.submit_response(accepted.stored["id"], url=url, warnings=accepted.warnings)
    if accepted.rendered is not None:
        return views.submit_response(accepted.name, spec=accepted.rendered)
    return views.submit_response(accepted.name, logs=VALIDATION_SUCCEEDED, warnings=accepted.warnings)


def _is_over(service: Service, workflow_id: str) -> bool:
    return service.is_closing or is_finished(service.workflow(workflow_id)["status"])


def _filter(task_name: str | None, query: str | None) -> Keep:
    try:
        return line_filter(task_name, query)
    except ValueError as error:
        raise ApiError(f"Invalid query: {error}") from error


def _last_lines(asked: int | None, kept: int) -> int:
    if asked is not None and asked < 0:
        raise ApiError("last_n_lines must not be negative.")
    return asked if asked and asked < kept else kept
