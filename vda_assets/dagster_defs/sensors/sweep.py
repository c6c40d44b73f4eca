"""Cancels on OSMO what a canceled run left there: its process may have died before it could do so itself."""

from collections.abc import Collection

import dagster as dg

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.config.names import slug_of
from vda_assets.dispatch.cancel import alive_workflows, cancel_workflows
from vda_assets.flows.stages import OUTPUTS
from vda_assets.osmo.client import OsmoClient
from vda_assets.runs.names import DATASET_TAG, asset_key, run_id_of
from vda_assets.runs.neighbours import needed_clips
from vda_assets.runs.private import run_group
from vda_assets.runs.resources import OsmoResource
from vda_assets.storage.layout import RunLayout

_INTERVAL_SECONDS = 30


def sweep_sensor(
    name: str, deployment: Deployment, datasets: Collection[Dataset], osmo: OsmoResource
) -> dg.SensorDefinition:
    """Starts running: it touches nothing but workflows of runs that were canceled."""

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.CANCELED,
        name=f"{slug_of(name)}__sweep",
        description=f"Cancels workflows on {deployment.osmo.url} that a canceled run left.",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        monitor_all_code_locations=False,
    )
    def sweep(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        run = context.dagster_run
        concerned = [dataset for dataset in datasets if belongs(run, dataset)]
        if not concerned:
            return dg.SkipReason(f"run {run.run_id} has nothing on {name}")
        with osmo.client() as client:
            left = [line for one in concerned for line in cancel_leftovers(client, context.instance, run, one)]
        return dg.SkipReason(f"canceled {', '.join(left)}" if left else f"run {run.run_id} left nothing")

    return sweep


def belongs(run: dg.DagsterRun, dataset: Dataset) -> bool:
    """Whether the run could have dispatched work of the dataset."""
    selected = run.asset_selection or set()
    made = {asset_key(dataset, output) for output in OUTPUTS}
    return run.tags.get(DATASET_TAG) == dataset.name or bool(selected & made)


def cancel_leftovers(
    client: OsmoClient, instance: dg.DagsterInstance, run: dg.DagsterRun, dataset: Dataset
) -> list[str]:
    """One line per workflow that was still alive, and whose cancel was asked for.

    None while a retry of the run goes on, which has adopted them; and none of clips that another living run works on.
    """
    if any(not one.is_finished for one in run_group(instance, run)):
        return []
    needed = needed_clips(instance, dataset)
    layout = RunLayout(dataset.storage_url, dataset.name, run_id_of(run))
    alive = alive_workflows(client, layout, except_clips=needed)
    lines: list[str] = []
    cancel_workflows(client, sorted(alive), message=f"its Dagster run {run.run_id} was canceled", log=lines.append)
    return lines
