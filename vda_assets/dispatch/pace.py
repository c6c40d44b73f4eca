"""How often a dispatcher looks at OSMO, and for how long it waits for one that does not answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

from vda_assets.osmo.errors import OsmoUnavailable

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Pace:
    """Seconds between two looks, and `patience_seconds` of waiting for a service that does not answer.

    Work that takes longer than `heartbeat_seconds` says so often how far it is.
    """

    shortest_seconds: float = 0.5
    longest_seconds: float = 15.0
    growth: float = 1.5
    patience_seconds: float = 1800.0
    heartbeat_seconds: float = 110.0


class Heartbeat:
    """Tells when it is time for the next sign of life."""

    def __init__(self, pace: Pace) -> None:
        self._seconds = pace.heartbeat_seconds
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """True once every so many seconds."""
        if time.monotonic() - self._last < self._seconds:
            return False
        self._last = time.monotonic()
        return True


@dataclass
class Rhythm:
    """Decides the next pause: short after a change and when a task is about to end, growing while nothing can."""

    pace: Pace
    _pause_seconds: float = 0.0
    _durations: dict[str, list[float]] = field(default_factory=dict)

    def ended(self, kind: str, seconds: float) -> None:
        """Notes how long a task of this kind ran: the next of its kind will end after about as long."""
        self._durations.setdefault(kind, []).append(seconds)

    def next_pause(self, *, changed: bool, running: Collection[tuple[str, float]]) -> float:
        """`running` are the tasks that run now: their kind and for how many seconds they have."""
        grown = max(self._pause_seconds * self.pace.growth, self.pace.shortest_seconds)
        self._pause_seconds = self.pace.shortest_seconds if changed else min(grown, self.pace.longest_seconds)
        expected = [median(self._durations[kind]) - seconds for kind, seconds in running if kind in self._durations]
        # Half of what is left: an estimate that is too long is corrected by the looks on the way.
        soonest = min((left / 2 for left in expected if left > 0), default=self._pause_seconds)
        return max(self.pace.shortest_seconds, min(self._pause_seconds, soonest))


def patiently(
    call: Callable[[], ResultT], *, pace: Pace, sleep: Callable[[float], None], log: Callable[[str], None]
) -> ResultT:
    """The call's result. A service that does not answer is waited for, up to the pace's patience, with growing pauses.

    Raises the last OsmoUnavailable when the patience is spent.
    """
    give_up = time.monotonic() + pace.patience_seconds
    pause_seconds = pace.shortest_seconds
    while True:
        try:
            return call()
        except OsmoUnavailable as error:
            if time.monotonic() >= give_up:
                raise
            log(f"waiting for OSMO: {error}")
            pause_seconds = min(pause_seconds * 2, 60.0)
            sleep(random.uniform(pause_seconds / 2, pause_seconds))
