"""assets_cfg/ -> Dagster definitions. Reads local files alone: no bucket, no service, no secret."""

from collections.abc import Mapping

import dagster as dg

from vda_assets.dagster_defs.assets.broken import broken_assets
from vda_assets.dagster_defs.assets.dataset import source_videos, vda_assets
from vda_assets.dagster_defs.assets.release import release_asset
from vda_assets.dagster_defs.assets.shared import shared_assets
from vda_assets.dagster_defs.clips_job import clips_job
from vda_assets.dagster_defs.io_managers import datasets_io_manager
from vda_assets.dagster_defs.jobs import flow_jobs
from vda_assets.dagster_defs.schedules import backfill_schedule
from vda_assets.dagster_defs.sensors.arrivals import arrival_sensor
from vda_assets.dagster_defs.sensors.sweep import sweep_sensor
from vda_assets.dagster_defs.sensors.uploads import upload_sensor
from vda_assets.project import Project
from vda_assets.runs.resources import (
    OsmoResource,
    deployment_resources,
    osmo_resource_key,
)


def build_definitions(project: Project) -> dg.Definitions:
    """Everything that the project's configuration asks for; of what is broken in it, an asset that says why."""
    resources = {name: deployment_resources(name, one) for name, one in project.deployments.items()}
    return dg.Definitions.merge(
        # A run is one step that waits for OSMO: a process of its own for it would cost 100 MB and seconds for nothing.
        dg.Definitions(
            executor=dg.in_process_executor,
            assets=broken_assets(project.broken),
            resources=datasets_io_manager(project.datasets.values(), resources),
        ),
        *(_deployment_definitions(project, name, resources[name]) for name in project.deployments),
        *(_dataset_definitions(project, name) for name in project.datasets),
    )


def _deployment_definitions(project: Project, name: str, resources: Mapping[str, object]) -> dg.Definitions:
    deployment = project.deployments[name]
    datasets = [dataset for dataset in project.datasets.values() if dataset.deployment == name]
    osmo = resources[osmo_resource_key(name)]
    assert isinstance(osmo, OsmoResource)
    return dg.Definitions(
        assets=shared_assets(name, deployment, datasets, project.cookbooks),
        sensors=[sweep_sensor(name, deployment, datasets, osmo)],
        resources=resources,
    )


def _dataset_definitions(project: Project, name: str) -> dg.Definitions:
    dataset = project.datasets[name]
    scope = project.scope_of(dataset)
    of_clips = clips_job(scope)
    return dg.Definitions(
        assets=[source_videos(scope), vda_assets(scope), release_asset(scope)],
        jobs=[*flow_jobs(dataset), of_clips],
        schedules=[*filter(None, [backfill_schedule(scope)])],
        sensors=[upload_sensor(dataset, scope.deployment.media_url), *filter(None, [arrival_sensor(scope, of_clips)])],
    )
