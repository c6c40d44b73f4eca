"""A clock whose sleepers take no time."""

from datetime import UTC, datetime, timedelta
from threading import Lock

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class SimulatedClock:
    """`slept` are the pauses that were made, in seconds."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._seconds = 0.0
        self._lock = Lock()

    def monotonic(self) -> float:
        return self._seconds

    def now(self) -> datetime:
        return _EPOCH + timedelta(seconds=self._seconds)

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._seconds += seconds
