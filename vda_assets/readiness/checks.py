"""One check each: pool, platform, pod template, credentials, dataset, caches, images."""

from __future__ import annotations

from vda_assets.base.counted import counted
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment, Role
from vda_assets.datasets.clips import CLIP_EXTENSIONS, Listing
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Stage
from vda_assets.osmo.client import OsmoClient
from vda_assets.paidf.versions import why_not
from vda_assets.readiness.credentials import HF_CREDENTIAL, NGC_CREDENTIAL
from vda_assets.readiness.finding import Finding, blocking, note, ready
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

# OSMO 6.4 falls back to ambient credentials for these alone.
_AMBIENT_SCHEMES = {"s3", "azure"}


def check_dataset(dataset: Dataset, listing: Listing) -> list[Finding]:
    """The dataset is not empty; what was left out of it is named."""
    if listing.clips:
        findings = [ready("dataset", f"{dataset.name}: {counted(len(listing.clips), 'clip')} at {dataset.dataset_url}")]
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
    """Every submission is refused while one is missing; OSMO tells their names, not the keys that they hold.

    Of those that are made from the user's secrets nothing is said here when they are missing.
    """
    wanted = deployment.task_credentials
    known = {credential.name for credential in client.credentials()} if wanted else set()
    findings = []
    if there := sorted(wanted.keys() & known):
        findings.append(ready("task credentials", f"OSMO has {', '.join(there)}"))
    made = set() if deployment.is_stand_in else {HF_CREDENTIAL, NGC_CREDENTIAL}
    for name in sorted(wanted.keys() - known - made):
        keys = " ".join(f"{key}=…" for key in sorted(set(wanted[name].values())))
        message = (
            f"give OSMO the credential {name}, or take it out of task_credentials: "
            f"osmo credential set {name} --type GENERIC --payload {keys}"
        )
        findings.append(blocking("task credentials", message))
    return findings


def check_images(deployment: Deployment, selection: Selection) -> list[Finding]:
    """Why what is selected cannot be made with the deployment's images, if so."""
    refused = why_not(deployment, labels_augmented=Stage.AUGMENTED_LABELS in selection)
    return [blocking("images", refused.reason)] if refused else []


def endpoints_of(deployment: Deployment, selection: Selection) -> list[Role]:
    """The endpoints that the selected stages ask; comparisons ask none."""
    if not selection.stages:
        return []
    generates = deployment.endpoints.video_transfer is not None and Stage.AUGMENTED_VIDEOS in selection
    return [Role.VLM, Role.LLM, *([Role.VIDEO_TRANSFER] if generates else [])]
