"""What Dagster does not promise to keep, as it is today.

A test that fails after an upgrade says what has changed and who relies on it; the remedy belongs into
`vda_assets/runs/private.py`, the one module that reaches for such things.
"""

import ast
import signal
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from vda_assets.runs import private

PACKAGE = Path(__file__).parents[2] / "vda_assets"
OURS = {PACKAGE / "runs/private.py", PACKAGE / "runs/own_runs.py"}
METHODS = {
    "add_event_listener",
    "event_log_storage",
    "get_run_group",
    "report_run_failed",
    "report_dagster_event",
    "run_storage",
}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@dg.multi_asset(
    specs=[dg.AssetSpec("made", skippable=True)],
    check_specs=[dg.AssetCheckSpec("fine", asset="made")],
    partitions_def=dg.StaticPartitionsDefinition(["a", "b", "c", "d"]),
    can_subset=True,
)
def logging(context: dg.AssetExecutionContext):
    """Materializes all partitions of its run but `b`, as the datasets' step does: by events that it logs."""
    for key in sorted({*context.partition_keys} - {"b"}):
        context.log_event(dg.AssetMaterialization("made", partition=key))
        check = dg.AssetCheckEvaluation(asset_key=dg.AssetKey("made"), check_name="fine", passed=True, partition=key)
        context.log_event(check)
    yield from ()


@dg.asset
def interrupted() -> None:
    signal.raise_signal(signal.SIGINT)


@dg.asset
def refused() -> None:
    raise dg.Failure("the bucket is full")


@dg.asset
def broken() -> None:
    raise ValueError("a surprise")


def job_of(*assets: dg.AssetsDefinition) -> dg.JobDefinition:
    return dg.Definitions(assets=assets).resolve_implicit_global_asset_job_def()


def test_this_is_the_dagster_that_everything_here_was_tried_with() -> None:
    assert dg.__version__.startswith("1.13."), (
        "a new minor version: read its changes on partition ranges, backfills, asset checks of partitions and event "
        "logs; run the tests of end_to_end/ with its daemon; then change the bound in pyproject.toml and this line"
    )


def test_nothing_private_of_dagster_is_reached_elsewhere() -> None:
    found = []
    for path in PACKAGE.rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text())) if path not in OURS else ()
        for node in nodes:
            imported = node.module if isinstance(node, ast.ImportFrom) else ""
            called = node.attr if isinstance(node, ast.Attribute) else ""
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if (imported or "").startswith("dagster._") or called in METHODS or text in vars(private).values():
                found.append(f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}")
    assert not found, "move it to private.py, with a test here"


def test_tags_have_the_names_that_dagster_gives_them() -> None:
    ours = (private.DATA_VERSION_TAG, private.RANGE_START_TAG, private.RANGE_END_TAG)
    dagsters = (DATA_VERSION_TAG, ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
    assert ours == dagsters, "what was recorded under the old names is not found any more: read both"


def test_a_listener_hears_what_a_range_logs_partition_by_partition(instance: dg.DagsterInstance) -> None:
    heard: list[dg.EventLogEntry] = []
    run_id = "0a1b2c3d-0000-0000-0000-000000000000"
    private.listen(instance, run_id, heard.append)
    tags = {private.RANGE_START_TAG: "a", private.RANGE_END_TAG: "c"}
    done = job_of(logging).execute_in_process(instance=instance, run_id=run_id, tags=tags)

    made = [one.partition for entry in heard if (one := private.materialization_in(entry))]
    assert made == ["a", "c"], "`vda run` prints and sums up what it hears"
    assert done.success, "a step whose outputs are all optional may log them and yield nothing"
    assert instance.get_materialized_partitions(dg.AssetKey("made")) == {"a", "c"}, (
        "a generator that yields nothing must not materialize its whole range"
    )


def test_a_step_that_was_interrupted_is_told_from_one_that_failed(instance: dg.DagsterInstance) -> None:
    outcomes = {}
    for asset in (interrupted, broken):
        done = job_of(asset).execute_in_process(instance=instance, raise_on_error=False)
        outcomes[asset.key.path[-1]] = {private.is_interrupt(event) for event in done.all_events if event.is_failure}
    assert outcomes == {"interrupted": {True}, "broken": {False}}, "`vda run` ends with 130 and no FAILED at Ctrl-C"


def test_what_a_step_failed_for_is_its_own_words_or_the_place_of_a_surprise(instance: dg.DagsterInstance) -> None:
    told = {}
    for asset in (refused, broken):
        done = job_of(asset).execute_in_process(instance=instance, raise_on_error=False)
        (event,) = done.get_step_failure_events()
        told[asset.key.path[-1]] = private.failure_in(event)
    assert told["refused"] == "the bucket is full"
    assert "ValueError: a surprise" in told["broken"]
    assert Path(__file__).name in told["broken"]


def test_a_run_and_its_retries_are_one_group(instance: dg.DagsterInstance) -> None:
    job = job_of(broken)
    first = instance.create_run_for_job(job)
    family = {"dagster/parent_run_id": first.run_id, "dagster/root_run_id": first.run_id}  # as its daemon tags a retry
    retry = instance.create_run_for_job(job, parent_run_id=first.run_id, root_run_id=first.run_id, tags=family)
    other = instance.create_run_for_job(job)
    groups = [{one.run_id for one in private.run_group(instance, run)} for run in (first, retry, other)]
    assert groups == [{first.run_id, retry.run_id}, {first.run_id, retry.run_id}, {other.run_id}], (
        "a canceled run's workflows would be canceled though a retry has adopted them"
    )


def test_a_run_whose_process_is_gone_can_be_ended(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(job_of(broken))
    private.end_as_failed(instance, run, "its process is gone")
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status is dg.DagsterRunStatus.FAILURE


def test_a_text_of_any_length_is_kept_and_kept_anew(instance: dg.DagsterInstance) -> None:
    for text in ("first", "x" * 1_000_000):
        private.keep_text(instance, "vda/run/1", text)
        assert private.kept_texts(instance, ["vda/run/1", "vda/run/2"]) == {"vda/run/1": text}, (
            "runs tell each other by it which clips they work on"
        )


def test_the_newest_reported_version_of_each_partition_is_known(instance: dg.DagsterInstance) -> None:
    for partition, version in (("a", "1"), ("b", "1"), ("a", "2"), ("c", "1")):
        tags = {private.DATA_VERSION_TAG: version}
        instance.report_runless_asset_event(dg.AssetMaterialization("seen", partition=partition, tags=tags))
    instance.report_runless_asset_event(dg.AssetMaterialization("seen", partition="b", tags=tags))
    instance.report_runless_asset_event(dg.AssetMaterialization("seen", partition="d"))
    versions = private.reported_versions(instance, dg.AssetKey("seen"), ["a", "b", "d", "e"])
    assert versions == {"a": "2", "b": "1"}, "the upload sensor would report every clip anew at every tick, or none"
