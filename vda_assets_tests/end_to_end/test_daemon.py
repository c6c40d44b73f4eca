"""The Dagster daemon: clips that are put into their dataset become partitions, and their outputs follow at night."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import dagster as dg
import pytest

from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.world import DATASET, WORKSPACE, World, running, wait_for

CLIPS = {"bicycles.mp4", "street.mp4"}
SOURCE = dg.AssetKey(["vda_demo", "source_videos"])
OUTPUTS = ("original_labels", "augmented_videos", "augmented_labels", "comparisons")


@pytest.fixture(scope="module")
def instance(world: World) -> Iterator[dg.DagsterInstance]:
    """The instance of a running daemon. In its world, night falls every minute."""
    dataset = world.folder / "assets_cfg" / "datasets" / f"{DATASET}.yaml"
    dataset.write_text(dataset.read_text().replace("0 2 * * *", "* * * * *"))
    beside_osmo = ("osmo-local", "exec", "--")
    switched_on = world.vda(*beside_osmo, "dagster", "sensor", "start", "vda_demo__nightly", "-w", WORKSPACE)
    assert switched_on.returncode == 0, switched_on.stdout + switched_on.stderr
    daemon = ("dagster-daemon", "run", "-w", WORKSPACE)
    with world.instance() as instance, running(world, "vda_assets.cli", *beside_osmo, *daemon, log="daemon.log"):
        wait_for(lambda: "SENSOR" in instance.get_daemon_heartbeats(), "the daemon")
        yield instance


@pytest.fixture(scope="module")
def clips(world: World, instance: dg.DagsterInstance) -> set[str]:
    """Clips that were copied into the dataset while the daemon was running."""
    camera = world.folder / "camera"
    for number, name in enumerate(sorted(CLIPS)):
        cut(camera / name, start=60 * number, frames=24)
    shutil.copytree(camera, world.clips, dirs_exist_ok=True)
    return CLIPS


def test_clips_put_into_their_dataset_become_partitions_and_are_observed(
    world: World, instance: dg.DagsterInstance, clips: set[str]
) -> None:
    def observed() -> dict[str | None, dg.AssetObservation | None]:
        records = instance.fetch_observations(dg.AssetRecordsFilter(asset_key=SOURCE), limit=10).records
        return {record.partition_key: record.asset_observation for record in records}

    # A clip that was changed within three seconds is left for the sensor's next tick, 30 seconds later.
    # A tick writes its observations first and its partitions a moment later.
    wait_for(lambda: set(observed()) == clips, "an observation of each clip", seconds=90)
    wait_for(lambda: set(instance.get_dynamic_partitions("vda_demo_videos")) == clips, "a partition of each clip")

    for name, observation in observed().items():
        assert name is not None
        assert observation is not None
        assert observation.metadata["dagster/uri"].value == (world.clips / name).as_uri()
        assert observation.metadata["size_bytes"].value == (world.clips / name).stat().st_size


def test_what_clips_miss_is_made_at_night_by_one_backfill(
    world: World, instance: dg.DagsterInstance, clips: set[str]
) -> None:
    wait_for(
        lambda: any(backfill.backfill_end_timestamp for backfill in instance.get_backfills()),
        "the end of a backfill",
        seconds=180,
    )

    (backfill,) = instance.get_backfills()
    assert backfill.status.value == "COMPLETED_SUCCESS"
    assert backfill.tags["dataset"] == DATASET
    for output in OUTPUTS:
        assert instance.get_materialized_partitions(dg.AssetKey(["vda_demo", output])) == clips
    (run,) = instance.get_runs()
    assert run.tags["dagster/backfill"] == backfill.backfill_id
    assert [folder.name for folder in world.runs()] == [f"run-{run.run_id[:8]}"]
