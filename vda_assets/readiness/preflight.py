"""Everything that is checked before a dataset's clips go to the pool, with the time overview that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.datasets.clips import Clip, list_clips
from vda_assets.flows.place import Place
from vda_assets.flows.selection import Selection
from vda_assets.osmo.client import OsmoClient
from vda_assets.readiness.caches import cache_needs, check_model_caches
from vda_assets.readiness.checks import check_dataset
from vda_assets.readiness.credentials import Replace
from vda_assets.readiness.finding import Finding, Level
from vda_assets.readiness.gate import check_endpoints, check_gate
from vda_assets.readiness.ngc import check_team
from vda_assets.readiness.outlook import look_ahead, sample_of
from vda_assets.readiness.overview import Overview, time_overview
from vda_assets.readiness.pools import check_service
from vda_assets.readiness.rehearsal import check_workflow
from vda_assets.readiness.secrets import find_secrets
from vda_assets.storage.access import Storage


def foresee(
    client: OsmoClient,
    storage: Storage,
    *,
    dataset: Dataset,
    deployment: Deployment,
    cookbook: Cookbook,
    selection: Selection,
    environment: Mapping[str, str],
    clips: Sequence[Clip],
) -> Overview:
    """The time overview of these clips alone; nothing is changed, not even a credential made. Raises what
    `check_everything` does."""
    service = check_service(client, deployment)
    place = Place(service.pool, service.gpu_platform) if service.pool and service.gpu_platform else None
    needs = cache_needs(deployment, dataset.storage_url, selection=selection, cookbooks=[cookbook])
    findings = [
        *check_model_caches(storage, needs).findings,
        *check_endpoints(deployment, selection, environment=environment),
    ]
    outlook = look_ahead(
        client,
        storage,
        sample_of(clips),
        clips=len(clips),
        dataset=dataset,
        deployment=deployment,
        selection=selection,
        place=place,
    )
    return time_overview(selection, findings, outlook, stand_in=deployment.is_stand_in)


@dataclass(frozen=True)
class Preflight:
    findings: tuple[Finding, ...]
    overview: Overview

    @property
    def ready(self) -> bool:
        return all(finding.level is not Level.BLOCKING for finding in self.findings)


def check_everything(
    client: OsmoClient,
    storage: Storage,
    *,
    dataset: Dataset,
    deployment: Deployment,
    cookbook: Cookbook,
    selection: Selection,
    environment: Mapping[str, str],
    replacing: Replace,
    probe: bool,
) -> Preflight:
    """The gate's checks, the endpoints, the dataset itself, which is listed, and what OSMO says of one clip's workflow.

    Without `probe` neither the images' registries nor NGC are asked. Raises OsmoError when the service does not answer,
    StorageError when storage does not, ConfigError for a secret in the environment that cannot be one.
    """
    gate = check_gate(
        client,
        storage,
        dataset=dataset,
        deployment=deployment,
        cookbook=cookbook,
        selection=selection,
        environment=environment,
        replacing=replacing,
        probe=probe,
    )
    listing = list_clips(storage, dataset.dataset_url)
    workflow = check_workflow(
        client,
        storage,
        listing.clips,
        dataset=dataset,
        deployment=deployment,
        cookbook=cookbook,
        selection=selection,
        gate=gate,
    )
    findings = (
        *gate.findings,
        *(check_team(find_secrets(environment)) if probe and not deployment.is_stand_in else ()),
        *check_dataset(dataset, listing),
        *workflow,
    )
    outlook = look_ahead(
        client,
        storage,
        sample_of(listing.clips),
        clips=len(listing.clips),
        dataset=dataset,
        deployment=deployment,
        selection=selection,
        place=gate.place,
    )
    return Preflight(findings, time_overview(selection, findings, outlook, stand_in=deployment.is_stand_in))
