"""What Dagster's books say: what was made, failed and took how long; runs, ticks and daemons.

Each look asks for what is new since the one before, in a few queries that are bounded however much that is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.flows.stages import OUTPUTS, Stage
from vda_assets.outcomes.verdict import Verdict
from vda_assets.runs.listing import dataset_of
from vda_assets.runs.names import (
    FAILED_ALIKE,
    FAILURE,
    GPU_SECONDS,
    QUEUE_SECONDS,
    REUSED,
    RUN_SECONDS,
    VERDICT,
    WORKFLOW,
    run_id_of,
)
from vda_assets.runs.private import Tick, all_ticking, events_after, newest_event, signs_of_life, ticks_of
from vda_assets.runs.recording.tries import MOST_TRIES
from vda_assets.runs.status import DONE
from vda_assets.telemetry.kinds import OTHER, failure_kind
from vda_assets.telemetry.metrics import Metrics, Seen

# Of one look; what is left is read by the next.
_MOST_EVENTS, _MOST_RUNS, _MOST_TICKING, _MOST_TICKS = 2000, 1000, 25, 60
# Rows of processes that write at the same time become visible in another order than their numbers.
_LOOKED_AT_AGAIN = 50
_RUNS_LOOKED_AT_AGAIN = timedelta(seconds=10)
# A tick that has begun ends in this time, or never: Dagster gives it a minute.
_TICKS_LOOKED_AT_AGAIN_SECONDS = 300.0
_KINDS = (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION)
_GOING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_MADE = [one for one in Verdict if one is not Verdict.MISSING]
FAILED = "failed"
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dataclass(frozen=True)
class _Look:
    events: Sequence[dg.EventLogRecord]
    going: Sequence[dg.RunRecord]
    ended: Sequence[dg.RunRecord]
    ticks: Mapping[str, Sequence[Tick]]
    daemons: Mapping[str, float]


class Books:
    """`datasets` are names by slug; what is of others is not counted. `asked` fills with when each run that goes on
    was asked for, by its run id."""

    source, name = "dagster", "books"

    def __init__(
        self, instance: dg.DagsterInstance, datasets: Mapping[str, str], metrics: Metrics, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._instance, self._datasets, self._metrics, self._clock = instance, datasets, metrics, clock
        self.asked: dict[str, float] = {}
        self._begun = False
        self._first = 0
        self._numbers: dict[dg.DagsterEventType, int] = {}
        self._updated: datetime | None = None
        self._runs_since = self._ticks_since = 0.0
        self._turn = 0
        # Name of a sensor or schedule -> when its newest tick began.
        self._newest_ticks: dict[str, float] = {}
        for dataset in datasets.values():
            self._begin_to_count(dataset)
        self._events, self._runs, self._ticks, self._workflows = Seen(), Seen(), Seen(), Seen()

    def _begin_to_count(self, dataset: str) -> None:
        """From 0: Prometheus takes the first value that it sees of a counter for where that began."""
        for output in OUTPUTS:
            for verdict in (*(_MADE if isinstance(output, Stage) else (DONE,)), FAILED):
                self._metrics.outputs.labels(dataset, output, verdict)
            self._metrics.quarantined.labels(dataset, output)
            if isinstance(output, Stage):
                self._metrics.gpu_seconds.labels(dataset, output)
        for status in _ENDED:
            self._metrics.ended_runs.labels(dataset, status.value.lower())

    def read(self) -> Callable[[], None]:
        """The first look finds where to begin: counted is what comes after it."""
        if not self._begun:
            self._begin()
        events = [one for kind in _KINDS for one in self._new_events(kind)]
        after = dg.RunsFilter(statuses=_ENDED, updated_after=self._updated)
        look = _Look(
            events=events,
            going=self._instance.get_run_records(dg.RunsFilter(statuses=_GOING), limit=_MOST_RUNS),
            ended=self._instance.get_run_records(after, limit=_MOST_RUNS, order_by="update_timestamp", ascending=True),
            ticks=self._new_ticks(),
            daemons=signs_of_life(self._instance),
        )
        return lambda: self._tell(look)

    def _begin(self) -> None:
        self._first = newest_event(self._instance)
        self._numbers = dict.fromkeys(_KINDS, self._first)
        newest = self._instance.get_run_records(limit=1, order_by="update_timestamp")
        self._updated = newest[0].update_timestamp if newest else datetime.fromtimestamp(0, UTC)
        self._runs_since = self._updated.timestamp()
        self._ticks_since = self._clock.now().timestamp()
        self._begun = True

    def _new_events(self, kind: dg.DagsterEventType) -> Sequence[dg.EventLogRecord]:
        after = max(self._first, self._numbers[kind] - _LOOKED_AT_AGAIN)
        return events_after(self._instance, kind, after, limit=_MOST_EVENTS)

    def _new_ticks(self) -> dict[str, Sequence[Tick]]:
        """Of so many sensors and schedules, in turns: each is a query of its own."""
        going = sorted(all_ticking(self._instance), key=lambda one: one.name)
        turn = [*going[self._turn :], *going[: self._turn]][:_MOST_TICKING]
        self._turn = (self._turn + len(turn)) % max(1, len(going))
        found: dict[str, Sequence[Tick]] = {}
        for one in turn:
            again = self._newest_ticks.get(one.name, 0.0) - _TICKS_LOOKED_AT_AGAIN_SECONDS
            after = max(self._ticks_since, again)
            found[one.name] = ticks_of(self._instance, one, after=after, limit=_MOST_TICKS)
        self._newest_ticks = {one.name: self._newest_ticks.get(one.name, self._ticks_since) for one in going}
        return found

    def _tell(self, look: _Look) -> None:
        self.forget()
        for record in look.events:
            kind = _KINDS[record.asset_materialization is None]
            self._numbers[kind] = max(self._numbers[kind], record.storage_id)
            if self._events.is_new(record.storage_id):
                self._count_event(record)
        self._tell_runs(look.going, look.ended)
        self._tell_ticks(look.ticks)
        now = self._clock.now().timestamp()
        for name, began in self._newest_ticks.items():
            self._metrics.tick_age.labels(name).set(max(0.0, now - began))
        for daemon, heard in look.daemons.items():
            self._metrics.daemon_age.labels(daemon).set(max(0.0, now - heard))

    def forget(self) -> None:
        """What is not known any more is not told."""
        self.asked.clear()
        for gauge in (self._metrics.runs, self._metrics.tick_age, self._metrics.daemon_age):
            gauge.clear()

    def _count_event(self, record: dg.EventLogRecord) -> None:
        event = record.asset_materialization or record.asset_observation
        if event is None or event.partition is None or event.asset_key.path[-1] not in OUTPUTS:
            return
        dataset, output = self._datasets.get(event.asset_key.path[0]), event.asset_key.path[-1]
        said: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
        if dataset is None or said.get(REUSED):
            return
        of = (dataset, output)
        if FAILURE in said:
            self._metrics.outputs.labels(*of, FAILED).inc()
            self._metrics.failures.labels(*of, failure_kind(str(said[FAILURE]))).inc()
            if said.get(FAILED_ALIKE) == MOST_TRIES:
                self._metrics.quarantined.labels(*of).inc()
        elif record.asset_materialization:
            verdict = said.get(VERDICT, DONE)
            self._metrics.outputs.labels(*of, verdict if verdict in (*Verdict, DONE) else OTHER).inc()
        # Runs that waited for the same workflow tell of it alike.
        if WORKFLOW not in said or self._workflows.is_new((*of, event.partition, said[WORKFLOW])):
            self._count_usage(of, said)

    def _count_usage(self, of: tuple[str, str], said: Mapping[str, Any]) -> None:
        """Anybody may log materializations: what is no number is not counted."""
        self._metrics.gpu_seconds.labels(*of).inc(_seconds(said, GPU_SECONDS) or 0.0)
        for name, histogram in ((QUEUE_SECONDS, self._metrics.queue), (RUN_SECONDS, self._metrics.run)):
            if (seconds := _seconds(said, name)) is not None:
                histogram.labels(*of).observe(seconds)

    def _tell_runs(self, going: Sequence[dg.RunRecord], ended: Sequence[dg.RunRecord]) -> None:
        counts = Counter((self._dataset(one), one.dagster_run.status.value.lower()) for one in going)
        for labels, count in counts.items():
            self._metrics.runs.labels(*labels).set(count)
        self.asked.update((run_id_of(one.dagster_run), one.create_timestamp.timestamp()) for one in going)
        for one in ended:
            self._updated = max(self._updated or one.update_timestamp, one.update_timestamp - _RUNS_LOOKED_AT_AGAIN)
            # One that ended long ago may be changed, for example by a tag.
            is_of_now = (one.end_time or 0.0) > self._runs_since
            if is_of_now and self._runs.is_new(one.dagster_run.run_id):
                self._metrics.ended_runs.labels(self._dataset(one), one.dagster_run.status.value.lower()).inc()

    def _dataset(self, record: dg.RunRecord) -> str:
        """Empty for a run of another code location, or of none of the datasets."""
        name = dataset_of(record.dagster_run, self._datasets)
        return name if name and name in self._datasets.values() else ""

    def _tell_ticks(self, found: Mapping[str, Sequence[Tick]]) -> None:
        for name, ticks in found.items():
            for tick in ticks:
                self._newest_ticks[name] = max(self._newest_ticks[name], tick.began)
                if tick.seconds is not None and self._ticks.is_new(tick.number):
                    self._metrics.ticks.labels(name, tick.status).inc()
                    self._metrics.tick.labels(name).observe(tick.seconds)


def _seconds(said: Mapping[str, Any], name: str) -> float | None:
    value = said.get(name)
    return float(value) if isinstance(value, int | float) and 0 <= value < math.inf else None
