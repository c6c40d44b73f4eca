"""POSTs that nobody answered: the workflow may be there all the same, so it is waited for before it is sent again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vda_assets.base.clock import Clock
from vda_assets.dispatch.posting import Pending, Unanswered

# How long a row is waited for at least; a service that needed longer than that for its answers is given more.
_SHORTEST_SECONDS = 10.0
_LONGEST_SECONDS = 600.0


@dataclass(frozen=True)
class _Waiting:
    pending: Pending
    until: float


class UnansweredPosts:
    """Waiting grows with the time that the service let pass without an answer, and with each POST of a work that
    nobody answered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[str, _Waiting] = {}

    @property
    def waiting(self) -> list[Pending]:
        return [one.pending for one in self._waiting.values()]

    def add(self, posted: Unanswered) -> None:
        pending = posted.pending
        seconds = max(_SHORTEST_SECONDS, 2 * posted.seconds) * 2**pending.unanswered
        until = self._clock.monotonic() + min(seconds, _LONGEST_SECONDS)
        self._waiting[pending.work.clip.key] = _Waiting(pending, until)

    def remove(self, pending: Pending) -> None:
        """To be called once the workflow of the POST was found."""
        del self._waiting[pending.work.clip.key]

    def take_given_up(self) -> list[Pending]:
        """Those whose workflow did not show up in time, to be sent again."""
        now = self._clock.monotonic()
        late = [one.pending for one in self._waiting.values() if now >= one.until]
        for pending in late:
            self.remove(pending)
        return [replace(pending, unanswered=pending.unanswered + 1) for pending in late]
