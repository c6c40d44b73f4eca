"""Stored rows -> the JSON bodies of OSMO 6.4."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from vda_assets.embedded.service.outcomes import has_error_logs, is_failed
from vda_assets.embedded.service.store import Row
from vda_assets.osmo.statuses import TaskStatus

BACKEND = "embedded"
Json = dict[str, Any]


def submit_response(
    name: str,
    *,
    url: str | None = None,
    logs: str | None = None,
    spec: str | None = None,
    warnings: Sequence[str] = (),
) -> Json:
    """`url` is the overview of a stored workflow; dry runs and validations have none."""
    return {
        "name": name,
        "overview": url,
        "logs": logs if url is None else f"{url}/logs",
        "spec": spec,
        "dashboard_url": None,
        "warnings": list(warnings),
    }


def list_entry(workflow: Row, labels: Mapping[str, str], *, base_url: str) -> Json:
    url = _overview(base_url, workflow["id"])
    return {
        "user": workflow["user"],
        "name": workflow["id"],
        "workflow_uuid": workflow["uuid"],
        "submit_time": workflow["submit_time"],
        "start_time": workflow["start_time"],
        "end_time": workflow["end_time"],
        "queued_time": _queued_seconds(workflow),
        "duration": _seconds(workflow["start_time"], workflow["end_time"]),
        "status": workflow["status"],
        "overview": url,
        "logs": f"{url}/logs",
        "error_logs": f"{url}/error_logs" if is_failed(workflow["status"]) else None,
        "grafana_url": None,
        "dashboard_url": None,
        "pool": workflow["pool"],
        "app_owner": None,
        "app_name": None,
        "app_version": None,
        "priority": workflow["priority"],
        "labels": labels,
    }


def workflow_details(
    workflow: Row, *, labels: Mapping[str, str], groups: Sequence[Row], tasks: Sequence[Row], base_url: str
) -> Json:
    url = _overview(base_url, workflow["id"])
    statuses = {group["name"]: group["status"] for group in groups}
    return {
        "name": workflow["id"],
        "uuid": workflow["uuid"],
        "submitted_by": workflow["user"],
        "cancelled_by": workflow["cancelled_by"],
        "spec": f"{url}/spec",
        "template_spec": f"{url}/spec?use_template=true",
        "logs": f"{url}/logs?last_n_lines=1000",
        "events": f"{url}/events",
        "overview": url,
        "parent_name": workflow["parent"],
        "parent_job_id": workflow["parent_number"],
        "dashboard_url": None,
        "grafana_url": None,
        "tags": [],
        "submit_time": workflow["submit_time"],
        "start_time": workflow["start_time"],
        "end_time": workflow["end_time"],
        "exec_timeout": workflow["exec_timeout"],
        "queue_timeout": workflow["queue_timeout"],
        "duration": _seconds(workflow["start_time"], workflow["end_time"]),
        "queued_time": _queued_seconds(workflow),
        "status": workflow["status"],
        "outputs": "",
        "groups": [_group(group, statuses, tasks, workflow=workflow, url=url) for group in groups],
        "pool": workflow["pool"],
        "backend": BACKEND,
        "app_owner": None,
        "app_name": None,
        "app_version": None,
        "plugins": {"rsync": False},
        "priority": workflow["priority"],
        "labels": labels,
        "warnings": [],
    }


def task_entry(task: Row, *, base_url: str) -> Json:
    """One row of the task list; `task` is joined with its workflow."""
    url = _overview(base_url, task["workflow"])
    return {
        "user": task["user"],
        "workflow_id": task["workflow"],
        "workflow_uuid": task["workflow_uuid"],
        "task_name": task["name"],
        "retry_id": task["retry_id"],
        "pool": task["pool"],
        "node": task["node"],
        "start_time": task["start_time"],
        "end_time": task["end_time"],
        "duration": _seconds(task["start_time"], task["end_time"]),
        "status": task["status"],
        "overview": url,
        "logs": f"{url}/logs?task_name={task['name']}",
        "error_logs": f"{url}/error_logs?task_name={task['name']}" if is_failed(task["status"]) else None,
        "grafana_url": None,
        "dashboard_url": None,
        **_resources(task),
        "priority": task["priority"],
    }


def single_task(task: Row) -> Json:
    return {
        "workflow_id": task["workflow"],
        "task_name": task["name"],
        "node": task["node"],
        "start_time": task["start_time"],
        "end_time": task["end_time"],
        "status": task["status"],
        **_resources(task),
    }


def events_text(groups: Sequence[Row], tasks: Sequence[Row]) -> str:
    """The lines that Kubernetes would have told about the tasks' pods."""
    by_id = {group["id"]: group for group in groups}
    lines: list[str] = []
    for task in tasks:
        initializing = by_id[task["grp"]]["initializing_start_time"]
        if initializing is not None:
            lines += _event_lines(initializing, task["name"], f"Scheduled: Successfully assigned to {task['node']}")
            lines += _event_lines(initializing, task["name"], "PodScheduled: True")
        if task["start_time"] is not None:
            for text in (f"Started: Started container {task['name']}", "Initialized: True", "Ready: True"):
                lines += _event_lines(task["start_time"], task["name"], text)
        elif is_failed(task["status"]) and task["failure_message"]:
            lines += _event_lines(task["end_time"], task["name"], f"Failed: {task['failure_message']}")
    return "".join(sorted(lines))


def json_text(value: Mapping[str, str]) -> str:
    return json.dumps(value, indent=2)


def _group(group: Row, statuses: Mapping[str, str], tasks: Sequence[Row], *, workflow: Row, url: str) -> Json:
    upstream = json.loads(group["upstream"])
    return {
        "name": group["name"],
        "status": group["status"],
        "start_time": group["start_time"],
        "end_time": group["end_time"],
        **_queue_times(group),
        "remaining_upstream_groups": [name for name in upstream if statuses[name] != TaskStatus.COMPLETED],
        "downstream_groups": json.loads(group["downstream"]),
        "failure_message": group["failure_message"],
        "tasks": [_task(task, group, workflow=workflow, url=url) for task in tasks if task["grp"] == group["id"]],
    }


def _task(task: Row, group: Row, *, workflow: Row, url: str) -> Json:
    one = f"task_name={task['name']}&retry_id={task['retry_id']}"
    return {
        "name": task["name"],
        "retry_id": task["retry_id"],
        "status": task["status"],
        "failure_message": task["failure_message"],
        "exit_code": task["exit_code"],
        "logs": f"{url}/logs?last_n_lines=1000&{one}",
        "error_logs": f"{url}/error_logs?{one}" if has_error_logs(task["status"]) else None,
        **_queue_times(group),
        "events": f"{url}/events?{one}",
        "start_time": task["start_time"],
        "end_time": task["end_time"],
        "input_download_start_time": task["input_download_start_time"],
        "input_download_end_time": task["input_download_end_time"],
        "output_upload_start_time": task["output_upload_start_time"],
        "dashboard_url": None,
        "pod_name": f"{workflow['uuid'][:16]}-{task['uuid'][:16]}",
        "pod_ip": task["address"],
        "task_uuid": task["uuid"],
        "node_name": task["node"],
        "lead": bool(task["lead"]),
    }


def _queue_times(group: Row) -> Json:
    names = ("processing_start_time", "scheduling_start_time", "initializing_start_time")
    return {name: group[name] for name in names}


def _resources(task: Row) -> Json:
    return {"storage": task["storage"], "cpu": task["cpu"], "memory": task["memory"], "gpu": task["gpu"]}


def _event_lines(time: str, task_name: str, text: str) -> list[str]:
    return [f"{time.replace('T', ' ')}+00:00 [{task_name}] {line}\n" for line in text.splitlines()]


def _overview(base_url: str, workflow_id: str) -> str:
    return f"{base_url}/api/workflow/{workflow_id}"


def _seconds(start: str | None, end: str | None) -> float | None:
    if start is None:
        return None
    until = datetime.fromisoformat(end) if end else datetime.now(UTC).replace(tzinfo=None)
    return (until - datetime.fromisoformat(start)).total_seconds()


def _queued_seconds(workflow: Row) -> float | None:
    return _seconds(workflow["submit_time"], workflow["start_time"] or workflow["end_time"])
