"""What every run checks before it submits anything."""

from __future__ import annotations

from dataclasses import dataclass

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.flows.selection import Selection
from vda_assets.osmo.client import OsmoClient
from vda_assets.readiness.checks import (
    caches_of,
    check_data_credential,
    check_images,
    check_model_cache,
    check_service,
    check_task_credentials,
)
from vda_assets.readiness.finding import Finding
from vda_assets.readiness.nodes import check_nodes
from vda_assets.readiness.writing import check_writing
from vda_assets.storage.access import Storage


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
