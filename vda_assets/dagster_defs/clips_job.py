"""The job `<dataset>__clips`: any clips of a dataset in one run, whether their partitions stand side by side or not.

A run of assets holds one range of partitions, so scattered clips would become runs of one clip each, one after the
other. This job has the clips in its config, and tells Dagster itself which partitions it is going to materialize.
"""

from typing import Any

import dagster as dg

from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.config.dataset import Dataset
from vda_assets.flows.selection import Selection, output_named, selection_of
from vda_assets.project import Scope
from vda_assets.runs.names import DATASET_TAG, asset_key, pool_name
from vda_assets.runs.own_runs import plan_materializations
from vda_assets.runs.resources import osmo_resource_key, storage_resource_key
from vda_assets.runs.step import produce


class ClipsConfig(dg.Config):
    """`clips` are keys as `vda videos` lists them, `outputs` the names of what is to be made of them."""

    clips: list[str]
    outputs: list[str]
    super_resolution: bool = False


def clips_job_name(dataset: Dataset) -> str:
    return f"{dataset.slug}__clips"


def clips_config(dataset: Dataset, selection: Selection, clips: list[str]) -> dict[str, Any]:
    """The run config of the job."""
    config = {
        "clips": clips,
        "outputs": [str(output) for output in selection.outputs],
        "super_resolution": selection.super_resolution,
    }
    return {"ops": {_op_name(dataset): {"config": config}}}


def clips_job(scope: Scope) -> dg.JobDefinition:
    dataset = scope.dataset

    @dg.op(
        name=_op_name(dataset),
        pool=pool_name(scope.dataset.deployment, scope.deployment),
        required_resource_keys={osmo_resource_key(dataset.deployment), storage_resource_key(dataset.deployment)},
        tags=scope.tags,
    )
    def clips(context: dg.OpExecutionContext, config: ClipsConfig) -> None:
        selection = selection_of(map(output_named, config.outputs), super_resolution=config.super_resolution)
        with interrupts_delayed():
            plan_materializations(context, [asset_key(dataset, one) for one in selection.outputs], config.clips)
        produce(context, scope, selection, config.clips)

    @dg.job(
        name=clips_job_name(dataset),
        description=f"Chosen outputs for chosen clips of {dataset.name}; what `vda run` executes.",
        tags={DATASET_TAG: dataset.name},
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        clips()

    return job


def _op_name(dataset: Dataset) -> str:
    return f"{dataset.slug}__make"
