"""The newest runs with what each made and took, from Dagster's books alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from vda_assets.config.dataset import Dataset
from vda_assets.config.errors import UnknownName
from vda_assets.datasets.clips import clip_key
from vda_assets.flows.selection import selection_of
from vda_assets.flows.stages import OUTPUTS
from vda_assets.runs.names import (
    COST,
    CURRENCY,
    DATASET_TAG,
    FAILURE,
    FLOW_TAG,
    GPU_SECONDS,
    REUSED,
    VERDICT,
    WORKFLOW,
    run_id_of,
)
from vda_assets.runs.status import DONE

# How many runs are looked through for those of a dataset; others may have many more.
MOST_RUNS = 2000
_NAMED_RUNS = 20
_PAGE, _EVENTS_PAGE = 100, 1000
_SAID = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION}


@dataclass
class Tally:
    """What became of outputs: `made` by verdict, `kept` from before, `failed`; `gpu_seconds` is None where no output
    says any, and `cost` is by currency."""

    made: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    failed: int = 0
    gpu_seconds: float | None = None
    cost: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.made.update(other.made)
        self.kept += other.kept
        self.failed += other.failed
        self.cost.update(other.cost)
        if other.gpu_seconds is not None:
            self.gpu_seconds = (self.gpu_seconds or 0.0) + other.gpu_seconds


@dataclass(frozen=True)
class RunSummary:
    """`run_id` names the run's folder, and is the same for a run and its retries. `clips` are those that it has said
    something of. A workflow that several runs waited for is in the tally of the oldest that is listed."""

    dagster_run: str
    run_id: str
    dataset: str
    flow: str
    status: str
    started: datetime | None
    seconds: float | None
    clips: int
    tally: Tally


def newest_runs(
    instance: dg.DagsterInstance, datasets: Mapping[str, str], *, only: str | None, limit: int
) -> list[RunSummary]:
    """The newest first. `datasets` are their names by slug, `only` the one whose runs are meant, None for all."""
    found: list[tuple[str, dg.RunRecord]] = []
    for record in _records(instance):
        dataset = dataset_of(record.dagster_run, datasets)
        if dataset and only in (None, dataset):
            found.append((dataset, record))
        if len(found) == limit:
            break
    counted: set[tuple[str, str, str]] = set()
    return [_summary(instance, dataset, record, counted) for dataset, record in reversed(found)][::-1]


def clips_of_run(instance: dg.DagsterInstance, dataset: Dataset, run: str) -> tuple[str, set[str]]:
    """The run's id and the keys of the clips that it, or a retry of it, has said something of. `run` is that id, or the
    one that Dagster gave the run. Raises UnknownName when it is none of the dataset's newest."""
    known: dict[str, list[str]] = {}
    meant = ""
    for record in _records(instance):
        one = record.dagster_run
        if dataset_of(one, {dataset.slug: dataset.name}) == dataset.name:
            known.setdefault(run_id_of(one), []).append(one.run_id)
            if run in (run_id_of(one), one.run_id):
                meant = run_id_of(one)
    if not meant:
        raise UnknownName(f"run of {dataset.name}", run, list(known)[:_NAMED_RUNS])
    return meant, {partition for one in known[meant] for _, partition, _ in _said(instance, one)}


def failed_in(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str, str, str]]:
    """Output, clip key and reason of each output that the run said to have failed."""
    said = _said(instance, run_id)
    return [(output, clip, str(metadata[FAILURE])) for output, clip, metadata in said if FAILURE in metadata]


def total_of(runs: Sequence[RunSummary]) -> Tally:
    total = Tally()
    for one in runs:
        total.add(one.tally)
    return total


def _records(instance: dg.DagsterInstance) -> Iterator[dg.RunRecord]:
    cursor: str | None = None
    for _ in range(0, MOST_RUNS, _PAGE):
        page = instance.get_run_records(limit=_PAGE, cursor=cursor)
        yield from page
        if len(page) < _PAGE:
            return
        cursor = page[-1].dagster_run.run_id


def dataset_of(run: dg.DagsterRun, datasets: Mapping[str, str]) -> str | None:
    """None for a run that makes no output of a clip."""
    if name := run.tags.get(DATASET_TAG):
        return name
    slug = next((key.path[0] for key in run.asset_selection or () if key.path[-1] in OUTPUTS), None)
    return datasets.get(slug, slug) if slug else None


def _flow_of(run: dg.DagsterRun) -> str:
    asked = [one for one in OUTPUTS for key in run.asset_selection or () if key.path[-1] == one]
    ops: Any = run.run_config.get("ops") or {}
    enhances = any((step.get("config") or {}).get("super_resolution") for step in ops.values())
    flow = selection_of(asked, super_resolution=enhances).flow
    return run.tags.get(FLOW_TAG) or flow or ", ".join(asked)


def _summary(
    instance: dg.DagsterInstance, dataset: str, record: dg.RunRecord, counted: set[tuple[str, str, str]]
) -> RunSummary:
    run, tally, clips = record.dagster_run, Tally(), set()
    made: set[tuple[str, str]] = set()
    for key, partition, metadata in _said(instance, run.run_id):
        clips.add(clip_key(partition))
        if FAILURE in metadata:
            tally.failed += 1
        elif metadata.get(REUSED):
            tally.kept += (key, partition) not in made
            continue
        else:
            made.add((key, partition))
            tally.made[str(metadata.get(VERDICT, DONE))] += 1
        workflow = (key, partition, str(metadata.get(WORKFLOW)))
        if WORKFLOW not in metadata or workflow not in counted:
            counted.add(workflow)
            tally.add(_taken(metadata))
    started = record.start_time
    ended = record.end_time or datetime.now(UTC).timestamp()
    return RunSummary(
        dagster_run=run.run_id,
        run_id=run_id_of(run),
        dataset=dataset,
        flow=_flow_of(run),
        status=run.status.value.lower(),
        started=datetime.fromtimestamp(started, UTC) if started else None,
        seconds=ended - started if started else None,
        clips=len(clips),
        tally=tally,
    )


def _said(instance: dg.DagsterInstance, run_id: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Output, clip key and metadata of each output of a clip that the run materialized, said to have failed, or
    observed as a try that is not taken."""
    cursor: str | None = None
    while True:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=_SAID, limit=_EVENTS_PAGE)
        for record in page.records:
            event = record.asset_materialization or record.asset_observation
            if event is None or event.partition is None or event.asset_key.path[-1] not in OUTPUTS:
                continue
            metadata = {name: value.value for name, value in event.metadata.items() if name in _READ}
            if record.asset_materialization or {FAILURE, VERDICT} & metadata.keys():
                yield event.asset_key.path[-1], str(event.partition), metadata
        if not page.has_more:
            return
        cursor = page.cursor


_READ = {FAILURE, REUSED, VERDICT, WORKFLOW, GPU_SECONDS, COST, CURRENCY}


def _taken(metadata: Mapping[str, Any]) -> Tally:
    tally = Tally(gpu_seconds=metadata.get(GPU_SECONDS))
    if COST in metadata:
        tally.cost[str(metadata.get(CURRENCY))] = metadata[COST]
    return tally
