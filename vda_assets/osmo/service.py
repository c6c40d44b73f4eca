"""The calls that whoever drives workflows makes: `OsmoClient` answers them, and in tests an OSMO in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Literal, Protocol

from vda_assets.osmo.models import SubmitResult, TaskEntry, Workflow, WorkflowEntry
from vda_assets.osmo.spec import WorkflowSpec

Priority = Literal["HIGH", "NORMAL", "LOW"]


class OsmoService(Protocol):
    """One service, one login. `OsmoClient` says what each call means; all raise the errors of `osmo.errors`."""

    @property
    def keeps_labels(self) -> bool: ...

    def submit(
        self,
        spec: WorkflowSpec | str,
        *,
        pool: str,
        labels: Mapping[str, str] | None = None,
        priority: Priority = "NORMAL",
    ) -> SubmitResult: ...

    def workflow(self, workflow_id: str) -> Workflow: ...

    def workflows(
        self,
        *,
        labels: Mapping[str, str | Collection[str]] | None = None,
        name: str | None = None,
        statuses: Collection[str] = (),
    ) -> Iterator[WorkflowEntry]: ...

    def tasks(
        self, *, workflow_id: str, statuses: Collection[str] = (), started_after: datetime | None = None
    ) -> Iterator[TaskEntry]: ...

    def log_tail(self, workflow_id: str, *, task: str, lines: int) -> list[str]: ...

    def cancel(self, workflow_id: str, *, message: str = "") -> None: ...
