"""A clock that moves only when somebody sleeps on it, and that does on the way what was planned."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


class SharedClock(SimulatedClock):
    """For several actors, each in a thread of its own: one acts at a time, and time moves on when all of them sleep."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Condition(self.lock)
        self._sleepers: list[tuple[float, int]] = []
        self._awake: tuple[float, int] | None = None

    def act(self, *actors: Callable[[], object]) -> None:
        """Returns when all actors have; raises what one of them raised."""
        with ThreadPoolExecutor(len(actors)) as threads, self.lock:
            beginnings = [self._lie_down(0) for _ in actors]
            futures = [threads.submit(self._live, *both) for both in zip(beginnings, actors, strict=True)]
            self._wake_next()
        for future in futures:
            future.result()

    def sleep(self, seconds: float) -> None:
        """Without a wait the turn is not given away: somebody may hold a lock over it."""
        if self._awake is None:
            super().sleep(seconds)
        elif seconds > 0:
            with self.lock:
                me = self._lie_down(seconds)
                self._wake_next()
                self._await(me)

    def _live(self, beginning: tuple[float, int], actor: Callable[[], object]) -> None:
        self._await(beginning)
        try:
            actor()
        finally:
            with self.lock:
                self._wake_next()

    def _lie_down(self, seconds: float) -> tuple[float, int]:
        me = (self._seconds + max(0.0, seconds), next(self._numbers))
        heapq.heappush(self._sleepers, me)
        return me

    def _wake_next(self) -> None:
        self._awake = heapq.heappop(self._sleepers) if self._sleepers else None
        if self._awake is not None:
            self.advance(self._awake[0] - self._seconds)
        self._turn.notify_all()

    def _await(self, me: tuple[float, int]) -> None:
        with self._turn:
            while self._awake != me:
                self._turn.wait()
