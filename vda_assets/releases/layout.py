"""Where everything of a release lies, below `<storage_url>/releases/<dataset>/<version>/`, and what it is called."""

from __future__ import annotations

import hashlib
import re

from vda_assets.releases.errors import ReleaseError
from vda_assets.storage.url import StorageUrl

RELEASES_FOLDER = "releases"
# Beside the versions: the name of the one that was released last.
CURRENT_FILE = "CURRENT"
# Written first: which content the version is to have. The manifest is written last: where it lies, all of it is there.
CONTENT_FILE, CHECKSUMS_FILE, MANIFEST_FILE = "CONTENT", "SHA256SUMS", "manifest.json"
METADATA_JSONL, METADATA_PARQUET = "metadata.jsonl", "metadata.parquet"
CARD_FILE, CROISSANT_FILE = "README.md", "croissant.json"
SFT_FILE, SFT_DROPPED_FILE = "cosmos_sft.jsonl", "cosmos_sft_dropped.jsonl"
DAFT, TAO, COSMOS, COCO, MOT, YOLO, CVAT = (
    f"labels/{name}" for name in ("daft", "tao-vl-reason-v1.0", "cosmos-reason-v1.0", "coco", "mot", "yolo", "cvat")
)
VIDEOS = "videos"
# Of videos: the Hugging Face hub wants fewer than 10,000 files in one.
MOST_IN_FOLDER = 9_000
# Changes whenever the same clips would be written in another way: a version is named after what it holds.
FORMAT_VERSION = 2
_VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_KEY_DIGITS = 8


def dataset_releases(storage_url: StorageUrl, dataset: str) -> StorageUrl:
    return storage_url / RELEASES_FOLDER / dataset


def check_version(version: str) -> str:
    """Returns it; raises ReleaseError for what is no name of a folder, or is that of the pointer file."""
    if not _VERSION.fullmatch(version) or version.upper() == CURRENT_FILE:
        raise ReleaseError(
            f"version {version!r} must be 1 to 63 of A-Z a-z 0-9 . _ -, with a letter or digit at both ends, "
            f"and not {CURRENT_FILE}"
        )
    return version


def released_name(key: str, video: str, index: int | None) -> str:
    """What a video is called in all formats. Part of a hash of the clip's key tells apart what differs in case alone,
    and a clip whose own name ends like that of an augmented one."""
    return f"{video}-{_digest(key)[:_KEY_DIGITS]}-{'original' if index is None else f'aug{index}'}"


def released_folder(key: str) -> str:
    """Where the videos of a clip lie in a split that has more of them than a folder should have."""
    return f"{_digest(key)[:2]}/"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
