"""Other living runs of the same dataset: whose work is left to them, and what they still need."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class Company(Protocol):
    """Asked now and again while a run goes on, since other runs come and end. Keys are those of clips."""

    def work_on(self, keys: Collection[str]) -> None:
        """Tells the others which clips this run has not done with."""

    def ahead(self, keys: Collection[str]) -> frozenset[str]:
        """Those that a run which began earlier works on too: it submits them, this run adopts its workflows."""

    def need(self, keys: Collection[str]) -> frozenset[str]:
        """Those that any other living run works on too: their workflows must not be canceled."""


class Alone:
    """There is no other run."""

    def work_on(self, keys: Collection[str]) -> None:
        pass

    def ahead(self, keys: Collection[str]) -> frozenset[str]:  # noqa: ARG002
        return frozenset()

    def need(self, keys: Collection[str]) -> frozenset[str]:  # noqa: ARG002
        return frozenset()
