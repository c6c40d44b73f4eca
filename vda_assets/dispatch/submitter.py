"""The work that waits for room on the pool, and the submissions under way: what a service takes, refuses, or is asked
about once more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from vda_assets.base.clock import Clock
from vda_assets.dispatch.back_pressure import BackPressure
from vda_assets.dispatch.pace import Pace
from vda_assets.dispatch.posting import POSTS_AT_ONCE, Accepted, NotNow, Pending, Poster, Refused, Unanswered
from vda_assets.dispatch.submissions import Submitted
from vda_assets.dispatch.unanswered import UnansweredPosts
from vda_assets.flows.work import ClipWork
from vda_assets.osmo.models import SubmitResult


@dataclass(frozen=True)
class Leftover:
    """What an interrupt finds: submissions that were accepted, and those that nobody has answered."""

    accepted: Sequence[Accepted]
    unanswered: Sequence[Pending]


class Submitter:
    """`post` sends one submission once, in a thread of the executor."""

    def __init__(
        self,
        post: Callable[[Pending], SubmitResult],
        *,
        executor: Executor,
        clock: Clock,
        pace: Pace,
        log: Callable[[str], None],
    ) -> None:
        self._poster = Poster(post, executor=executor, clock=clock)
        self._unanswered = UnansweredPosts(clock)
        self._back_pressure = BackPressure(pace, clock=clock, log=log)
        self._log = log
        self._waiting: deque[Pending] = deque()
        self._warned: set[str] = set()

    @property
    def works(self) -> Iterator[ClipWork]:
        """The works that no workflow is known of."""
        for pending in [*self._waiting, *self._poster.under_way, *self._unanswered.waiting]:
            yield pending.work

    @property
    def waiting(self) -> int:
        """How many works wait for room."""
        return len(self._waiting)

    @property
    def posting(self) -> int:
        """How many submissions are under way, or were and nobody answered."""
        return len(self._poster.under_way) + len(self._unanswered.waiting)

    @property
    def unanswered(self) -> list[Pending]:
        return self._unanswered.waiting

    def line_up(self, pending: Pending) -> None:
        if pending.tries > 1:
            # What failed is tried again first: if it is no clip's fault, that is to be known early.
            self._waiting.appendleft(pending)
        else:
            self._waiting.append(pending)

    def begin(self, *, room: int) -> None:
        """Sends as many as the pool has room for; while the service is busy, one at a time."""
        while self._waiting and room > 0 and len(self._poster.under_way) < POSTS_AT_ONCE:
            if self._back_pressure.holds or (self._back_pressure.is_pressed and self._poster.under_way):
                return
            self._poster.begin(self._waiting.popleft())
            room -= 1

    def take_ended(self) -> tuple[list[Accepted], list[Refused]]:
        """What was accepted and what refused since the last time; the others wait for another try."""
        accepted: list[Accepted] = []
        refused: list[Refused] = []
        for posted in self._poster.take_ended():
            match posted:
                case Accepted():
                    self._back_pressure.relieve()
                    self._warn(posted.warnings)
                    accepted.append(posted)
                case Refused():
                    refused.append(posted)
                case NotNow():
                    self._back_pressure.press(posted.error)
                    self._waiting.appendleft(posted.pending)
                case Unanswered():
                    self._back_pressure.press(posted.error)
                    self._unanswered.add(posted)
        return accepted, refused

    def find_unanswered(self, submitted: Mapping[str, Sequence[Submitted]]) -> list[Accepted]:
        """Those of the POSTs without an answer whose workflow is among what is `submitted`, by clip key. What has not
        shown up in time is lined up again."""
        found: list[Accepted] = []
        for pending in self._unanswered.waiting:
            for one in submitted[pending.work.clip.key]:
                if one.does_exactly(pending.work) and one.attempt >= pending.attempt:
                    self._unanswered.remove(pending)
                    found.append(Accepted(pending, one.workflow_id, ()))
                    break
        self._waiting.extendleft(self._unanswered.take_given_up())
        return found

    def make_room(self) -> None:
        """A workflow of ours ended: where the service has a limit, there may be room again."""
        self._back_pressure.lift()

    def wait(self, seconds: float) -> bool:
        """Returns once a submission has ended, or after so many seconds; False at once when none is under way."""
        if not self._poster.under_way:
            return False
        self._poster.wait(seconds)
        return True

    def drop_waiting(self) -> list[ClipWork]:
        """The works that wait; they are forgotten."""
        dropped = [pending.work for pending in self._waiting]
        self._waiting.clear()
        return dropped

    def finish(self, seconds: float) -> Leftover:
        """Waits so long for what is under way, and sends nothing more."""
        self._waiting.clear()
        posted = self._poster.finish(seconds)
        lost = [one.pending for one in posted if isinstance(one, Unanswered)]
        return Leftover([one for one in posted if isinstance(one, Accepted)], [*lost, *self._unanswered.waiting])

    def _warn(self, warnings: Sequence[str]) -> None:
        for warning in warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._log(f"OSMO warns: {warning}")
