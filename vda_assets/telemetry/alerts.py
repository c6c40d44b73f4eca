"""What people want to be told of without looking: backfills that ended badly or stand still, canaries that stopped,
quarantines that grow, an OSMO that is away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from pydantic import BaseModel

from vda_assets.base.counted import counted
from vda_assets.base.cut import cut
from vda_assets.base.parallel import within
from vda_assets.flows.selection import selection_of, wanted_of
from vda_assets.flows.stages import OUTPUTS
from vda_assets.osmo.errors import OsmoError
from vda_assets.project import Project
from vda_assets.runs.canary import Canary
from vda_assets.runs.listing import failed_in
from vda_assets.runs.names import FAILED_ALIKE, FAILURE
from vda_assets.runs.private import (
    BACKFILL_TAG,
    Backfill,
    backfill_of,
    ended_backfills,
    events_after,
    going_backfills,
    newest_event,
)
from vda_assets.runs.recording.tries import MOST_TRIES
from vda_assets.telemetry.clients import quick_client

# So long nothing of a backfill may go on, an OSMO may not answer, and further quarantines are gathered.
STALLED_SECONDS, AWAY_SECONDS, GATHERED_SECONDS = 3600.0, 900.0, 3600.0
_LOOKED_AT_AGAIN_SECONDS = 60.0
_ASKED_SECONDS, _ASKED_AT_ONCE = 8.0, 8
_MOST_EVENTS, _MOST_RUNS, _MOST_BACKFILLS, _NAMED = 1000, 20, 20, 5
_GOING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
_WORDS = {"FAILED": "failed", "COMPLETED_FAILED": "failed in part", "CANCELED": "was canceled"}


class Alert(BaseModel):
    """`about` is what it is told of, once."""

    about: str
    title: str
    body: str


class Gathered(BaseModel):
    """Outputs of a dataset that were quarantined and not told of yet."""

    count: int = 0
    clips: list[str] = []
    reason: str = ""
    told_at: float = 0.0


class Watched(BaseModel):
    """What was seen so far, `since` it began, of events up to the `number`. `going` says of each backfill since when
    nothing of it goes on, 0 while something does; `away` of each deployment since when its OSMO does not answer;
    `stopped` are the datasets with a stopped canary."""

    number: int = -1
    since: float = 0.0
    looked_at: float = 0.0
    going: dict[str, float] = {}
    away: dict[str, float] = {}
    stopped: list[str] = []
    quarantines: dict[str, Gathered] = {}


@dataclass(frozen=True)
class Watch:
    """One look at everything. `ui_url` is where the Dagster UI is found, empty when that is not known."""

    instance: dg.DagsterInstance
    project: Project
    environment: Mapping[str, str]
    ui_url: str
    now: float

    def alerts(self, watched: Watched) -> list[Alert]:
        """What is new since `watched`, which is changed to what is seen now. The first look finds where to begin."""
        is_first = watched.number < 0
        if is_first:
            watched.number, watched.since = newest_event(self.instance), self.now
        found = [
            *self._backfills(watched),
            *self._canaries(watched),
            *self._quarantines(watched),
            *self._osmos(watched),
        ]
        watched.looked_at = self.now
        return [] if is_first else found

    def _backfills(self, watched: Watched) -> Iterator[Alert]:
        going = {one.backfill_id: one for one in going_backfills(self.instance)}
        # One that came and ended between two looks was never seen going.
        after = max(watched.since, watched.looked_at - _LOOKED_AT_AGAIN_SECONDS)
        ended = {one.backfill_id: one for one in ended_backfills(self.instance, datetime.fromtimestamp(after, UTC))}
        for backfill_id in watched.going.keys() - going.keys():
            if one := backfill_of(self.instance, backfill_id):
                ended[backfill_id] = one
        for one in ended.values():
            if one.status in _WORDS and (names := self._datasets_of(one)):
                yield self._ended(one, names)
        since = watched.going
        watched.going = dict.fromkeys(going, 0.0)
        # Each is a query; the oldest ones are those that may stand still.
        for key in [*going][-_MOST_BACKFILLS:]:
            watched.going[key] = self._quiet_since(key, since.get(key, 0.0))
        for key, quiet in watched.going.items():
            if quiet and self.now - quiet >= STALLED_SECONDS and (names := self._datasets_of(going[key])):
                yield self._stalled(going[key], names)

    def _quiet_since(self, backfill_id: str, since: float) -> float:
        living = dg.RunsFilter(tags={BACKFILL_TAG: backfill_id}, statuses=_GOING)
        return 0.0 if self.instance.get_runs(living, limit=1) else since or self.now

    def _ended(self, one: Backfill, names: Sequence[str]) -> Alert:
        failed = self._failed_in(one)
        said = [one.error] if one.error else []
        if failed:
            output, clip, reason = failed[0]
            said.append(f"{counted(len(failed), 'output')} failed, the first: {clip} {output}: {reason}")
        remedies = ("vda status --dataset {} --failed", "vda backfill --dataset {}")
        return self._alert(
            f"backfill {one.backfill_id} {one.status}",
            f"{', '.join(names)}: backfill {one.backfill_id} {_WORDS[one.status]}",
            [f"{counted(one.clips, 'clip')} had been asked for.", *map(cut, said)],
            [remedy.format(name) for remedy in remedies for name in names],
            f"runs/b/{one.backfill_id}",
        )

    def _failed_in(self, one: Backfill) -> list[tuple[str, str, str]]:
        failed = dg.RunsFilter(tags={BACKFILL_TAG: one.backfill_id}, statuses=[dg.DagsterRunStatus.FAILURE])
        runs = self.instance.get_runs(failed, limit=_MOST_RUNS)
        return [output for run in reversed(runs) for output in failed_in(self.instance, run.run_id)]

    def _stalled(self, one: Backfill, names: Sequence[str]) -> Alert:
        return self._alert(
            f"backfill {one.backfill_id} stalled",
            f"{', '.join(names)}: backfill {one.backfill_id} stands still",
            [f"Of {counted(one.clips, 'clip')} no run has gone on for {_minutes(STALLED_SECONDS)}."],
            ["vda runs, and the daemon's page in the UI"],
            f"runs/b/{one.backfill_id}",
        )

    def _canaries(self, watched: Watched) -> Iterator[Alert]:
        former, watched.stopped = watched.stopped, []
        for name, dataset in self.project.datasets.items():
            stopped = Canary(
                self.instance, self.project.scope_of(dataset), wanted_of(dataset) or selection_of(OUTPUTS)
            ).stopped
            if stopped:
                watched.stopped.append(name)
            if stopped and name not in former:
                yield self._alert(
                    f"canary {name} {self.now:.0f}",
                    f"{name}: the canary stopped what follows it",
                    [stopped],
                    [f"vda status --dataset {name}", f"vda retry --dataset {name} --canary"],
                    f"assets/{dataset.slug}",
                )

    def _quarantines(self, watched: Watched) -> Iterator[Alert]:
        slugs = {one.slug: name for name, one in self.project.datasets.items()}
        for record in events_after(
            self.instance, dg.DagsterEventType.ASSET_OBSERVATION, watched.number, limit=_MOST_EVENTS
        ):
            watched.number = record.storage_id
            event = record.asset_observation
            name = slugs.get(event.asset_key.path[0]) if event else None
            if event and name and _value(event, FAILED_ALIKE) == MOST_TRIES:
                gathered = watched.quarantines.setdefault(name, Gathered())
                gathered.count += 1
                gathered.reason = gathered.reason or cut(_value(event, FAILURE))
                gathered.clips = [*gathered.clips, f"{event.partition} {event.asset_key.path[-1]}"][:_NAMED]
        for name, gathered in watched.quarantines.items():
            if gathered.count and self.now - gathered.told_at >= GATHERED_SECONDS:
                watched.quarantines[name] = Gathered(told_at=self.now)
                yield self._alert(
                    f"quarantine {name} {self.now:.0f}",
                    f"{name}: {counted(gathered.count, 'output')} more in quarantine",
                    [
                        f"They failed alike twice: {', '.join(map(cut, gathered.clips))}",
                        f"The first: {gathered.reason}",
                    ],
                    [f"vda status --dataset {name} --failed", f"vda retry --dataset {name}"],
                    f"assets/{self.project.dataset(name).slug}",
                )

    def _osmos(self, watched: Watched) -> Iterator[Alert]:
        of_datasets = {one.deployment for one in self.project.datasets.values()}
        # Nobody is called because the world on one machine sleeps.
        names = sorted(name for name in of_datasets if not self.project.deployment(name).is_stand_in)
        answers, late = within(_ASKED_SECONDS, self._why_away, names, threads=_ASKED_AT_ONCE)
        away = {name: why for name, why in answers if why} | dict.fromkeys(late, "no answer in time")
        watched.away = {name: watched.away.get(name, self.now) for name in away}
        for name, since in watched.away.items():
            if self.now - since >= AWAY_SECONDS:
                yield self._alert(
                    f"osmo {name} {since:.0f}",
                    f"{name}: OSMO does not answer",
                    [f"For {_minutes(AWAY_SECONDS)} and more; runs wait for it. It says: {cut(away[name])}"],
                    ["vda preflight"],
                    "",
                )

    def _why_away(self, name: str) -> tuple[str, str]:
        """Empty for one that answers."""
        try:
            with quick_client(self.project.deployment(name), self.environment) as client:
                client.version()
        except OsmoError as error:
            return name, str(error)
        return name, ""

    def _datasets_of(self, backfill: Backfill) -> list[str]:
        """Empty for a backfill of another code location."""
        slugs = {key.path[0] for key in backfill.asset_keys}
        return [name for name, one in self.project.datasets.items() if one.slug in slugs]

    def _alert(self, about: str, title: str, said: Sequence[str], remedies: Sequence[str], page: str) -> Alert:
        link = [f"{self.ui_url.rstrip('/')}/{page}"] if self.ui_url and page else []
        return Alert(about=about, title=title, body="\n".join([*said, f"Look and go on: {'; '.join(remedies)}", *link]))


def _value(event: dg.AssetObservation, name: str) -> object:
    value = event.metadata.get(name)
    return value.value if value is not None else None


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes"
