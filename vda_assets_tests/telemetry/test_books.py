"""What runs did is counted from Dagster's books, once, and from the start of the exporter on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest

from vda_assets.osmo.statuses import TaskStatus
from vda_assets.runs.names import FAILED_ALIKE, FAILURE, GPU_SECONDS, WORKFLOW
from vda_assets.telemetry import books as books_module
from vda_assets.telemetry.books import Books
from vda_assets.telemetry.metrics import Metrics
from vda_assets_tests.end_to_end.world import DATASET, make_world
from vda_assets_tests.osmo.in_memory_rows import Fate, Try
from vda_assets_tests.simulated_runs import SimulatedRuns, simulated_runs, varied
from vda_assets_tests.telemetry.page import values
from vda_assets_tests.telemetry.ticking import tick, ticking

CLIPS = 3
FAILS, REJECTED = "clip002", "clip001"
SLUG = DATASET


def fate(one: Try) -> Fate:
    if any(FAILS in word for word in one.task.args):
        return replace(varied(one), status=TaskStatus.FAILED, exit_code=3, log=("vda_worker: FAILED: no track",))
    return varied(one)


@dataclass
class Counted:
    """`told` is what was counted of two runs of the same clips, of which the second finds the most of them made."""

    runs: SimulatedRuns
    told: dict[str, dict[tuple[str, ...], float]]
    told_by_one_that_started_later: dict[str, dict[tuple[str, ...], float]]


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory, quick_results: Path) -> Iterator[Counted]:
    with simulated_runs(tmp_path_factory.mktemp("books"), quick_results, clips=CLIPS, script=fate, flow="e2e") as runs:
        runs.rejects = lambda name: name.startswith(REJECTED)
        metrics = Metrics()
        books = Books(runs.instance, {SLUG: DATASET}, metrics)
        books.read()()
        for _ in range(2):
            runs.ask_by_command(runs.keys)
            books.read()()
        books.read()()
        later = Metrics()
        Books(runs.instance, {SLUG: DATASET}, later).read()()
        yield Counted(runs, values(metrics.page()), values(later.page()))


def test_every_output_is_counted_by_its_verdict_once_however_many_runs_found_it_made(counted: Counted) -> None:
    told = {key: count for key, count in counted.told["vda_outputs_total"].items() if count}
    assert told[DATASET, "augmented_videos", "rejected"] == 1
    made = counted.runs.made()
    for output, keys in made.items():
        of_output = {verdict: count for (_, one, verdict), count in told.items() if one == output}
        assert sum(count for verdict, count in of_output.items() if verdict != "failed") == len(keys), output


def test_failures_are_counted_by_kind_and_the_second_alike_is_a_quarantine(counted: Counted) -> None:
    failures = counted.told["vda_failures_total"]
    assert failures[DATASET, "container", "original_labels"] == 2
    assert counted.told["vda_quarantined_total"][DATASET, "original_labels"] == 1
    assert counted.told["vda_quarantined_total"][DATASET, "augmented_labels"] == 0
    assert not any("clip" in part for labels in failures for part in labels)


def test_gpu_seconds_and_latencies_are_those_of_the_books(counted: Counted) -> None:
    spent = dict.fromkeys(counted.runs.outputs, 0.0)
    for output, key in counted.runs.outputs.items():
        instance = counted.runs.instance
        told = [
            *instance.fetch_materializations(key, limit=99).records,
            *instance.fetch_observations(key, limit=99).records,
        ]
        for record in told:
            event = record.asset_materialization or record.asset_observation
            said = {name: value.value for name, value in event.metadata.items()}
            spent[output] += 0 if said.get("reused") else said.get(GPU_SECONDS, 0.0)
    shown = {output: count for (_, output), count in counted.told["vda_gpu_seconds_total"].items()}
    assert shown == pytest.approx({output: seconds for output, seconds in spent.items() if output in shown})
    assert sum(shown.values()) > 0
    assert counted.told["vda_queue_seconds_count"][DATASET, "augmented_videos"] >= CLIPS - 1
    assert counted.told["vda_run_seconds_sum"][DATASET, "augmented_videos"] > 0


def test_runs_that_ended_are_counted_and_those_that_go_on_are_shown(counted: Counted) -> None:
    assert counted.told["vda_runs_total"][DATASET, "failure"] == 2
    assert "vda_runs_going" not in counted.told


def test_an_exporter_that_starts_later_counts_nothing_of_before(counted: Counted) -> None:
    for name, samples in counted.told_by_one_that_started_later.items():
        assert not any(samples.values()) or name.startswith("vda_daemon"), name


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with make_world(tmp_path).instance() as instance:
        yield instance


def begun(instance: dg.DagsterInstance) -> tuple[Books, Metrics]:
    metrics = Metrics()
    books = Books(instance, {SLUG: DATASET}, metrics)
    books.read()()
    return books, metrics


def made(name: str, **metadata: object) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(dg.AssetKey([SLUG, "augmented_videos"]), partition=name, metadata=metadata)


def test_more_events_than_one_look_takes_are_read_by_the_next(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books_module, "_MOST_EVENTS", 60)
    books, metrics = begun(instance)
    for number in range(70):
        instance.report_runless_asset_event(made(f"{number}", verdict="accepted"))
    key = (DATASET, "augmented_videos", "accepted")
    counts = []
    for _ in range(3):
        books.read()()
        counts.append(values(metrics.page())["vda_outputs_total"][key])
    assert (counts[0], counts[-1]) == (60, 70)


def test_a_workflow_that_several_runs_waited_for_is_paid_once(instance: dg.DagsterInstance) -> None:
    books, metrics = begun(instance)
    for _ in range(2):
        instance.report_runless_asset_event(made("a", **{WORKFLOW: "vda-1-2-3-1", GPU_SECONDS: 10.0}))
    instance.report_runless_asset_event(made("a", **{WORKFLOW: "vda-1-2-4-1", GPU_SECONDS: 5.0}))
    books.read()()
    assert values(metrics.page())["vda_gpu_seconds_total"][DATASET, "augmented_videos"] == 15


@pytest.mark.parametrize(
    "key", [["other_location", "augmented_videos"], [SLUG, "source_videos"], ["street", "x", "y"], ["lone"]]
)
def test_what_is_no_output_of_a_dataset_is_not_counted(instance: dg.DagsterInstance, key: list[str]) -> None:
    books, metrics = begun(instance)
    before = values(metrics.page())
    instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(key), partition="a", metadata={"x": 1}))
    observed = dg.AssetObservation(dg.AssetKey(key), partition="a", metadata={FAILURE: "x", FAILED_ALIKE: 2})
    instance.report_runless_asset_event(observed)
    books.read()()
    assert values(metrics.page()) == before


def test_an_event_of_somebody_else_that_makes_no_sense_spoils_nothing(instance: dg.DagsterInstance) -> None:
    books, metrics = begun(instance)
    instance.report_runless_asset_event(made("a", verdict="x" * 99, gpu_seconds="many", queue_seconds=-1.0))
    instance.report_runless_asset_event(made("b", verdict="accepted", gpu_seconds=1.5))
    books.read()()
    told = values(metrics.page())
    assert told["vda_outputs_total"][DATASET, "augmented_videos", "other"] == 1
    assert told["vda_outputs_total"][DATASET, "augmented_videos", "accepted"] == 1
    assert told["vda_gpu_seconds_total"][DATASET, "augmented_videos"] == 1.5
    assert "vda_queue_seconds_count" not in told


def test_ticks_are_counted_as_they_end_and_one_that_never_does_hides_no_other(instance: dg.DagsterInstance) -> None:
    sensor = ticking(instance, "street__uploads")
    now = int(time.time())
    tick(instance, sensor, now - 60, 2.0)
    books, metrics = begun(instance)
    now += 1
    tick(instance, sensor, now + 30)
    tick(instance, sensor, now + 60, 4.0)
    tick(instance, sensor, now + 90, 61.0, fails=True)
    books.read()()
    books.read()()
    told = values(metrics.page())
    assert told["vda_ticks_total"] == {("street__uploads", "skipped"): 1, ("street__uploads", "failure"): 1}
    assert told["vda_tick_seconds_sum"] == {("street__uploads",): 65}
    assert told["vda_tick_age_seconds"] == {("street__uploads",): 0}
