"""What a model cache holds, compared with what is needed: by its manifest, which names every file with its size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from vda_assets.model_caches.contents import Source
from vda_assets.model_caches.fill import MANIFEST
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import ObjectUnusable
from vda_assets.storage.url import StorageUrl

_MANIFEST_BYTES = 8 << 20


class Manifest(BaseModel):
    """`sources` maps each whole source's id to its files: path below the cache -> size in bytes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sources: dict[str, dict[str, int]] = {}


@dataclass(frozen=True)
class CacheState:
    """`whole` and `lacking` are the needed sources whose files are all there as they should be, and the others.

    `files` is everything that lies in the cache: path -> size in bytes.
    """

    url: StorageUrl
    manifest: Manifest
    files: Mapping[str, int]
    whole: tuple[Source, ...]
    lacking: tuple[Source, ...]

    @property
    def size_bytes(self) -> int:
        return sum(self.files.values())


def look(storage: Storage, url: StorageUrl, sources: Sequence[Source]) -> CacheState:
    """Compares what lies at the URL with the sources. Raises StorageError when storage does not answer."""
    files = {found.path: found.size_bytes for found in storage.walk(url)}
    manifest = _read(storage, url / MANIFEST) if MANIFEST in files else Manifest()
    whole = tuple(source for source in sources if _is_whole(source, manifest, files))
    return CacheState(url, manifest, files, whole, tuple(source for source in sources if source not in whole))


def _is_whole(source: Source, manifest: Manifest, files: Mapping[str, int]) -> bool:
    listed = manifest.sources.get(source.id)
    return bool(listed) and all(files.get(path) == size for path, size in (listed or {}).items())


def _read(storage: Storage, url: StorageUrl) -> Manifest:
    """One that cannot be read is as none: the next build writes it anew."""
    try:
        return Manifest.model_validate_json(storage.read_bytes(url, limit_bytes=_MANIFEST_BYTES))
    except (ValidationError, FileNotFoundError, ObjectUnusable):
        return Manifest()
