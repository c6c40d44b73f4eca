"""The clips of a dataset: what lies in its folder, which of it can be used, and the key each clip goes by.

A clip's key is its path under the dataset's folder, made safe and reversible: every byte outside `A-Za-z0-9._-`
becomes `=XX`. Its `video` is the key without the extension: the name of its folders under a run's outputs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadClipName, BadStorageUrl
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

CLIP_EXTENSIONS = (".mp4", ".avi", ".mkv")
# Dagster 1.13 validates no dynamic partition key; these are the keys that survive its tags, ranges and pages.
_KEY_PATTERN = re.compile(r"^[A-Za-z0-9=][A-Za-z0-9._=-]{0,199}$")
# A copy into a local folder is not atomic: what changed this recently may still be growing.
SETTLE_SECONDS = 3.0


@dataclass(frozen=True)
class Clip:
    """One usable clip. `version` changes when the content does: the backend's etag, or size and mtime of a file."""

    key: str
    url: StorageUrl
    size_bytes: int
    version: str
    modified: float  # seconds since 1970

    @property
    def video(self) -> str:
        return video_of(self.key)

    @property
    def path(self) -> str:
        """The real object's path under the dataset's folder."""
        return path_of(self.key)

    @property
    def suffix(self) -> str:
        """The extension in lower case, with its dot."""
        return f".{self.key.rsplit('.', 1)[1].lower()}"


@dataclass(frozen=True)
class Listing:
    """`left_out` says for every other object that looks like a clip why it cannot be used, by its path."""

    clips: tuple[Clip, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)


def key_of(path: str) -> str:
    """The key of a clip's path under the dataset folder. Raises BadClipName for a path that no key can carry."""
    for component in path.split("/"):
        if not component or component in {".", ".."}:
            raise BadClipName(f"{path!r} has an empty, '.' or '..' component; rename the clip")
    key = quote_from_bytes(path.encode(), safe="").replace("~", "%7E").replace("%", "=")
    if key[0] in "._-":
        key = f"={ord(key[0]):02X}{key[1:]}"
    if not _KEY_PATTERN.match(key):
        raise BadClipName(
            f"{path!r} is too long: its key would have {len(key)} characters of at most 200; give the clip a "
            "shorter name (letters outside A-Z count three to nine times)"
        )
    return key


def path_of(key: str) -> str:
    """The path under the dataset folder that a key stands for; the reverse of `key_of`."""
    if not _KEY_PATTERN.match(key):
        raise BadClipName(f"{key!r} is no key of a clip; `vda videos --dataset NAME` lists them")
    try:
        return unquote_to_bytes(key.replace("=", "%")).decode()
    except UnicodeDecodeError:
        raise BadClipName(f"{key!r} is no key of a clip; `vda videos --dataset NAME` lists them") from None


def video_of(key: str) -> str:
    return key.rsplit(".", 1)[0]


def list_clips(storage: Storage, dataset_url: StorageUrl, *, settled: bool = False) -> Listing:
    """Lists a dataset's folder, nested ones too, sorted by key.

    With `settled`, files of a local folder that changed within `SETTLE_SECONDS` are left out for now.
    """
    grew_after = time.time() - SETTLE_SECONDS if settled and dataset_url.scheme == FILE_SCHEME else None
    clips: list[Clip] = []
    left_out: dict[str, str] = {}
    for path, info in sorted(storage.find(dataset_url).items()):
        if PurePosixPath(path).suffix.lower() not in CLIP_EXTENSIONS or PurePosixPath(path).name.startswith("."):
            continue
        if grew_after is not None and info["mtime"] > grew_after:
            left_out[path] = "it was changed just now and may still be growing"
            continue
        try:
            clips.append(_clip(path, info, dataset_url))
        except (BadClipName, BadStorageUrl) as error:
            left_out[path] = str(error)
    return _without_namesakes(clips, left_out)


def clip_at(storage: Storage, dataset_url: StorageUrl, key: str) -> Clip:
    """The clip of a key. Raises BadClipName for an unusable one, FileNotFoundError when nothing lies there."""
    path = path_of(key)
    url = dataset_url / path
    filesystem, location = storage.locate(url)
    try:
        info = filesystem.info(location)
    except FileNotFoundError:
        raise FileNotFoundError(f"{url} does not exist; upload it again, or leave it out") from None
    return _clip(path, info, dataset_url)


def _clip(path: str, info: dict[str, Any], dataset_url: StorageUrl) -> Clip:
    if PurePosixPath(path).suffix.lower() not in CLIP_EXTENSIONS:
        raise BadClipName(f"{path!r} is no clip: only {', '.join(CLIP_EXTENSIONS)} are taken")
    if info["size"] == 0:
        raise BadClipName(f"{path!r} has zero bytes; upload it again")
    url = dataset_url / path
    return Clip(
        key=key_of(path), url=url, size_bytes=int(info["size"]), version=_version(info), modified=_modified(info)
    )


def _version(info: dict[str, Any]) -> str:
    etag = info.get("ETag") or info.get("etag")
    return str(etag).strip('"') if etag else f"{info['size']}-{_modified(info):.6f}"


def _modified(info: dict[str, Any]) -> float:
    """s3fs, adlfs, gcsfs and the local filesystem each have their own name for it."""
    for name in ("mtime", "LastModified", "last_modified", "updated"):
        value = info.get(name)
        if value is None:
            continue
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        return value.timestamp() if isinstance(value, datetime) else float(value)
    return 0.0


def _without_namesakes(clips: Iterable[Clip], left_out: dict[str, str]) -> Listing:
    """Clips that differ only in their extension would write into the same folders; the first keeps its place."""
    kept: dict[str, Clip] = {}
    for clip in clips:
        first = kept.setdefault(clip.video, clip)
        if first is not clip:
            left_out[path_of(clip.key)] = f"its outputs would mix with those of {path_of(first.key)!r}; rename one"
    return Listing(tuple(sorted(kept.values(), key=lambda clip: clip.key)), left_out)
