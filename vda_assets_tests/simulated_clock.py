"""A clock that moves only when somebody sleeps on it, and that does on the way what was planned."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

START = datetime(2026, 11, 22, 6, 0, 0, tzinfo=UTC)


class SimulatedClock:
    """`monotonic` begins at 0. May be used by several threads; two that sleep at once add their times up.

    Plans are carried out under `lock`; whoever shares state with them holds it too.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._plans: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self.lock = threading.RLock()

    def monotonic(self) -> float:
        return self._seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self._seconds)

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Moves on; what was planned for the time between is done in its order, each at its own time."""
        with self.lock:
            until = self._seconds + max(0.0, seconds)
            while self._plans and self._plans[0][0] <= until:
                at, _, do = heapq.heappop(self._plans)
                self._seconds = max(self._seconds, at)
                do()
            # What was done may have slept itself.
            self._seconds = max(self._seconds, until)

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Plans `do` for so many seconds from now; it may plan more."""
        with self.lock:
            heapq.heappush(self._plans, (self._seconds + max(0.0, seconds), next(self._numbers), do))
