"""Everything that is checked before a dataset's clips go to the pool, with the time overview that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.datasets.clips import list_clips
from vda_assets.flows.selection import Selection
from vda_assets.osmo.client import OsmoClient
from vda_assets.readiness.checks import check_dataset
from vda_assets.readiness.credentials import Replace
from vda_assets.readiness.finding import Finding, Level
from vda_assets.readiness.gate import check_gate
from vda_assets.readiness.ngc import check_team
from vda_assets.readiness.overview import Overview, time_overview
from vda_assets.readiness.rehearsal import check_workflow
from vda_assets.readiness.secrets import find_secrets
from vda_assets.storage.access import Storage


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
    overview = time_overview(
        selection,
        findings,
        clips=len(listing.clips),
        clips_at_once=deployment.osmo.max_in_flight,
        stand_in=deployment.is_stand_in,
    )
    return Preflight(findings, overview)
