"""Whom a dispatcher tells what happened, and whom it asks what lies in storage."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from vda_assets.dispatch.accounting import Usage
from vda_assets.dispatch.failures import StageFailure
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork
from vda_assets.storage.layout import RunLayout


class Report(Protocol):
    """Who is told what happened. Each stage of each work is told exactly once, completed or failed."""

    def stage_completed(
        self, work: ClipWork, stage: Stage, *, layout: RunLayout, workflow_id: str, usage: Usage
    ) -> None: ...

    def stage_failed(self, work: ClipWork, failure: StageFailure, *, usage: Usage) -> None: ...

    @property
    def being_recorded(self) -> Collection[str]:
        """The keys of clips of which something that completed is not in the books yet."""

    def while_waiting(self) -> None:
        """Called before every pause: time for what need not be done at once."""


class IsWhole(Protocol):
    """Whether all outputs of a stage are there in a run's folder, and the work that left them has the hash `work_hash`.

    A service without labels knows only the beginning of that hash.
    """

    def __call__(self, work: ClipWork, stage: Stage, *, layout: RunLayout, work_hash: str) -> bool: ...
