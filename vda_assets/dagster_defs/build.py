"""A project's configuration -> Dagster definitions. Reads local files alone: no bucket, no service, no secret.

For a Dagster project of your own, beside its own definitions:

    from vda_assets.dagster_defs.build import build_definitions
    from vda_assets.project import load_project

    defs = dg.Definitions.merge(build_definitions(load_project()), dg.Definitions(assets=[my_asset]))
"""

import dagster as dg

from vda_assets.config.dataset import Dataset
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
from vda_assets.project import Project, Scope
from vda_assets.runs.resources import (
    OsmoResource,
    deployment_resources,
    osmo_resource_key,
)


def build_definitions(project: Project) -> dg.Definitions:
    """Everything that the project's configuration asks for; of what is broken in it, an asset that says why.

    Its names (assets, jobs, sensors, schedules, resources) hold those of its datasets and deployments, but for that of
    the IO manager `vda_io`; it holds no executor and no logger. So it merges with definitions of other kinds, once.
    """
    parts = ProjectParts(project)
    return dg.Definitions.merge(
        dg.Definitions(assets=broken_assets(project.broken), resources=parts.resources),
        parts.of_project(),
        *map(parts.of_deployment, project.deployments),
        *map(parts.of_dataset, project.datasets.values()),
    )


class ProjectParts:
    """The same in parts, for which files of their own may stand. A resource is one object in all of them."""

    def __init__(self, project: Project) -> None:
        self._project = project
        resources = {name: deployment_resources(name, one) for name, one in project.deployments.items()}
        self._osmo = {name: one[osmo_resource_key(name)] for name, one in resources.items()}
        self.resources: dict[str, object] = {**datasets_io_manager(project.datasets.values(), resources)}
        for own in resources.values():
            self.resources |= own

    def of_project(self) -> dg.Definitions:
        """What exists once for all of it."""
        return dg.Definitions(sensors=[*filter(None, [alert_sensor(self._project)])])

    def of_deployment(self, name: str) -> dg.Definitions:
        """What exists once for all datasets of a deployment."""
        deployment, scopes, osmo = self._project.deployments[name], self._scopes(name), self._osmo[name]
        datasets = [scope.dataset for scope in scopes]
        assert isinstance(osmo, OsmoResource)
        return dg.Definitions(
            assets=[
                *shared_assets(name, deployment, datasets, self._project.cookbooks),
                *([report_assets(name, scopes), release_assets(name, scopes)] if scopes else []),
            ],
            jobs=[clips_job(name, deployment, {scope.dataset.name: scope for scope in scopes})],
            sensors=[sweep_sensor(name, deployment, datasets, osmo)],
            resources=self.resources,
        )

    def of_dataset(self, dataset: Dataset) -> dg.Definitions:
        """What a dataset has for itself."""
        scope = self._project.scope_of(dataset)
        return dg.Definitions(
            assets=[source_videos(scope), vda_assets(scope)],
            schedules=[*filter(None, [backfill_schedule(scope)])],
            sensors=[
                upload_sensor(dataset, scope.deployment.media_url),
                *filter(None, [arrival_sensor(scope)]),
            ],
            resources=self.resources,
        )

    def _scopes(self, deployment: str) -> list[Scope]:
        datasets = self._project.datasets.values()
        return [self._project.scope_of(one) for one in datasets if one.deployment == deployment]
