"""The other living runs: whose work is left to them, what they still need, and what they want of the pool."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from vda_assets.osmo.service import Priority


@dataclass(frozen=True)
class Wish:
    """What a living run wants of a pool: room for as many workflows as have to wait for it.

    `run_id` is that of the run's folder, which its workflows carry in their names. Times are in seconds since 1970:
    `told`, and `served`, when it was last given room, or began to want some.
    """

    run_id: str
    dataset: str
    pool: str
    priority: Priority
    waiting: int
    served: float
    told: float


class Company(Protocol):
    """Asked now and again while a run goes on, since other runs come and end. Keys are those of clips."""

    def work_on(self, keys: Collection[str]) -> None:
        """Tells the others which clips this run has not done with."""

    def ahead(self, keys: Collection[str]) -> frozenset[str]:
        """Those that a run which began earlier works on too: it submits them, this run adopts its workflows."""

    def need(self, keys: Collection[str]) -> frozenset[str]:
        """Those that any other living run works on too: their workflows must not be canceled."""

    def goes_on(self) -> bool:
        """Whether another run will go on with all work of this one, which is interrupted."""

    def share(self, wish: Wish) -> Collection[Wish]:
        """Tells the others what this run wants of its pool; returns what each other living run last told of it."""


class Alone:
    """There is no other run."""

    def work_on(self, keys: Collection[str]) -> None:
        pass

    def ahead(self, keys: Collection[str]) -> frozenset[str]:  # noqa: ARG002
        return frozenset()

    def need(self, keys: Collection[str]) -> frozenset[str]:  # noqa: ARG002
        return frozenset()

    def goes_on(self) -> bool:
        return False

    def share(self, wish: Wish) -> Collection[Wish]:  # noqa: ARG002
        return ()
