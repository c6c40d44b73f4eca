"""Submissions under way: several at once, none of them holds up whoever looks at the pool meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass

from vda_assets.base.clock import Clock
from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.flows.work import ClipWork
from vda_assets.osmo.errors import OsmoBusy, OsmoRefused, OsmoServerError, OsmoUnavailable
from vda_assets.osmo.models import SubmitResult

POSTS_AT_ONCE = 8


@dataclass(frozen=True)
class Pending:
    """`attempt` numbers the submissions of this very work, `tries` those of its clip in this run, `unanswered` the
    POSTs of this attempt that nobody answered."""

    work: ClipWork
    attempt: int
    tries: int
    unanswered: int = 0


@dataclass(frozen=True)
class Accepted:
    pending: Pending
    workflow_id: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """It will be refused again, until somebody acts."""

    pending: Pending
    reason: str


@dataclass(frozen=True)
class NotNow:
    """Nothing was done: the service is busy, or did not get the POST."""

    pending: Pending
    error: OsmoUnavailable


@dataclass(frozen=True)
class Unanswered:
    """The service may have accepted the POST: the workflow is looked for before it is sent again."""

    pending: Pending
    error: OsmoUnavailable
    seconds: float


Posted = Accepted | Refused | NotNow | Unanswered


class Poster:
    """`post` sends one submission once."""

    def __init__(self, post: Callable[[Pending], SubmitResult], *, executor: Executor, clock: Clock) -> None:
        self._post, self._executor, self._clock = post, executor, clock
        self._under_way: dict[Future[Posted], Pending] = {}

    @property
    def under_way(self) -> list[Pending]:
        return list(self._under_way.values())

    @interrupts_delayed()
    def begin(self, pending: Pending) -> None:
        self._under_way[self._executor.submit(self._send, pending)] = pending

    def take_ended(self) -> list[Posted]:
        ended = [future for future in self._under_way if future.done()]
        for future in ended:
            del self._under_way[future]
        return [future.result() for future in ended]

    def wait(self, seconds: float) -> None:
        """Returns once a submission has ended, or after so many seconds."""
        wait(self._under_way, timeout=seconds, return_when=FIRST_COMPLETED)

    def finish(self, seconds: float) -> list[Posted]:
        """Waits for so many seconds; a submission that has not ended by then counts as `Unanswered`."""
        wait(self._under_way, timeout=seconds)
        ended = self.take_ended()
        late = OsmoUnavailable("the run ended first", maybe_delivered=True)
        return [*ended, *(Unanswered(pending, late, seconds) for pending in self.under_way)]

    def _send(self, pending: Pending) -> Posted:
        began = self._clock.monotonic()
        try:
            result = self._post(pending)
        except OsmoUnavailable as error:
            if isinstance(error, OsmoBusy) or not error.maybe_delivered:
                return NotNow(pending, error)
            return Unanswered(pending, error, self._clock.monotonic() - began)
        except (OsmoRefused, OsmoServerError) as error:
            return Refused(pending, str(error))
        return Accepted(pending, result.name, result.warnings)
