"""State of the embedded OSMO in one SQLite file: workflows, groups, tasks, credentials, profiles.

One connection, one lock: whoever changes several rows holds `lock` (or a `transaction`) meanwhile.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS workflow (
  seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, base TEXT NOT NULL, number INTEGER NOT NULL,
  uuid TEXT UNIQUE NOT NULL, user TEXT NOT NULL, pool TEXT NOT NULL, priority TEXT NOT NULL, status TEXT NOT NULL,
  submit_time TEXT NOT NULL, start_time TEXT, end_time TEXT, exec_timeout REAL NOT NULL, queue_timeout REAL NOT NULL,
  cancelled_by TEXT, parent TEXT, parent_number INTEGER, failure_message TEXT, UNIQUE (base, number));
CREATE TABLE IF NOT EXISTS label (
  workflow TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (workflow, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS grp (
  id INTEGER PRIMARY KEY, workflow TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, upstream TEXT NOT NULL,
  downstream TEXT NOT NULL, barrier INTEGER NOT NULL, ignore_nonlead INTEGER NOT NULL, failure_message TEXT,
  processing_start_time TEXT, scheduling_start_time TEXT, initializing_start_time TEXT, start_time TEXT, end_time TEXT);
CREATE INDEX IF NOT EXISTS grp_workflow ON grp (workflow);
CREATE TABLE IF NOT EXISTS task (
  id INTEGER PRIMARY KEY AUTOINCREMENT, grp INTEGER NOT NULL, workflow TEXT NOT NULL, name TEXT NOT NULL,
  retry_id INTEGER NOT NULL DEFAULT 0, uuid TEXT NOT NULL, status TEXT NOT NULL, lead INTEGER NOT NULL,
  spec TEXT, platform TEXT NOT NULL, gpu INTEGER NOT NULL, cpu INTEGER NOT NULL, memory REAL NOT NULL,
  storage REAL NOT NULL, exit_code INTEGER, failure_message TEXT, node TEXT, address TEXT, pid INTEGER,
  pid_created REAL, start_time TEXT, end_time TEXT,
  input_download_start_time TEXT, input_download_end_time TEXT, output_upload_start_time TEXT);
CREATE INDEX IF NOT EXISTS task_workflow ON task (workflow);
CREATE INDEX IF NOT EXISTS task_grp ON task (grp);
CREATE TABLE IF NOT EXISTS credential (
  user TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, profile TEXT, payload TEXT NOT NULL,
  PRIMARY KEY (user, name), UNIQUE (user, profile));
CREATE TABLE IF NOT EXISTS profile (user TEXT PRIMARY KEY, settings TEXT NOT NULL);
"""

Row = Mapping[str, Any]


def utc_now() -> str:
    """Now as OSMO 6.4 writes times: naive ISO in UTC with microseconds."""
    return utc_time(0.0)


def utc_time(seconds: float) -> str:
    """So many seconds from now, as OSMO 6.4 writes times."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")


@dataclass(frozen=True)
class NewTask:
    name: str
    lead: bool
    spec: str
    platform: str
    gpu: int
    cpu: int
    memory_gib: float
    storage_gib: float


@dataclass(frozen=True)
class NewGroup:
    name: str
    upstream: Sequence[str]
    downstream: Sequence[str]
    barrier: bool
    ignore_nonlead: bool
    tasks: Sequence[NewTask]


@dataclass(frozen=True)
class NewWorkflow:
    base: str
    user: str
    pool: str
    priority: str
    status: str
    exec_timeout_seconds: float
    queue_timeout_seconds: float
    labels: Mapping[str, str] = field(default_factory=dict)
    groups: Sequence[NewGroup] = ()
    parent: tuple[str, int] | None = None
    failure_message: str | None = None


class Store:
    def __init__(self, file: Path) -> None:
        self.lock = threading.RLock()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA}")

    def close(self) -> None:
        with self.lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; inside another transaction it is a part of that one."""
        with self.lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def all(self, sql: str, *values: Any) -> list[Row]:
        with self.lock:
            return [dict(row) for row in self._connection.execute(sql, values)]

    def one(self, sql: str, *values: Any) -> Row | None:
        rows = self.all(sql, *values)
        return rows[0] if rows else None

    def execute(self, sql: str, *values: Any) -> int:
        """Runs one statement; returns the id of the row that it inserted last."""
        with self.lock:
            return self._connection.execute(sql, values).lastrowid or 0

    def insert(self, table: str, **columns: Any) -> int:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        return self.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", *columns.values())  # noqa: S608 - own names

    def update(self, table: str, row_id: int | str, **columns: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        self.execute(f"UPDATE {table} SET {names} WHERE id = ?", *columns.values(), row_id)  # noqa: S608 - own names

    def workflow(self, id_or_uuid: str) -> Row | None:
        return self.one("SELECT * FROM workflow WHERE id = ? OR uuid = ?", id_or_uuid, id_or_uuid)

    def labels(self, workflow_id: str) -> dict[str, str]:
        rows = self.all("SELECT key, value FROM label WHERE workflow = ?", workflow_id)
        return {row["key"]: row["value"] for row in rows}

    def groups(self, workflow_id: str) -> list[Row]:
        """In the order of the spec: upstream before downstream."""
        return self.all("SELECT * FROM grp WHERE workflow = ? ORDER BY id", workflow_id)

    def tasks(self, workflow_id: str) -> list[Row]:
        return self.all("SELECT * FROM task WHERE workflow = ? ORDER BY name, retry_id DESC", workflow_id)

    def tasks_of_group(self, group_id: int) -> list[Row]:
        return self.all("SELECT * FROM task WHERE grp = ? ORDER BY id", group_id)

    def add_workflow(self, new: NewWorkflow) -> Row:
        """Gives the next number of this name, also to refused submissions; returns the workflow's row."""
        with self.transaction():
            last = self.one("SELECT max(number) AS number FROM workflow WHERE base = ?", new.base)
            number = ((last and last["number"]) or 0) + 1
            workflow_id = f"{new.base}-{number}"
            now = utc_now()
            self.insert(
                "workflow",
                id=workflow_id,
                base=new.base,
                number=number,
                uuid=uuid.uuid4().hex,
                user=new.user,
                pool=new.pool,
                priority=new.priority,
                status=new.status,
                submit_time=now,
                end_time=None if new.groups else now,
                exec_timeout=new.exec_timeout_seconds,
                queue_timeout=new.queue_timeout_seconds,
                parent=new.parent and new.parent[0],
                parent_number=new.parent and new.parent[1],
                failure_message=new.failure_message,
            )
            for key, value in new.labels.items():
                self.insert("label", workflow=workflow_id, key=key, value=value)
            for group in new.groups:
                self._add_group(workflow_id, group)
        row = self.workflow(workflow_id)
        assert row is not None
        return row

    def _add_group(self, workflow_id: str, group: NewGroup) -> None:
        group_id = self.insert(
            "grp",
            workflow=workflow_id,
            name=group.name,
            status="SUBMITTING",
            upstream=json.dumps(group.upstream),
            downstream=json.dumps(group.downstream),
            barrier=group.barrier,
            ignore_nonlead=group.ignore_nonlead,
        )
        for task in group.tasks:
            self.insert(
                "task",
                grp=group_id,
                workflow=workflow_id,
                name=task.name,
                uuid=uuid.uuid4().hex,
                status="WAITING",
                lead=task.lead,
                spec=task.spec,
                platform=task.platform,
                gpu=task.gpu,
                cpu=task.cpu,
                memory=task.memory_gib,
                storage=task.storage_gib,
            )
