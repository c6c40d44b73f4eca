"""One check each: pool, platform, pod template, credentials, dataset, caches, endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import httpx

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import SYSTEM, Container, Deployment, Role
from vda_assets.datasets.clips import CLIP_EXTENSIONS, Listing
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Stage
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoError, OsmoForbidden
from vda_assets.osmo.models import Pool
from vda_assets.paidf.versions import ContainerVersion, version_of, why_not
from vda_assets.readiness.finding import Finding, blocking, note, ready
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import model_cache
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

MODEL_CACHES = ("cosmos_transfer", "auto_labeling")
# OSMO 6.4 falls back to ambient credentials for these alone.
_AMBIENT_SCHEMES = {"s3", "azure"}
_NO_LIST_OF_MODELS = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}


@dataclass(frozen=True)
class PoolReadiness:
    """`gpu_platform` is None when the findings block."""

    findings: tuple[Finding, ...]
    gpu_platform: str | None


def check_service(client: OsmoClient, deployment: Deployment) -> PoolReadiness:
    """Service, pool, platform and pod template. Raises OsmoError when the service cannot be asked at all."""
    findings = [ready("service", f"OSMO {client.version()} at {deployment.osmo.url}")]
    pools = client.pools()
    pool = pools.get(deployment.osmo.pool)
    if pool is None:
        known = ", ".join(sorted(pools.keys() - {SYSTEM})) or "none"
        message = f"osmo.pool {deployment.osmo.pool!r} does not exist; this login may use: {known}"
        return PoolReadiness((*findings, blocking("pool", message)), None)
    if not pool.online:
        message = f"pool {deployment.osmo.pool!r} is {pool.status}; wait for its backend, or choose another osmo.pool"
        findings.append(blocking("pool", message))
    else:
        findings.append(ready("pool", f"{deployment.osmo.pool} is ONLINE"))
    platform, finding = _platform(pool, deployment.osmo.gpu_platform)
    findings.append(finding)
    findings.append(_pod_templates(client))
    return PoolReadiness(tuple(findings), platform)


def _platform(pool: Pool, wanted: str | None) -> tuple[str | None, Finding]:
    platforms = sorted(pool.platforms.keys() - {SYSTEM})
    if wanted is None and len(platforms) == 1:
        return platforms[0], ready("platform", f"{platforms[0]}, the only one of its pool")
    if wanted in platforms:
        return wanted, ready("platform", f"{wanted}")
    if not platforms:
        return None, blocking("platform", "the pool has no platform with GPUs; choose another osmo.pool")
    reason = f"{wanted!r} is not in the pool" if wanted else "the pool has several"
    return None, blocking("platform", f"set osmo.gpu_platform ({reason}); choose from: {', '.join(platforms)}")


def _pod_templates(client: OsmoClient) -> Finding:
    """A service that tells its configuration to administrators alone is as good as one that tells it."""
    try:
        templates = client.pod_templates()
    except OsmoForbidden:
        message = (
            "not checked: this login's roles may not read the POD_TEMPLATE of OSMO (config:Read), administrators may"
        )
        return note("pod template", message)
    except OsmoError as error:
        return note("pod template", f"not checked: {error}")
    if "nvidia.com/gpu" in str(templates):
        return ready("pod template", "asks for nvidia.com/gpu")
    message = "no POD_TEMPLATE mentions nvidia.com/gpu; add the GPU toleration or node selector of your cluster to one"
    return blocking("pod template", message)


def check_dataset(dataset: Dataset, listing: Listing) -> list[Finding]:
    """The dataset is not empty; what was left out of it is named."""
    if listing.clips:
        findings = [ready("dataset", f"{dataset.name}: {len(listing.clips)} clips at {dataset.dataset_url}")]
    else:
        kinds = ", ".join(CLIP_EXTENSIONS)
        findings = [blocking("dataset", f"put clips ({kinds}) into {dataset.dataset_url}: it has none")]
    findings += [note("clip", f"{path} is left out: {reason}") for path, reason in listing.left_out.items()]
    return findings + [note("clip", line) for line in listing.skipped.lines]


def check_data_credential(client: OsmoClient, storage_url: StorageUrl) -> Finding:
    if storage_url.scheme == FILE_SCHEME:
        return ready("data credential", f"{storage_url} needs none")
    profiles = {credential.profile for credential in client.credentials() if credential.type == "DATA"}
    if storage_url.profile in profiles:
        return ready("data credential", f"OSMO has one for {storage_url.profile}")
    if storage_url.scheme in _AMBIENT_SCHEMES:
        message = f"OSMO has no DATA credential for {storage_url.profile}; its nodes' own identity must open it"
        return note("data credential", message)
    return blocking("data credential", f"give OSMO a DATA credential whose endpoint is {storage_url.profile}")


def check_task_credentials(client: OsmoClient, deployment: Deployment) -> list[Finding]:
    """Every submission is refused while one is missing; OSMO tells their names, not the keys that they hold."""
    wanted = deployment.task_credentials
    known = {credential.name for credential in client.credentials()} if wanted else set()
    findings = []
    if there := sorted(wanted.keys() & known):
        findings.append(ready("task credentials", f"OSMO has {', '.join(there)}"))
    for name in sorted(wanted.keys() - known):
        keys = " ".join(f"{key}=…" for key in sorted(set(wanted[name].values())))
        message = (
            f"give OSMO the credential {name}, or take it out of task_credentials: "
            f"osmo credential set {name} --type GENERIC --payload {keys}"
        )
        findings.append(blocking("task credentials", message))
    return findings


def check_model_cache(storage: Storage, deployment: Deployment, storage_url: StorageUrl, name: str) -> Finding:
    """`name` is a key of MODEL_CACHES. In the embedded default nothing reads the weights, so none are asked for."""
    url = model_cache(storage_url, name)
    if deployment.is_stand_in:
        return ready(f"model cache {name}", f"{url} stays empty: the CPU stand-ins load no weights")
    files = storage.find(url)
    if files:
        total = sum(int(info["size"]) for info in files.values())
        return ready(f"model cache {name}", f"{url}: {len(files)} files, {total / 1e9:.1f} GB")
    return blocking(f"model cache {name}", f"fill {url} with the weights of {name}: it is empty")


def check_endpoint(deployment: Deployment, role: Role) -> Finding:
    """`role` is one of `endpoints_of`. A cluster's own name cannot be asked from outside: that is a note, workers wait.

    A generator of videos need not list models: that it answers is enough.
    """
    endpoint = deployment.endpoints.of(role)
    if endpoint is None:
        return blocking(f"endpoint {role}", f"give the deployment endpoints.{role}: it is missing")
    is_generator = role is Role.VIDEO_TRANSFER
    try:
        answer = httpx.get(f"{endpoint.url}/models", timeout=5.0)
        if is_generator and answer.status_code in _NO_LIST_OF_MODELS:
            return ready(f"endpoint {role}", f"{endpoint.url} answers")
        models = [entry["id"] for entry in answer.raise_for_status().json()["data"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        then = "workers ask it without waiting" if is_generator else "workers wait for it"
        message = f"the {role} at {endpoint.url} does not answer here ({type(error).__name__}); {then}"
        return note(f"endpoint {role}", message)
    if not models:
        return blocking(f"endpoint {role}", f"the {role} at {endpoint.url} lists no model")
    stands_in = ", a stand-in that answers no prompt" if deployment.is_stand_in else ""
    return ready(f"endpoint {role}", f"{endpoint.url} serves {models[0]}{stands_in}")


def check_images(deployment: Deployment, selection: Selection) -> list[Finding]:
    """Why what is selected cannot be made with the deployment's images, if so."""
    refused = why_not(deployment, labels_augmented=Stage.AUGMENTED_LABELS in selection)
    return [blocking("images", refused.reason)] if refused else []


def endpoints_of(deployment: Deployment, selection: Selection) -> list[Role]:
    """The endpoints that the selected stages ask."""
    generates = deployment.endpoints.video_transfer is not None and Stage.AUGMENTED_VIDEOS in selection
    return [Role.VLM, Role.LLM, *([Role.VIDEO_TRANSFER] if generates else [])]


def caches_of(deployment: Deployment, selection: Selection) -> list[str]:
    """The model caches that the selected stages read; some images run no model."""
    used = {stage.row.container for stage in Stage if stage in selection}
    versions = [version_of(deployment.images, container) for container in Container if container in used]
    return [one.model_cache for one in versions if isinstance(one, ContainerVersion) and one.model_cache]
