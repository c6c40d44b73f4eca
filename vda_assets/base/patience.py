"""Asks a service again that cannot answer just now, with growing pauses, for as long as its asker has patience."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, TypeVar

from vda_assets.base.clock import SYSTEM_CLOCK, Clock

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Patience:
    """For how many seconds somebody is asked again. Each pause is twice the one before, up to the longest."""

    seconds: float
    first_pause_seconds: float = 0.25
    longest_pause_seconds: float = 15.0

    def longer_pause(self) -> Patience:
        """The patience whose first pause is this one's second."""
        return replace(self, first_pause_seconds=min(self.first_pause_seconds * 2, self.longest_pause_seconds))

    def draw_pause(self) -> float:
        """Between half of the first pause and all of it, so that many that wait do not come back at once."""
        pause_seconds = min(self.first_pause_seconds, self.longest_pause_seconds)
        return random.uniform(pause_seconds / 2, pause_seconds)


NO_PATIENCE = Patience(0)


def say_nothing(_: str) -> None:
    """A log for who waits too briefly to mention it."""


class Waiter:
    """Waits for one service; may be used by several threads, whose waiting is told as one.

    `whom` names the service in the log, `worth_waiting` the errors that time may mend; all others are raised at once.
    `reason` is what of such an error is told: the same text again is not.
    """

    def __init__(
        self,
        patience: Patience,
        *,
        whom: str,
        worth_waiting: type[Exception] | tuple[type[Exception], ...],
        clock: Clock = SYSTEM_CLOCK,
        log: Callable[[str], None] = say_nothing,
        reason: Callable[[Any], str] = str,
    ) -> None:
        self.patience, self._whom, self._worth_waiting = patience, whom, worth_waiting
        self._clock, self._log, self._reason = clock, log, reason
        self._told: str | None = None
        self._waiting_since = 0.0
        self._lock = Lock()

    def ask(self, call: Callable[[], ResultT]) -> ResultT:
        """The call's result. Raises its last error once another pause would outlast the patience."""
        give_up = self._clock.monotonic() + self.patience.seconds
        patience = self.patience
        while True:
            try:
                result = call()
            except self._worth_waiting as error:
                pause_seconds = patience.draw_pause()
                if self._clock.monotonic() + pause_seconds > give_up:
                    raise
                self._tell_waiting(self._reason(error))
            else:
                if self._told is not None:
                    self._tell_answer()
                return result
            self._clock.sleep(pause_seconds)
            patience = patience.longer_pause()

    def _tell_waiting(self, reason: str) -> None:
        with self._lock:
            if self._told == reason:
                return
            if self._told is None:
                self._waiting_since = self._clock.monotonic()
            self._told = reason
        self._log(f"waiting for {self._whom}: {reason}")

    def _tell_answer(self) -> None:
        with self._lock:
            if self._told is None:
                return  # another thread has told it
            self._told = None
        self._log(f"{self._whom} answers again, after {self._clock.monotonic() - self._waiting_since:.0f} seconds")
