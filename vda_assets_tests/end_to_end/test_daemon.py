"""The Dagster daemon: clips that are put into their dataset become partitions, and what they miss is made at night.

Of some clips the containers fail: those alone count as failed, and those alone are asked for again.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import PartitionBackfill

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.project import load_project
from vda_assets.runs.own_runs import planned_partitions
from vda_assets_tests.end_to_end.world import (
    DATASET,
    WORKSPACE,
    World,
    make_world,
    process_of,
    running,
    serving,
    wait_for,
)
from vda_assets_tests.quick_results import (
    change_yaml,
    fail_in_quick_container,
    held_quick_container,
    use_quick_container,
)

GOOD = {"clip000.mp4", "clip002.mp4", "clip003.mp4", "clip006.mp4"}
# Scattered: alone, two side by side, and one whose file is no video, so that it never gets to a container.
FAILING = {"clip001.mp4", "clip004.mp4", "clip005.mp4"}
NO_VIDEO = "text.mp4"
BAD, EVERY = FAILING | {NO_VIDEO}, GOOD | FAILING | {NO_VIDEO}
SOURCE = dg.AssetKey(["street", "source_videos"])
PARTITIONS = "street_videos"
KEYS = {
    output: dg.AssetKey(["street", output])
    for output in ("original_labels", "augmented_videos", "augmented_labels", "comparisons")
}
NOT_ENDED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
BESIDE_OSMO = ("osmo-local", "exec", "--")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, quick_results: Path) -> Iterator[World]:
    """A world in which night falls every minute, and the containers of some clips fail."""
    world = make_world(tmp_path_factory.mktemp("world"))
    use_quick_container(world, quick_results, seconds=0.2)
    fail_in_quick_container(world, *(clip.removesuffix(".mp4") for clip in FAILING))
    dataset = world.folder / f"assets_cfg/datasets/{DATASET}.yaml"
    change_yaml(dataset, lambda one: one["when"].update(cron="* * * * *"))
    change_yaml(
        world.folder / "dagster/dagster.yaml", lambda one: one["run_monitoring"].update(poll_interval_seconds=5)
    )
    with serving(world):
        yield world


@pytest.fixture(scope="module")
def instance(world: World) -> Iterator[dg.DagsterInstance]:
    """The instance of a running daemon."""
    daemon = ("dagster-daemon", "run", "-w", WORKSPACE)
    with world.instance() as instance, running(world, *BESIDE_OSMO, *daemon, log="daemon.log"):
        wait_for(lambda: "SENSOR" in instance.get_daemon_heartbeats(), "the daemon")
        yield instance


@pytest.fixture(scope="module")
def clips(world: World, instance: dg.DagsterInstance, quick_results: Path) -> set[str]:
    """Clips that were copied into the dataset while the daemon was running, once they are partitions."""
    camera = world.folder / "camera"
    camera.mkdir()
    for name in GOOD | FAILING:
        shutil.copyfile(quick_results / "clip.mp4", camera / name)
    (camera / NO_VIDEO).write_text("this is no video\n" * 100)
    shutil.copytree(camera, world.clips, dirs_exist_ok=True)
    # A clip that was changed within three seconds is left for the sensor's next tick, 30 seconds later.
    wait_for(lambda: set(instance.get_dynamic_partitions(PARTITIONS)) == EVERY, "a partition of each clip", seconds=90)
    return EVERY


@pytest.fixture(scope="module")
def nightly(world: World, instance: dg.DagsterInstance, clips: set[str]) -> None:
    switched_on = world.vda(*BESIDE_OSMO, "dagster", "schedule", "start", "street__backfill", "-w", WORKSPACE)
    assert switched_on.returncode == 0, switched_on.stdout + switched_on.stderr


def ended_backfill(instance: dg.DagsterInstance, *, number: int):
    """The backfill of this number, in the order in which they were asked for, once it has ended."""

    def backfills():
        return sorted(instance.get_backfills(), key=lambda one: one.backfill_timestamp)

    def has_ended() -> bool:
        return len(backfills()) > number and backfills()[number].backfill_end_timestamp is not None

    wait_for(has_ended, f"the end of backfill {number}", seconds=240)
    return backfills()[number]


def runs_of(instance: dg.DagsterInstance, backfill) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill.backfill_id})))


def asked_for(instance: dg.DagsterInstance, backfill) -> dict[str, set[str]]:
    """The clips that the runs of a backfill were to make each output of."""
    asked: dict[str, set[str]] = {output: set() for output in KEYS}
    for run in runs_of(instance, backfill):
        planned = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
        for event in (entry.dagster_event for entry in planned):
            asked[event.asset_key.path[-1]].add(event.partition)
    return asked


def statuses(instance: dg.DagsterInstance, output: str) -> dict[str, set[str]]:
    """What the catalog shows: status -> clips."""
    keys = instance.get_dynamic_partitions(PARTITIONS)
    found = instance.get_status_by_partition(KEYS[output], keys, dg.DynamicPartitionsDefinition(name=PARTITIONS)) or {}
    shown: dict[str, set[str]] = {}
    for key in keys:
        status = found.get(key)
        shown.setdefault(status.value if status else "MISSING", set()).add(key)
    return shown


def test_clips_put_into_their_dataset_become_partitions_and_are_reported(
    world: World, instance: dg.DagsterInstance, clips: set[str]
) -> None:
    records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=SOURCE), limit=20).records
    reported = {record.partition_key: record.asset_materialization for record in records}
    assert set(reported) == clips
    for name, report in reported.items():
        assert name is not None
        assert report is not None
        assert report.metadata["dagster/uri"].value == (world.clips / name).as_uri()
        assert report.metadata["size_bytes"].value == (world.clips / name).stat().st_size


def test_a_nightly_backfill_ends_with_the_failed_clips_failed_and_all_others_made(
    world: World, instance: dg.DagsterInstance, nightly: None
) -> None:
    backfill = ended_backfill(instance, number=0)

    assert asked_for(instance, backfill) == dict.fromkeys(KEYS, EVERY)
    assert backfill.tags["dataset"] == DATASET
    assert backfill.status.value == "COMPLETED_FAILED"
    for output, key in KEYS.items():
        assert instance.get_materialized_partitions(key) == GOOD, output
        assert statuses(instance, output) == {"MATERIALIZED": GOOD, "FAILED": BAD}
    (run,) = runs_of(instance, backfill)
    assert f"run-{run.run_id[:8]}" in {folder.name for folder in world.runs()}


def test_the_failed_run_has_a_table_of_every_clip_and_cause(instance: dg.DagsterInstance, nightly: None) -> None:
    (run,) = runs_of(instance, ended_backfill(instance, number=0))
    assert run.status is dg.DagsterRunStatus.FAILURE
    (entry,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    failure = entry.dagster_event.step_failure_data.user_failure_data
    rows = [record.data for record in failure.metadata["failed"].records]
    assert {row["clip"] for row in rows} == BAD
    told = {row["clip"]: row["reason"] for row in rows if "original_labels" in row["outputs"]}
    assert all("told to fail" in told[clip] for clip in FAILING)
    assert "not a video" in told[NO_VIDEO]


def test_asked_again_only_the_failed_clips_are_asked_for_and_made_once_they_can_be(
    world: World, instance: dg.DagsterInstance, nightly: None
) -> None:
    ended_backfill(instance, number=0)
    fail_in_quick_container(world)
    shutil.copyfile(world.clips / "clip000.mp4", world.clips / NO_VIDEO)

    again = ended_backfill(instance, number=1)
    assert asked_for(instance, again) == dict.fromkeys(KEYS, BAD)
    wait_for(
        lambda: all(instance.get_materialized_partitions(key) == EVERY for key in KEYS.values()),
        "everything of every clip",
        seconds=240,
    )
    for output in KEYS:
        assert statuses(instance, output) == {"MATERIALIZED": EVERY}


def test_when_the_run_that_makes_the_clips_of_a_scattered_backfill_is_killed_the_next_one_does(
    world: World, instance: dg.DagsterInstance, nightly: None
) -> None:
    ended_backfill(instance, number=1)
    stopped = world.vda(*BESIDE_OSMO, "dagster", "schedule", "stop", "street__backfill", "-w", WORKSPACE)
    assert stopped.returncode == 0, stopped.stderr
    wait_for(lambda: not instance.get_runs(dg.RunsFilter(statuses=NOT_ENDED)), "the end of all runs", seconds=120)
    shutil.rmtree(world.outputs)
    before = world.workflows()
    scattered = instance.get_dynamic_partitions(PARTITIONS)[::2]

    with held_quick_container(world):
        backfill = ask_for(world, instance, scattered)
        leader = wait_for_leader(instance, backfill)
        own = planned_partitions(instance, leader.run_id, KEYS["comparisons"])
        wait_for(lambda: len(world.workflows()) == len(before) + len(scattered), "a workflow of each clip", seconds=60)
        os.kill(process_of(instance, leader), signal.SIGKILL)

    wait_for(lambda: instance.get_backfill(backfill).status.value == "COMPLETED_FAILED", "its end", seconds=180)
    new = {name: status for name, status in world.workflows().items() if name not in before}
    assert list(new.values()) == ["COMPLETED"] * len(scattered), "none is sent twice, none is canceled"
    left = statuses(instance, "comparisons")
    assert left == {"MATERIALIZED": EVERY - own, "FAILED": own}
    assert len({path.parents[1].name for path in world.outputs.glob("run-*/outputs/*/*")}) <= 2


def ask_for(world: World, instance: dg.DagsterInstance, keys: Sequence[str]) -> str:
    """What "Launch backfill" does in the UI; returns the backfill's id."""
    asked = PartitionBackfill.from_asset_partitions(
        backfill_id="scattered",
        asset_graph=build_definitions(load_project(world.environment)).resolve_asset_graph(),
        partition_names=keys,
        asset_selection=list(KEYS.values()),
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    instance.add_backfill(asked)
    return asked.backfill_id


def wait_for_leader(instance: dg.DagsterInstance, backfill: str) -> dg.DagsterRun:
    """The run that has said that it makes the clips of others."""
    found: list[dg.DagsterRun] = []

    def has_said_so() -> bool:
        runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill}))
        found[:] = [run for run in runs if any("made here too" in one.message for one in instance.all_logs(run.run_id))]
        return bool(found)

    wait_for(has_said_so, "a run that makes the clips of others", seconds=120)
    return found[0]
