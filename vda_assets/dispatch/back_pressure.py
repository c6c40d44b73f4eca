"""Holds submissions back for a while after the service said that it takes none just now, or did not answer."""

from __future__ import annotations

from collections.abc import Callable

from vda_assets.base.clock import Clock
from vda_assets.base.patience import Patience
from vda_assets.dispatch.pace import Pace
from vda_assets.osmo.errors import OsmoUnavailable


class BackPressure:
    """Each pause is twice the one before, until a submission is taken."""

    def __init__(self, pace: Pace, *, clock: Clock, log: Callable[[str], None]) -> None:
        self._clock, self._log = clock, log
        self._patience = Patience(pace.patience_seconds, first_pause_seconds=2.0, longest_pause_seconds=60.0)
        self._pauses, self._until = self._patience, 0.0
        self._told: str | None = None

    @property
    def holds(self) -> bool:
        return self._clock.monotonic() < self._until

    @property
    def is_pressed(self) -> bool:
        """Whether the last submission was not taken."""
        return self._told is not None

    def lift(self) -> None:
        """Something ended, so there may be room: the next submission need not wait."""
        self._until = 0.0

    def press(self, error: OsmoUnavailable) -> None:
        if not self.holds:
            self._until = self._clock.monotonic() + self._pauses.draw_pause()
            self._pauses = self._pauses.longer_pause()
        if self._told != str(error):
            self._told = str(error)
            self._log(f"submissions wait: {error}")

    def relieve(self) -> None:
        if self._told is not None:
            self._log("OSMO takes submissions again")
        self._pauses, self._until, self._told = self._patience, 0.0, None
