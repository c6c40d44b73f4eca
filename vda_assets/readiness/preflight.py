"""Everything that is checked before a dataset's clips go to the pool, with the time overview that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.datasets.clips import list_clips
from vda_assets.flows.selection import Selection
from vda_assets.osmo.client import OsmoClient
from vda_assets.readiness.checks import (
    caches_of,
    check_data_credential,
    check_dataset,
    check_endpoint,
    check_images,
    check_model_cache,
    check_service,
    check_task_credentials,
    endpoints_of,
)
from vda_assets.readiness.finding import Finding, Level
from vda_assets.readiness.nodes import check_nodes
from vda_assets.readiness.overview import Overview, time_overview
from vda_assets.readiness.writing import check_writing
from vda_assets.storage.access import Storage


@dataclass(frozen=True)
class Preflight:
    findings: tuple[Finding, ...]
    overview: Overview

    @property
    def ready(self) -> bool:
        return all(finding.level is not Level.BLOCKING for finding in self.findings)


@dataclass(frozen=True)
class Gate:
    """What a run needs to know before it submits: `gpu_platform` is None when the findings block."""

    findings: tuple[Finding, ...]
    gpu_platform: str | None


def check_gate(
    client: OsmoClient, storage: Storage, *, dataset: Dataset, deployment: Deployment, selection: Selection
) -> Gate:
    """The checks that do not depend on how large the dataset is. Raises OsmoError when the service does not answer."""
    service = check_service(client, deployment)
    platform = service.gpu_platform
    findings = [
        *service.findings,
        *(check_nodes(client, deployment, selection=selection, gpu_platform=platform) if platform else ()),
        *check_images(deployment, selection),
        check_writing(storage, dataset),
        check_data_credential(client, dataset.storage_url),
        *check_task_credentials(client, deployment),
        *(
            check_model_cache(storage, deployment, dataset.storage_url, name)
            for name in caches_of(deployment, selection)
        ),
    ]
    return Gate(tuple(findings), platform)


def check_everything(
    client: OsmoClient, storage: Storage, *, dataset: Dataset, deployment: Deployment, selection: Selection
) -> Preflight:
    """The gate's checks, the endpoints and the dataset itself, which is listed."""
    gate = check_gate(client, storage, dataset=dataset, deployment=deployment, selection=selection)
    listing = list_clips(storage, dataset.dataset_url)
    findings = (
        *gate.findings,
        *(check_endpoint(deployment, role) for role in endpoints_of(deployment, selection)),
        *check_dataset(dataset, listing),
    )
    overview = time_overview(
        selection,
        findings,
        clips=len(listing.clips),
        clips_at_once=deployment.osmo.max_in_flight,
        stand_in=deployment.is_stand_in,
    )
    return Preflight(findings, overview)
