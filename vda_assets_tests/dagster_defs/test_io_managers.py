"""What Python-side assets return is kept in storage, a file per partition, and given to those that depend on them."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from vda_assets.config.dataset import Dataset
from vda_assets.dagster_defs.io_managers import datasets_io_manager
from vda_assets.runs.names import IO_MANAGER
from vda_assets.runs.private import RANGE_END_TAG, RANGE_START_TAG
from vda_assets.runs.resources import StorageResource, storage_resource_key

DAYS = dg.StaticPartitionsDefinition(["clip=201.mp4", "a/b,c", "third"])
STORAGE = {"local": {storage_resource_key("local"): StorageResource()}}
KEPT: dict[str, Any] = {"io_manager_key": IO_MANAGER, "metadata": {"dataset": "demo"}}


@pytest.fixture
def definitions(tmp_path: Path) -> dg.Definitions:
    dataset = Dataset(url=f"file://{tmp_path}/datasets/demo", deployment="local")

    @dg.asset(partitions_def=DAYS, **KEPT, backfill_policy=dg.BackfillPolicy.single_run())
    def counts(context: dg.AssetExecutionContext) -> dict[str, int]:
        return {key: len(key) for key in context.partition_keys}

    @dg.asset(partitions_def=DAYS, **KEPT, backfill_policy=dg.BackfillPolicy.single_run())
    def doubled(context: dg.AssetExecutionContext, counts) -> dict[str, int]:
        given = counts if len(context.partition_keys) > 1 else {context.partition_key: counts}
        return {key: 2 * count for key, count in given.items()}

    @dg.asset(partitions_def=DAYS, **KEPT, backfill_policy=dg.BackfillPolicy.single_run())
    def wrong() -> int:
        return 1

    @dg.asset(**KEPT)
    def total() -> list[int]:
        return [1, 2]

    @dg.asset(**KEPT)
    def summed(total) -> int:
        return sum(total)

    return dg.Definitions(
        assets=[counts, doubled, wrong, total, summed],
        resources=datasets_io_manager([dataset], STORAGE),
    )


def run(definitions: dg.Definitions, *names: str, first: str | None = None, last: str | None = None):
    job = definitions.resolve_implicit_global_asset_job_def()
    tags = {RANGE_START_TAG: first, RANGE_END_TAG: last} if first else None
    return job.execute_in_process(
        asset_selection=[dg.AssetKey(name) for name in names], tags=tags, raise_on_error=False
    )


def test_a_range_is_kept_per_partition_and_loaded_whole_or_one_by_one(
    definitions: dg.Definitions, tmp_path: Path
) -> None:
    assert run(definitions, "counts", "doubled", first="clip=201.mp4", last="third").success
    reports = tmp_path / "data/reports"
    kept = {path.name: json.loads(path.read_text()) for path in (reports / "doubled").iterdir()}
    assert kept == {"clip=201.mp4.json": 24, "a%2Fb%2Cc.json": 10, "third.json": 10}
    assert {path.name for path in (reports / "counts").iterdir()} == set(kept)

    (reports / "doubled/third.json").unlink()
    assert run(definitions, "doubled", first="third", last="third").success
    assert json.loads((reports / "doubled/third.json").read_text()) == 10


def test_a_range_without_its_keys_is_refused(definitions: dg.Definitions) -> None:
    failed = run(definitions, "wrong", first="clip=201.mp4", last="third")
    assert not failed.success
    (event,) = failed.get_step_failure_events()
    assert "wrong was made for 3 partitions: return a mapping" in str(event.event_specific_data)


def test_an_unpartitioned_result_is_kept_and_its_absence_named(definitions: dg.Definitions, tmp_path: Path) -> None:
    assert run(definitions, "total", "summed").success
    report = tmp_path / "data/reports/total/report.json"
    assert json.loads(report.read_text()) == [1, 2]
    report.unlink()
    failed = run(definitions, "summed")
    assert not failed.success
    (event,) = failed.get_step_failure_events()
    assert f"file://{report} does not exist" in str(event.event_specific_data)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({}, "the metadata of total does not name a dataset: give it the one whose storage keeps it"),
        ({"dataset": "dmeo"}, "the metadata of total names 'dmeo', which is no dataset"),
    ],
)
def test_a_result_that_is_no_datasets_is_refused_with_what_to_do(
    tmp_path: Path, metadata: dict[str, Any], said: str
) -> None:
    dataset = Dataset(url=f"file://{tmp_path}/datasets/demo", deployment="local")

    @dg.asset(io_manager_key=IO_MANAGER, metadata=metadata)
    def total() -> int:
        return 1

    failed = run(dg.Definitions(assets=[total], resources=datasets_io_manager([dataset], STORAGE)), "total")
    (event,) = failed.get_step_failure_events()
    assert said in event.step_failure_data.user_failure_data.description
