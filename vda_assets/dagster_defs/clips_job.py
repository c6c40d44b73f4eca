"""The job `<deployment>__clips`: any clips of a dataset in one run, whether their partitions stand side by side or not.

A run of assets holds one range of partitions, so scattered clips would become runs of one clip each, one after the
other. This job has dataset and clips in its config, and tells Dagster itself which partitions it is going to
materialize. There is one per deployment: one per dataset would be most of what loading many datasets costs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.config.names import slug_of
from vda_assets.flows.selection import Selection, output_named, selection_of
from vda_assets.project import Scope
from vda_assets.runs.names import DATASET_TAG, asset_key, pool_name
from vda_assets.runs.own_runs import plan_materializations
from vda_assets.runs.resources import osmo_resource_key, storage_resource_key
from vda_assets.runs.step import produce


class ClipsConfig(dg.Config):
    """`clips` are keys as `vda videos` lists them, `outputs` the names of what is to be made of them."""

    dataset: str
    clips: list[str]
    outputs: list[str]
    super_resolution: bool = False


def clips_job_name(deployment: str) -> str:
    return f"{slug_of(deployment)}__clips"


def clips_config(dataset: Dataset, selection: Selection, clips: Sequence[str]) -> dict[str, Any]:
    """The run config of the job of the dataset's deployment."""
    config = {
        "dataset": dataset.name,
        "clips": list(clips),
        "outputs": [str(output) for output in selection.outputs],
        "super_resolution": selection.super_resolution,
    }
    return {"ops": {_op_name(dataset.deployment): {"config": config}}}


def clips_job(name: str, deployment: Deployment, scopes: Mapping[str, Scope]) -> dg.JobDefinition:
    """`scopes` are those of the deployment's datasets, by name."""

    @dg.op(
        name=_op_name(name),
        pool=pool_name(name, deployment),
        required_resource_keys={osmo_resource_key(name), storage_resource_key(name)},
    )
    def clips(context: dg.OpExecutionContext, config: ClipsConfig) -> None:
        if config.dataset not in scopes:
            known = ", ".join(sorted(scopes)) or "none"
            raise dg.Failure(f"no dataset {config.dataset!r} on {name}; there are: {known}", allow_retries=False)
        scope = scopes[config.dataset]
        selection = selection_of(map(output_named, config.outputs), super_resolution=config.super_resolution)
        with interrupts_delayed():
            context.instance.add_run_tags(context.run.run_id, {DATASET_TAG: config.dataset})
            plan_materializations(context, [asset_key(scope.dataset, one) for one in selection.outputs], config.clips)
        produce(context, scope, selection, config.clips)

    @dg.job(
        name=clips_job_name(name),
        description=f"Chosen outputs for chosen clips of a dataset on {name}; what `vda run` executes.",
        tags={"deployment": name},
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        clips()

    return job


def _op_name(deployment: str) -> str:
    return f"{slug_of(deployment)}__make"
