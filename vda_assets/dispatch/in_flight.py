"""The workflows that a run waits for: those that it submitted, and those of others that it adopted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vda_assets.dispatch.submissions import Submitted
from vda_assets.dispatch.watching import WatchedWorkflow
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork
from vda_assets.storage.layout import RunLayout

# A workflow that shows no tasks in so many looks, and for so long, may be lost: it is asked for by name. Right after
# its submission the row may not be there yet.
_LOOKS_UNTIL_LOST = 3
_SECONDS_UNTIL_LOST = 30.0
# A workflow that has tasks has a row, and the row is in one of the next lists.
_SECONDS_UNTIL_SETTLED = 30.0


@dataclass
class InFlight:
    """`stages` are those of the work that the workflow does; an adopted one may do fewer than are needed.

    `history` are the submissions of its run up to itself, as soon as they are known.
    """

    work: ClipWork
    workflow_id: str
    layout: RunLayout
    stages: frozenset[Stage]
    since: float
    tries: int = 1
    history: Sequence[Submitted] = ()
    is_settled: bool = True
    completed: set[Stage] = field(default_factory=set)
    _looks_without_tasks: int = 0
    _processing_since: float | None = None

    @property
    def left(self) -> list[Stage]:
        return [stage for stage in self.work.stages if stage not in self.completed]

    def looked_at(self, watched: WatchedWorkflow, now: float) -> None:
        self._looks_without_tasks = 0 if watched.tasks else self._looks_without_tasks + 1
        if not watched.is_held_up:
            self._processing_since = None
        elif self._processing_since is None:
            self._processing_since = now

    def waits_to_settle(self, watched: WatchedWorkflow, now: float) -> bool:
        """Whether what became of it is to be told a moment later, since its submissions are not known yet: how long it
        was queued and how often it was tried is reckoned from them. It does not wait for a row that never comes."""
        return not self.is_settled and bool(watched.tasks) and now - self.since < _SECONDS_UNTIL_SETTLED

    def found(self) -> None:
        """To be called when the service was asked for the workflow by name, and knows it."""
        self._looks_without_tasks = 0

    def may_be_lost(self, now: float) -> bool:
        return self._looks_without_tasks >= _LOOKS_UNTIL_LOST and now - self.since >= _SECONDS_UNTIL_LOST

    def processing_seconds(self, now: float) -> float:
        """For how long nothing but PROCESSING was seen of it: a state that no clock of OSMO 6.4 ends."""
        return 0.0 if self._processing_since is None else now - self._processing_since
