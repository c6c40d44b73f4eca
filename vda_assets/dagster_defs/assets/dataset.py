"""The assets of one dataset: its clips as they lie in the bucket, and the one step that makes everything of them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg

from vda_assets.config.dataset import Dataset
from vda_assets.config.errors import ConfigError
from vda_assets.dagster_defs.automation import nightly
from vda_assets.dagster_defs.interrupts import interrupts_delayed
from vda_assets.dagster_defs.names import (
    LOOK_CHECK,
    SOURCE_VIDEOS,
    VERDICT_CHECK,
    asset_key,
    io_manager_key,
    pool_name,
    run_id_of,
    step_name,
    videos_partitions,
)
from vda_assets.dagster_defs.neighbours import Neighbours
from vda_assets.dagster_defs.production import Production, Scope
from vda_assets.dagster_defs.resources import osmo_resource_key, storage_resource_key
from vda_assets.flows.selection import Selection, selection_of
from vda_assets.flows.stages import OUTPUTS, Output, Rendered, Stage
from vda_assets.osmo.errors import OsmoError
from vda_assets.readiness.finding import NotReady, require
from vda_assets.readiness.overview import time_overview
from vda_assets.readiness.preflight import check_gate
from vda_assets.storage.errors import StorageError
from vda_assets.storage.layout import RunLayout

# Planned events cost 8 to 35 ms per partition and asset before a run starts (Dagster 1.13).
CLIPS_PER_RUN = 200

_DESCRIPTIONS = {
    Stage.ORIGINAL_LABELS: "Tracks, events and answered questions of each clip (paidf-auto-labeling).",
    Stage.AUGMENTED_VIDEOS: "Each clip's motion under other weather, light and surfaces (paidf-augmentation).",
    Stage.AUGMENTED_LABELS: "Labels of the augmented clips (paidf-auto-labeling).",
    Rendered.COMPARISONS: "Each clip and its augmented one side by side, at 720 lines.",
}
_UPSTREAM: dict[Output, tuple[str, ...]] = {
    Stage.ORIGINAL_LABELS: (SOURCE_VIDEOS,),
    Stage.AUGMENTED_VIDEOS: (SOURCE_VIDEOS,),
    Stage.AUGMENTED_LABELS: (Stage.AUGMENTED_VIDEOS,),
    Rendered.COMPARISONS: (SOURCE_VIDEOS, Stage.AUGMENTED_VIDEOS),
}
_KINDS = {
    Stage.ORIGINAL_LABELS: {"osmo", "labels"},
    Stage.AUGMENTED_VIDEOS: {"osmo", "video"},
    Stage.AUGMENTED_LABELS: {"osmo", "labels"},
    Rendered.COMPARISONS: {"video"},
}


class VdaConfig(dg.Config):
    """`super_resolution` enhances the originals while they are labelled, and gates the augmentation on that."""

    super_resolution: bool = False


def source_videos(scope: Scope) -> dg.AssetSpec:
    """The clips themselves: not made here, observed by the dataset's upload sensor."""
    dataset = scope.dataset
    return dg.AssetSpec(
        asset_key(dataset, SOURCE_VIDEOS),
        description=dataset.description or f"The clips of {dataset.name}.",
        partitions_def=videos_partitions(dataset),
        group_name=dataset.slug,
        kinds={"video", dataset.storage_url.scheme},
        owners=dataset.owners,
        tags=scope.tags,
        metadata={"dagster/uri": str(dataset.dataset_url)},
    ).with_io_manager_key(io_manager_key(dataset))


def vda_assets(scope: Scope) -> dg.AssetsDefinition:
    """The step `vda`: what is selected of its outputs decides the flow."""
    dataset = scope.dataset
    deployment_name = dataset.deployment
    specs = [
        dg.AssetSpec(
            asset_key(dataset, output),
            deps=[asset_key(dataset, upstream) for upstream in _UPSTREAM[output]],
            description=_DESCRIPTIONS[output],
            group_name=dataset.slug,
            kinds=_KINDS[output],
            owners=dataset.owners,
            tags=scope.tags,
            skippable=True,
            automation_condition=nightly(dataset.nightly),
        ).with_io_manager_key(io_manager_key(dataset))
        for output in OUTPUTS
    ]
    outputs = {asset_key(dataset, output): output for output in OUTPUTS}

    @dg.multi_asset(
        name=step_name(dataset),
        specs=specs,
        check_specs=_check_specs(dataset),
        can_subset=True,
        partitions_def=videos_partitions(dataset),
        backfill_policy=dg.BackfillPolicy.multi_run(CLIPS_PER_RUN),
        pool=pool_name(deployment_name, scope.deployment),
        required_resource_keys={osmo_resource_key(deployment_name), storage_resource_key(deployment_name)},
        op_tags=scope.tags,
    )
    def vda(context: dg.AssetExecutionContext, config: VdaConfig) -> Iterator[dg.MaterializeResult[None]]:
        selected = {outputs[key] for key in context.selected_asset_keys}
        selection = selection_of(selected, super_resolution=config.super_resolution)
        produce(context, scope, selection, context.partition_keys)
        # A body that returned None instead of being a generator would materialize every partition of its range.
        yield from ()

    return vda


def _check_specs(dataset: Dataset) -> list[dg.AssetCheckSpec]:
    verdicts = [
        dg.AssetCheckSpec(
            VERDICT_CHECK,
            asset=asset_key(dataset, stage),
            description="Whether the clip's output passes the dataset's policy on verdicts.",
        )
        for stage in Stage
    ]
    look = dg.AssetCheckSpec(
        LOOK_CHECK,
        asset=asset_key(dataset, Stage.AUGMENTED_LABELS),
        description="Whether the labels of the augmented clip answer what was drawn for it.",
    )
    return [*verdicts, look]


def produce(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, scope: Scope, selection: Selection, keys: Sequence[str]
) -> None:
    """The body of a step, for the clips whose keys are given.

    Raises Failure naming every clip and output that failed, after all others are materialized.
    """
    resources = context.resources.original_resource_dict
    storage = resources[storage_resource_key(scope.dataset.deployment)].storage()
    layout = RunLayout(scope.dataset.storage_url, scope.dataset.name, run_id_of(context.run))
    log_event: Callable[[Any], None] = context.log_event  # in an op it takes evaluations as well (Dagster 1.13)
    production = Production(
        scope,
        selection=selection,
        layout=layout,
        storage=storage,
        instance=context.instance,
        log_event=interrupts_delayed()(log_event),
        log=interrupts_delayed()(context.log.info),
        company=Neighbours(context.instance, context.run_id, dataset=scope.dataset, selection=selection, keys=keys),
    )
    context.log.info(f"{layout.run_id}: {selection.flow or 'selected stages'} for {len(keys)} clips")
    try:
        with resources[osmo_resource_key(scope.dataset.deployment)].client() as client:
            gate = check_gate(client, storage, dataset=scope.dataset, deployment=scope.deployment, selection=selection)
            require(gate.findings)
            overview = time_overview(
                selection,
                gate.findings,
                clips=len(keys),
                clips_at_once=scope.deployment.osmo.max_in_flight,
                stand_in=scope.deployment.is_stand_in,
            )
            context.log.info("\n".join(overview.lines()))
            assert gate.gpu_platform is not None
            production.run(keys, client=client, gpu_platform=gate.gpu_platform)
    except (NotReady, ConfigError) as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    except StorageError as error:
        raise dg.Failure(str(error)) from error
    except OsmoError as error:
        raise dg.Failure(f"OSMO at {scope.deployment.osmo.url}: {error}") from error
    if reasons := production.failures.reasons:
        raise _failure(reasons, of=len(keys) * len(selection.outputs))


def _failure(failures: dict[tuple[str, Output], str], *, of: int) -> dg.Failure:
    rows = [f"| {key} | {output} | {_cell(reason)} |" for (key, output), reason in sorted(failures.items())]
    table = "\n".join(["| clip | output | reason |", "|---|---|---|", *rows])
    first = "; ".join(
        f"{key} {output}: {reason.splitlines()[0]}" for (key, output), reason in list(failures.items())[:5]
    )
    return dg.Failure(
        f"{len(failures)} of {of} outputs failed: {first}{' …' if len(failures) > 5 else ''}",
        metadata={"failed": dg.MetadataValue.md(table), "failures": dg.MetadataValue.int(len(failures))},
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
