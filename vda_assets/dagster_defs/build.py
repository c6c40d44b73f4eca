"""assets_cfg/ -> Dagster definitions. Reads local files alone: no bucket, no service, no secret."""

from collections.abc import Mapping

import dagster as dg

from vda_assets.dagster_defs.assets.broken import broken_assets
from vda_assets.dagster_defs.assets.dataset import source_videos, vda_assets
from vda_assets.dagster_defs.assets.release import release_assets
from vda_assets.dagster_defs.assets.report import report_assets
from vda_assets.dagster_defs.assets.shared import shared_assets
from vda_assets.dagster_defs.clips_job import clips_job
from vda_assets.dagster_defs.io_managers import datasets_io_manager
from vda_assets.dagster_defs.schedules import backfill_schedule
from vda_assets.dagster_defs.sensors.alerts import alert_sensor
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
            sensors=[*filter(None, [alert_sensor(project)])],
            resources=datasets_io_manager(project.datasets.values(), resources),
        ),
        *(_deployment_definitions(project, name, resources[name]) for name in project.deployments),
    )


def _deployment_definitions(project: Project, name: str, resources: Mapping[str, object]) -> dg.Definitions:
    """Those of its datasets too."""
    deployment = project.deployments[name]
    datasets = [dataset for dataset in project.datasets.values() if dataset.deployment == name]
    scopes = {dataset.name: project.scope_of(dataset) for dataset in datasets}
    of_clips = clips_job(name, deployment, scopes)
    osmo = resources[osmo_resource_key(name)]
    assert isinstance(osmo, OsmoResource)
    return dg.Definitions(
        assets=[
            *shared_assets(name, deployment, datasets, project.cookbooks),
            *map(source_videos, scopes.values()),
            *map(vda_assets, scopes.values()),
            *([report_assets(name, [*scopes.values()]), release_assets(name, [*scopes.values()])] if scopes else []),
        ],
        jobs=[of_clips],
        schedules=[*filter(None, (backfill_schedule(scope, of_clips) for scope in scopes.values()))],
        sensors=[
            sweep_sensor(name, deployment, datasets, osmo),
            *(upload_sensor(dataset, deployment.media_url) for dataset in datasets),
            *filter(None, (arrival_sensor(scope, of_clips) for scope in scopes.values())),
        ],
        resources=resources,
    )
