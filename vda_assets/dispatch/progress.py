"""How far a run is, for the sign of life that it gives every few minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from math import ceil

from vda_assets.base.clock import Clock
from vda_assets.base.counted import counted
from vda_assets.dispatch.in_flight import InFlight
from vda_assets.dispatch.watching import WatchedWorkflow
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork


class Progress:
    """`queue_timeout_seconds` is how long a task may wait before it is said that something is wrong."""

    def __init__(self, clock: Clock, *, queue_timeout_seconds: float) -> None:
        self._clock, self._queue_timeout_seconds = clock, queue_timeout_seconds
        self._totals: Counter[Stage] = Counter()
        self._ended: Counter[Stage] = Counter()
        self._states: Counter[str] = Counter()
        self._started = clock.monotonic()

    def begin(self, works: Iterable[ClipWork]) -> None:
        self._totals.update(stage for work in works for stage in work.stages)

    def ended(self, stage: Stage) -> None:
        self._ended[stage] += 1

    def looked_at(self, watched: Iterable[WatchedWorkflow]) -> None:
        self._states = Counter(task.status for one in watched for task in one.tasks.values())

    def line(self, in_flight: Collection[InFlight], *, waiting: int) -> str:
        """How far the run is, what its tasks are at, and which workflows nobody but a person will end."""
        stages = ", ".join(f"{stage} {self._ended[stage]} of {total}" for stage, total in sorted(self._totals.items()))
        ended, total = sum(self._ended.values()), sum(self._totals.values())
        now = self._clock.monotonic()
        left = f", about {ceil((now - self._started) / ended * (total - ended) / 60)} min left" if ended else ""
        states = ", ".join(f"{count} {status}" for status, count in sorted(self._states.items()))
        on_pool = f"{counted(len(in_flight), 'workflow')} on the pool{f' (tasks: {states})' if states else ''}"
        lines = [f"{on_pool}, {waiting} waiting; ended: {stages}{left}"]
        lines += [self._held_up(one, now) for one in in_flight if self._is_held_up(one, now)]
        return "\n".join(lines)

    def _is_held_up(self, one: InFlight, now: float) -> bool:
        return one.processing_seconds(now) > self._queue_timeout_seconds

    def _held_up(self, one: InFlight, now: float) -> str:
        return (
            f"  {one.workflow_id} of {one.work.clip.key} is PROCESSING for {one.processing_seconds(now) / 60:.0f} min: "
            "no timeout of OSMO ends that; cancel it, and it is submitted again"
        )
