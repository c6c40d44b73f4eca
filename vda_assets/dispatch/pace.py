"""How often a dispatcher looks at OSMO, and how often it says how far it is."""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection
from dataclasses import dataclass, field
from statistics import median

from vda_assets.base.clock import Clock

# What part of a task's duration may pass before it is noticed that it has ended.
UNNOTICED_SHARE = 0.01


@dataclass(frozen=True)
class Pace:
    """Seconds between two looks, and `patience_seconds` of waiting for a service that does not answer.

    Work that takes longer than `heartbeat_seconds` says so often how far it is.
    """

    shortest_seconds: float = 2.0
    longest_seconds: float = 15.0
    growth: float = 1.5
    patience_seconds: float = 1800.0
    heartbeat_seconds: float = 110.0


class Heartbeat:
    """Tells when it is time for the next sign of life."""

    def __init__(self, pace: Pace, clock: Clock) -> None:
        self._seconds, self._clock = pace.heartbeat_seconds, clock
        self._last = clock.monotonic()

    def is_due(self) -> bool:
        """True once every so many seconds."""
        if self._clock.monotonic() - self._last < self._seconds:
            return False
        self._last = self._clock.monotonic()
        return True


@dataclass
class Rhythm:
    """Decides how long to pause before the next look.

    After a change, and when a task is about to end, the pause is short; while nothing changes it grows. Where tasks run
    for long it is never very short: among hundreds of them, one has always just ended or is about to.
    """

    pace: Pace
    _pause_seconds: float = 0.0
    _durations: dict[str, list[float]] = field(default_factory=dict)
    # Kind of task -> the median of its durations.
    _usual: dict[str, float] = field(default_factory=dict)

    def ended(self, kind: str, seconds: float) -> None:
        """Notes how long a task of this kind ran: the next of its kind will end after about as long."""
        durations = self._durations.setdefault(kind, [])
        insort(durations, seconds)
        self._usual[kind] = median(durations)

    def next_pause(self, *, changed: bool, running: Collection[tuple[str, float]]) -> float:
        """`running` are the tasks that run now: their kind and for how many seconds they have."""
        shortest = self._shortest_seconds
        grown = max(self._pause_seconds * self.pace.growth, shortest)
        self._pause_seconds = shortest if changed else min(grown, self.pace.longest_seconds)
        expected = [self._usual[kind] - seconds for kind, seconds in running if kind in self._usual]
        # Half of what is left: an estimate that is too long is corrected by the looks on the way.
        soonest = min((left / 2 for left in expected if left > 0), default=self._pause_seconds)
        return max(shortest, min(self._pause_seconds, soonest))

    @property
    def _shortest_seconds(self) -> float:
        unnoticed = UNNOTICED_SHARE * min(self._usual.values(), default=0.0)
        return max(self.pace.shortest_seconds, min(self.pace.longest_seconds, unnoticed))
