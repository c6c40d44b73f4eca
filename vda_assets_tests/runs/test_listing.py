"""The newest runs, from Dagster's books alone: what each made and took, and all of them together."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import pytest
from rich.console import Console

from vda_assets.cli.runs import table
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Price
from vda_assets.dispatch.accounting import Usage
from vda_assets.flows.stages import OUTPUTS, Output, Rendered, Stage
from vda_assets.runs.listing import RunSummary, newest_runs, total_of
from vda_assets.runs.names import asset_key
from vda_assets.runs.recording.materializing import failure_observation, reused, usage_metadata
from vda_assets.runs.recording.tries import FailedTry

YARD = Dataset(url="s3://bucket/datasets/yard-1", deployment="local")
NAMES = {YARD.slug: YARD.name}
PRICE = Price(gpu_hour=2.0, currency="EUR")
HOUR = Usage(gpu_seconds=3600.0, queue_seconds=1.0, run_seconds=1800.0, tries=1)

Event = dg.AssetMaterialization | dg.AssetObservation


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def made(
    output: Output,
    clip: str,
    verdict: str | None = "accepted",
    *,
    workflow: str = "vda-1",
    usage: Usage = HOUR,
    price: Price | None = PRICE,
) -> dg.AssetMaterialization:
    metadata: dict[str, Any] = {"workflow": workflow, **usage_metadata(usage, price)}
    return dg.AssetMaterialization(
        asset_key(YARD, output), partition=clip, metadata={**metadata, **({"verdict": verdict} if verdict else {})}
    )


def failed(output: Output, clip: str, usage: Usage = HOUR) -> dg.AssetObservation:
    tried = FailedTry.first("", "exit 1", is_own=True)
    taken = usage_metadata(usage, PRICE)
    return failure_observation(asset_key(YARD, output), clip, reason="exit 1", failed=tried, taken=taken)


def execute(instance: dg.DagsterInstance, events: Sequence[Event] = (), tags: Mapping[str, str] | None = None) -> str:
    @dg.op
    def says(context: dg.OpExecutionContext) -> None:
        for event in events:
            context.log_event(event)

    @dg.job
    def job() -> None:
        says()

    tags = {"dataset": YARD.name, "vda/flow": "e2e"} if tags is None else dict(tags)
    return job.execute_in_process(instance=instance, tags=tags).run_id


def listed(instance: dg.DagsterInstance, *, limit: int = 20, only: str | None = None) -> list[RunSummary]:
    return newest_runs(instance, NAMES, only=only, limit=limit)


def test_a_run_says_what_it_made_what_failed_and_what_both_took(instance: dg.DagsterInstance) -> None:
    events = [
        made(Stage.ORIGINAL_LABELS, "a.mp4"),
        made(Stage.AUGMENTED_VIDEOS, "a.mp4", "rejected"),
        made(Rendered.COMPARISONS, "a.mp4", None, usage=Usage()),
        failed(Stage.ORIGINAL_LABELS, "b.mp4"),
    ]
    run = execute(instance, events)
    (one,) = listed(instance)
    assert (one.dagster_run, one.run_id) == (run, f"run-{run[:8]}")
    assert (one.dataset, one.flow, one.status, one.clips) == ("yard-1", "e2e", "success", 2)
    assert one.started is not None
    assert one.seconds is not None
    assert one.tally.made == {"accepted": 1, "rejected": 1, "done": 1}
    assert one.tally.failed == 1
    assert one.tally.gpu_seconds == 3 * 3600
    assert one.tally.cost == {"EUR": 6.0}


def test_what_was_finished_before_was_neither_made_nor_paid_again(instance: dg.DagsterInstance) -> None:
    first = made(Stage.ORIGINAL_LABELS, "a.mp4")
    execute(instance, [first])
    execute(instance, [reused(first)])
    newer, older = listed(instance)
    assert (newer.tally.made, newer.tally.kept, newer.tally.gpu_seconds) == ({}, 1, None)
    assert older.tally.gpu_seconds == 3600


def test_a_workflow_that_two_runs_waited_for_is_paid_once(instance: dg.DagsterInstance) -> None:
    for _ in range(2):
        execute(instance, [made(Stage.ORIGINAL_LABELS, "a.mp4")])
    execute(instance, [made(Stage.ORIGINAL_LABELS, "a.mp4", workflow="vda-2")])
    assert [one.tally.gpu_seconds for one in listed(instance)] == [3600, None, 3600]
    assert total_of(listed(instance)).cost == {"EUR": 4.0}


def test_what_no_output_says_is_not_known_instead_of_nothing(instance: dg.DagsterInstance) -> None:
    execute(instance, [made(Stage.ORIGINAL_LABELS, "a.mp4", usage=Usage(), price=None)])
    (one,) = listed(instance)
    assert (one.tally.gpu_seconds, one.tally.cost) == (None, {})
    assert total_of([]).gpu_seconds is None


def test_currencies_are_not_added_up(instance: dg.DagsterInstance) -> None:
    dollars = Price(gpu_hour=3.0, currency="USD")
    execute(instance, [made(Stage.ORIGINAL_LABELS, "a.mp4"), made(Stage.ORIGINAL_LABELS, "b.mp4", price=dollars)])
    assert total_of(listed(instance)).cost == {"EUR": 2.0, "USD": 3.0}


def test_only_runs_that_make_outputs_are_listed_and_the_newest_of_them(instance: dg.DagsterInstance) -> None:
    execute(instance, tags={})
    runs = [execute(instance) for _ in range(3)]
    execute(instance, tags={"dataset": "street"})
    execute(instance, [dg.AssetMaterialization(dg.AssetKey(["local", "preflight"]))], tags={})
    assert [one.dagster_run for one in listed(instance, only="yard-1", limit=2)] == runs[:0:-1]
    assert {one.dataset for one in listed(instance)} == {"yard-1", "street"}


@pytest.mark.parametrize(
    ("outputs", "enhances", "flow"),
    [
        (OUTPUTS, False, "e2e"),
        (OUTPUTS, True, "e2e_super_resolution"),
        ([Stage.ORIGINAL_LABELS], False, "auto_labeling"),
        ([Stage.AUGMENTED_VIDEOS], False, "augmented_videos"),
    ],
)
def test_a_run_of_the_ui_is_known_by_the_outputs_that_were_chosen(
    instance: dg.DagsterInstance, outputs: Sequence[Output], enhances: bool, flow: str
) -> None:
    @dg.multi_asset(
        specs=[dg.AssetSpec(asset_key(YARD, one), skippable=True) for one in OUTPUTS],
        can_subset=True,
        config_schema={"super_resolution": bool},
    )
    def step() -> Iterator[dg.MaterializeResult[None]]:
        yield from ()

    chosen = frozenset(asset_key(YARD, one) for one in outputs)
    job = dg.Definitions([step]).resolve_implicit_global_asset_job_def().get_subset(asset_selection=chosen)
    config = {"ops": {"step": {"config": {"super_resolution": enhances}}}}
    instance.create_run_for_job(job, asset_selection=chosen, run_config=config)
    (one,) = listed(instance)
    assert (one.dataset, one.flow) == ("yard-1", flow)


def test_the_table_fits_80_columns(instance: dg.DagsterInstance) -> None:
    verdicts = ("accepted", "rejected", "degraded", "unverified")
    tags = {"dataset": "warehouse-north-cam2", "vda/flow": "e2e_super_resolution"}
    clips = [f"{number}.mp4" for number in range(25)]
    events = [made(Stage.ORIGINAL_LABELS, key, verdict) for key in clips for verdict in verdicts]
    in_vain = [failed(Stage.ORIGINAL_LABELS, key, Usage(gpu_seconds=360_000)) for key in clips]
    execute(instance, [*events, *in_vain], tags)
    console = Console(width=80, record=True)
    console.print(table(listed(instance)))
    shown = console.export_text()
    for part in (
        "warehouse-north-cam2",
        "e2e_super_resolution",
        "25 unverified",
        "25 failed",
        "2525.00 h",
        "5050.00 EUR",
    ):
        assert part in shown
