"""What an OSMO in memory keeps of its workflows, and what a script says of a task."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from vda_assets.embedded.service.outcomes import is_finished
from vda_assets.osmo.spec import GroupSpec, TaskSpec, WorkflowSpec
from vda_assets.osmo.statuses import TaskStatus

URL = "http://osmo.in-memory.test"


@dataclass(frozen=True)
class Fate:
    """What becomes of one try of a task: it runs for `seconds` and ends in `status`; one that never starts takes as
    long to fail. RESCHEDULED begins the next try. `stuck_in` PROCESSING or RUNNING ends only by a cancel or a limit.
    """

    seconds: float = 10.0
    status: TaskStatus = TaskStatus.COMPLETED
    exit_code: int | None = 0
    message: str | None = None
    log: tuple[str, ...] = ()
    stuck_in: TaskStatus | None = None


@dataclass(frozen=True)
class Try:
    """One try of one task, as a script is asked about it; `number` is that of the workflow's id."""

    workflow_id: str
    number: int
    labels: Mapping[str, str]
    task: TaskSpec
    retry_id: int


Script = Callable[[Try], Fate]


@dataclass
class TaskRow:
    spec: TaskSpec
    gpus: int
    retry_id: int = 0
    status: str = TaskStatus.WAITING
    exit_code: int | None = None
    message: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    log: list[str] = field(default_factory=list)
    uuid: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def name(self) -> str:
        return self.spec.name


@dataclass
class GroupRow:
    """`tries` holds every try of every task, the newest of a task last."""

    spec: GroupSpec
    upstream: list[str]
    tries: list[TaskRow]
    status: str = TaskStatus.SUBMITTING
    message: str | None = None
    processing: datetime | None = None
    scheduling: datetime | None = None
    initializing: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def tasks(self) -> list[TaskRow]:
        return list({task.name: task for task in self.tries}.values())

    @property
    def gpus(self) -> int:
        return sum(task.gpus for task in self.tasks)


@dataclass
class WorkflowRow:
    """`is_stored` turns true some time after the answer to the POST: before, no call knows the workflow (OSMO 6.4)."""

    base: str
    number: int
    spec: WorkflowSpec
    pool: str
    priority: str
    labels: Mapping[str, str]
    submit: datetime
    groups: list[GroupRow]
    status: str = "PENDING"
    is_stored: bool = False
    start: datetime | None = None
    end: datetime | None = None
    canceled_by: str | None = None
    uuid: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def id(self) -> str:
        return f"{self.base}-{self.number}"

    @property
    def has_ended(self) -> bool:
        return is_finished(self.status)

    @property
    def url(self) -> str:
        return f"{URL}/api/workflow/{self.id}"
