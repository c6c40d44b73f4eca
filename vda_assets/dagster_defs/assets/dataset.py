"""The assets of one dataset: its clips as they lie in the bucket, and the one step that makes everything of them."""

from collections.abc import Iterator

import dagster as dg

from vda_assets.config.dataset import Dataset
from vda_assets.flows.selection import selection_of, wanted_of
from vda_assets.flows.stages import OUTPUTS, Output, Rendered, Stage
from vda_assets.project import Scope
from vda_assets.runs.checks import check_specs
from vda_assets.runs.names import (
    IO_MANAGER,
    SOURCE_VIDEOS,
    URI,
    asset_key,
    pool_name,
    shared_key,
    step_name,
    videos_partitions,
)
from vda_assets.runs.own_runs import asked_for
from vda_assets.runs.resources import osmo_resource_key, storage_resource_key
from vda_assets.runs.shared import PREFLIGHT
from vda_assets.runs.step import CLIPS_PER_RUN, produce, tell_checks

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


# What follows from them needs what they need.
_NEED_PREFLIGHT = {Stage.ORIGINAL_LABELS, Stage.AUGMENTED_VIDEOS}


class VdaConfig(dg.Config):
    """`super_resolution` enhances the originals while they are labelled, and gates the augmentation on that."""

    super_resolution: bool = False


def source_videos(scope: Scope) -> dg.AssetSpec:
    """The clips themselves: not made here, the dataset's upload sensor says what lies there."""
    dataset = scope.dataset
    return dg.AssetSpec(
        asset_key(dataset, SOURCE_VIDEOS),
        description=dataset.description or f"The clips of {dataset.name}.",
        partitions_def=videos_partitions(dataset),
        group_name=dataset.slug,
        kinds={"video", dataset.storage_url.scheme},
        owners=dataset.owners,
        tags=scope.tags,
        metadata={URI: str(dataset.dataset_url)},
    ).with_io_manager_key(IO_MANAGER)


def vda_assets(scope: Scope) -> dg.AssetsDefinition:
    """The step `vda`: what is selected of its outputs decides the flow."""
    dataset = scope.dataset
    deployment_name = dataset.deployment
    specs = [
        dg.AssetSpec(
            asset_key(dataset, output),
            deps=_upstream(dataset, output),
            description=_DESCRIPTIONS[output],
            group_name=dataset.slug,
            kinds=_KINDS[output],
            owners=dataset.owners,
            tags=scope.tags,
            skippable=True,
        ).with_io_manager_key(IO_MANAGER)
        for output in OUTPUTS
    ]
    outputs = {asset_key(dataset, output): output for output in OUTPUTS}

    @dg.multi_asset(
        name=step_name(dataset),
        specs=specs,
        check_specs=check_specs(dataset),
        can_subset=True,
        partitions_def=videos_partitions(dataset),
        backfill_policy=dg.BackfillPolicy.multi_run(CLIPS_PER_RUN),
        pool=pool_name(deployment_name, scope.deployment),
        required_resource_keys={osmo_resource_key(deployment_name), storage_resource_key(deployment_name)},
        op_tags=scope.tags,
    )
    def vda(context: dg.AssetExecutionContext, config: VdaConfig) -> Iterator[dg.MaterializeResult[None]]:
        selected = {outputs[key] for key in context.selected_asset_keys}
        if not selected:  # the button of a check
            tell_checks(context, dataset, {outputs[one.asset_key] for one in context.selected_asset_check_keys})
            return
        wanted = wanted_of(dataset)
        enhances = config.super_resolution or (wanted is not None and wanted.super_resolution)
        selection = selection_of(selected, super_resolution=enhances)
        produce(context, scope, selection, asked_for(context, next(iter(context.selected_asset_keys))))
        # A body that returned None instead of being a generator would materialize every partition of its range.
        yield from ()

    return vda


def _upstream(dataset: Dataset, output: Output) -> list[dg.AssetKey]:
    shared = [shared_key(dataset.deployment, PREFLIGHT)] if output in _NEED_PREFLIGHT else []
    return [*(asset_key(dataset, upstream) for upstream in _UPSTREAM[output]), *shared]
