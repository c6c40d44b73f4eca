"""The engine: starts groups when their turn comes, follows their tasks, ends what runs too long or is canceled.

One thread that sleeps until something changes or a time limit is due, and one thread per running task.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from vda_assets.embedded.service.credentials import Credentials
from vda_assets.embedded.service.ledger import Changes, Ledger
from vda_assets.embedded.service.leftovers import kill_leftovers
from vda_assets.embedded.service.localize import loopback_address
from vda_assets.embedded.service.logs import LOG_FILE, append_dump
from vda_assets.embedded.service.outcomes import Ending, is_finished
from vda_assets.embedded.service.runner import TaskRun
from vda_assets.embedded.service.scheduling import Need, choose
from vda_assets.embedded.service.settings import EmbeddedSettings
from vda_assets.embedded.service.store import Row, Store, utc_now
from vda_assets.embedded.service.workplace import TaskPlan, config_folder, link_commands
from vda_assets.osmo.spec import TaskSpec
from vda_assets.osmo.statuses import TaskStatus

_log = logging.getLogger(__name__)
_SERVER_EXIT_CODE = 3002
_CLOSE_SECONDS = 10.0
_RETRY_SECONDS = 1.0


@dataclass
class _Queued:
    need: Need
    deadline: float
    limit_seconds: float


@dataclass
class _Running:
    need: Need
    threads: int
    deadline: float | None = None
    limit_seconds: float = 0.0
    runs: dict[int, TaskRun] = field(default_factory=dict)


class Engine:
    """`url` is what logs tell people to open."""

    def __init__(self, store: Store, settings: EmbeddedSettings, *, url: str) -> None:
        self._store = store
        self._settings = settings
        self._url = url
        self._credentials = Credentials(store)
        self._ledger = Ledger(store, platforms=settings.platforms, on_failed=self._dump)
        # The store's own lock: what is in the database and what is in these tables change together.
        self._changed = threading.Condition(store.lock)
        self._queued: dict[int, _Queued] = {}
        self._running: dict[int, _Running] = {}
        self._closing = False
        # Two servers of one machine, each with its own state folder, give out different addresses.
        digest = hashlib.sha256(str(settings.state_folder).encode()).digest()
        self._first_address = int.from_bytes(digest[:3])
        self._commands = settings.state_folder / "commands"
        self._thread = threading.Thread(target=self._loop, name="osmo-engine", daemon=True)

    def start(self) -> None:
        """Ends what a killed server left behind, takes up what waits, and starts to run groups."""
        link_commands(self._commands)
        with self._changed:
            self._take_up()
        self._thread.start()

    def close(self) -> None:
        """Kills every task; the next start reports them. Waits for their threads, some seconds at most."""
        with self._changed:
            self._closing = True
            for group in self._running.values():
                for run in group.runs.values():
                    run.kill()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._running, _CLOSE_SECONDS)
        self._thread.join(_CLOSE_SECONDS)

    def submitted(self, workflow_id: str) -> None:
        with self._changed:
            self._apply(self._ledger.promote(workflow_id))

    def cancel(self, workflow_id: str, *, user: str, message: str | None) -> None:
        with self._changed:
            self._apply(self._ledger.cancel(workflow_id, user=user, message=message))

    def in_use(self, platform: str) -> tuple[int, int]:
        """(GPUs, CPUs) that running groups take of the platform."""
        with self._changed:
            taken = [group.need.by_platform.get(platform, (0, 0)) for group in self._running.values()]
        return sum(gpus for gpus, _ in taken), sum(cpus for _, cpus in taken)

    def workflow_folder(self, workflow_id: str) -> Path:
        return self._settings.state_folder / "workflows" / workflow_id

    def _take_up(self) -> None:
        left, changes = self._ledger.recover()
        self._apply(changes)
        if left:
            folders = {self._task_folder(task) for task in left}
            leaders = {task["pid"]: task["pid_created"] for task in left if task["pid"] and task["pid_created"]}
            kill_leftovers({config_folder(folder) for folder in folders}, leaders)
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
        for workflow_id in self._ledger.unfinished_workflows():
            self._apply(self._ledger.promote(workflow_id))

    def _loop(self) -> None:
        with self._changed:
            while not self._closing:
                try:
                    self._end_late_groups()
                    waiting = [queued.need for queued in self._queued.values()]
                    running = [group.need for group in self._running.values()]
                    for need in choose(waiting, running, self._settings.platforms):
                        self._launch(need)
                    timeout = self._seconds_to_next_deadline()
                except sqlite3.Error:
                    _log.exception("the state folder %s does not take writes", self._settings.state_folder)
                    timeout = _RETRY_SECONDS
                self._changed.wait(timeout)

    def _seconds_to_next_deadline(self) -> float | None:
        deadlines = [queued.deadline for queued in self._queued.values()]
        deadlines += [group.deadline for group in self._running.values() if group.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _end_late_groups(self) -> None:
        now = time.monotonic()
        late = [
            (group_id, TaskStatus.FAILED_QUEUE_TIMEOUT, "stayed in queue", queued.limit_seconds)
            for group_id, queued in self._queued.items()
            if queued.deadline <= now
        ]
        late += [
            (group_id, TaskStatus.FAILED_EXEC_TIMEOUT, "ran", group.limit_seconds)
            for group_id, group in self._running.items()
            if group.deadline is not None and group.deadline <= now
        ]
        for group_id, status, what, limit_seconds in late:
            if group_id in self._running:
                self._running[group_id].deadline = None
            text = f"Task {what} longer than the set limit of {timedelta(seconds=limit_seconds)}."
            self._apply(self._ledger.end_group(group_id, Ending(status, None, text)))

    def _apply(self, changes: Changes) -> None:
        for group_id in changes.ended_groups:
            self._queued.pop(group_id, None)
            if group_id in self._running:
                self._running[group_id].deadline = None
        for group in self._running.values():
            for task_id in changes.ended_tasks & group.runs.keys():
                group.runs[task_id].kill()
        now = time.monotonic()
        for need, limit_seconds in changes.ready:
            self._queued[need.group_id] = _Queued(need, now + limit_seconds, limit_seconds)
        for group_id, limit_seconds in changes.started_groups.items():
            if group_id in self._running and group_id not in changes.ended_groups:
                self._running[group_id].deadline = now + limit_seconds
                self._running[group_id].limit_seconds = limit_seconds
        self._changed.notify_all()

    def _launch(self, need: Need) -> None:
        del self._queued[need.group_id]
        group = self._store.one(
            "SELECT g.*, w.user FROM grp g JOIN workflow w ON w.id = g.workflow WHERE g.id = ?", need.group_id
        )
        assert group is not None
        tasks = self._store.tasks_of_group(need.group_id)
        with self._store.transaction():
            self._store.update("grp", need.group_id, status=TaskStatus.INITIALIZING, initializing_start_time=utc_now())
            for task in tasks:
                node, address = f"embedded-{task['platform']}", self._address(task)
                self._store.update("task", task["id"], status=TaskStatus.INITIALIZING, node=node, address=address)
        barrier = threading.Barrier(len(tasks)) if group["barrier"] and len(tasks) > 1 else None
        running = self._running[need.group_id] = _Running(need, threads=len(tasks))
        for task in tasks:
            plan = self._plan(task, group, {each["name"]: self._address(each) for each in tasks})
            running.runs[task["id"]] = TaskRun(plan, barrier=barrier, report=self._reporter(task["id"]))
        for task_id, run in running.runs.items():
            threading.Thread(
                target=self._run, args=(running, task_id, run), name=f"osmo-task-{task_id}", daemon=True
            ).start()

    def _plan(self, task: Row, group: Row, hosts: dict[str, str]) -> TaskPlan:
        spec = TaskSpec.model_validate_json(task["spec"])
        return TaskPlan(
            workflow_id=task["workflow"],
            spec=spec,
            folder=self._task_folder(task),
            log_file=self.workflow_folder(task["workflow"]) / LOG_FILE,
            hosts=hosts,
            stand_in=self._settings.images.get(spec.image),
            has_gpu=task["gpu"] > 0,
            credentials=self._credentials.payloads(group["user"]),
            data_credentials=self._credentials.data_credentials(group["user"]),
            internal_url=self._settings.workflow_data_url,
            upload_internal=group["downstream"] != "[]" or not spec.outputs,
            commands=self._commands,
        )

    def _run(self, group: _Running, task_id: int, run: TaskRun) -> None:
        try:
            ending = run.execute()
        except Exception as error:  # noqa: BLE001 - a task must never stay RUNNING because of a fault in here
            _log.exception("task %s", task_id)
            ending = Ending(TaskStatus.FAILED_SERVER_ERROR, _SERVER_EXIT_CODE, f"{type(error).__name__}: {error}")
        with self._changed:
            group.runs.pop(task_id)
            group.threads -= 1
            if group.threads == 0:
                del self._running[group.need.group_id]
            if ending is not None and not self._closing:
                self._apply(self._ledger.end_task(task_id, ending))
            self._changed.notify_all()

    def _reporter(self, task_id: int) -> Callable[..., None]:
        def report(**columns: Any) -> None:
            with self._changed:
                if self._closing:
                    return
                task = self._store.one("SELECT status FROM task WHERE id = ?", task_id)
                if task is None or is_finished(task["status"]):
                    return
                if "start_time" in columns:
                    self._apply(self._ledger.start_task(task_id, **columns))
                else:
                    self._store.update("task", task_id, **columns)

        return report

    def _address(self, task: Row) -> str:
        return loopback_address(self._first_address + task["id"])

    def _task_folder(self, task: Row) -> Path:
        return self.workflow_folder(task["workflow"]) / f"{task['name']}-{task['retry_id']}"

    def _dump(self, workflow_id: str) -> None:
        """The block that OSMO 6.4 writes below the log of a failed workflow."""
        overview = f"{self._url}/api/workflow/{workflow_id}"
        lines = ["-" * 100, "Workflow terminated abnormally, view task status at:", overview, ""]
        append_dump(
            self.workflow_folder(workflow_id) / LOG_FILE,
            [*lines, "View task error logs at:", f"{overview}/error_logs"],
        )
