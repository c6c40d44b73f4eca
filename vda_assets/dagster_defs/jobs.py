"""One job per flow of a dataset."""

from typing import Any

import dagster as dg

from vda_assets.config.dataset import Dataset
from vda_assets.flows.selection import FLOWS, Selection
from vda_assets.runs.names import DATASET_TAG, FLOW_TAG, asset_key, step_name


def job_name(dataset: Dataset, flow: str) -> str:
    return f"{dataset.slug}__{flow}"


def flow_jobs(dataset: Dataset) -> list[Any]:
    return [_flow_job(dataset, flow, selection) for flow, selection in FLOWS.items()]


def run_config(dataset: Dataset, selection: Selection) -> dict[str, Any]:
    """The run config of the dataset's step."""
    return {"ops": {step_name(dataset): {"config": {"super_resolution": selection.super_resolution}}}}


def _flow_job(dataset: Dataset, flow: str, selection: Selection) -> Any:
    return dg.define_asset_job(
        job_name(dataset, flow),
        selection=dg.AssetSelection.assets(*(asset_key(dataset, output) for output in selection.outputs)),
        description=f"The flow {flow} on clips of {dataset.name}.",
        config=run_config(dataset, selection),
        tags={DATASET_TAG: dataset.name, FLOW_TAG: flow},
    )
