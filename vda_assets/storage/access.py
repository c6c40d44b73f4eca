"""storage_url -> (fsspec filesystem, path): the one place that knows how to enter each backend."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import fsspec
from fsspec import AbstractFileSystem

from vda_assets.storage.errors import StorageUnavailable
from vda_assets.storage.url import FILE_SCHEME, StorageUrl


@dataclass(frozen=True)
class DataCredential:
    """OSMO's DATA credential (6.4): what opens one profile. Without keys the ambient identity is used.

    For `azure://` the access_key is the whole connection string.
    """

    profile: str
    access_key_id: str | None = None
    access_key: str | None = field(default=None, repr=False)
    region: str | None = None
    override_url: str | None = None
    addressing_style: str | None = None


class Storage:
    """Every backend behind one call, `locate`. Filesystems are kept, one per profile."""

    def __init__(self, credentials: Iterable[DataCredential] = ()) -> None:
        self._credentials = {credential.profile: credential for credential in credentials}
        self._filesystems: dict[str, AbstractFileSystem] = {}

    def locate(self, url: StorageUrl) -> tuple[AbstractFileSystem, str]:
        """The filesystem of the URL's backend, and the URL's path in that filesystem's own spelling."""
        if url.profile not in self._filesystems:
            credential = self._credentials.get(url.profile, DataCredential(url.profile))
            self._filesystems[url.profile] = _filesystem(url, credential)
        if url.scheme == FILE_SCHEME:
            return self._filesystems[url.profile], f"/{url.key}"
        return self._filesystems[url.profile], f"{url.container}/{url.key}".rstrip("/")

    def read_bytes(self, url: StorageUrl) -> bytes:
        """The whole object. Raises FileNotFoundError that names the URL."""
        filesystem, path = self.locate(url)
        try:
            content: bytes = filesystem.cat_file(path)
        except FileNotFoundError:
            raise FileNotFoundError(f"{url} does not exist") from None
        return content

    def write_bytes(self, url: StorageUrl, content: bytes) -> None:
        """Writes the object in one piece: a reader sees the old content or the new one, never a part."""
        filesystem, path = self.locate(url)
        if url.scheme != FILE_SCHEME:
            filesystem.pipe_file(path, content)
            return
        filesystem.makedirs(filesystem._parent(path), exist_ok=True)
        temporary = f"{path}.{os.getpid()}.part"
        filesystem.pipe_file(temporary, content)
        os.replace(temporary, path)  # noqa: PTH105 - both are the filesystem's own strings

    def exists(self, url: StorageUrl) -> bool:
        filesystem, path = self.locate(url)
        return bool(filesystem.exists(path))

    def find(self, url: StorageUrl) -> dict[str, dict[str, Any]]:
        """Every object below the URL, key relative to it -> fsspec's info; empty when there is none."""
        filesystem, path = self.locate(url)
        filesystem.invalidate_cache(path)
        found = filesystem.find(path, detail=True)
        prefix = path.rstrip("/") + "/"
        return {name.removeprefix(prefix): info for name, info in found.items() if name.startswith(prefix)}


def _filesystem(url: StorageUrl, credential: DataCredential) -> AbstractFileSystem:
    match url.scheme:
        case "file":
            return fsspec.filesystem("file", skip_instance_cache=True)
        case "s3" | "swift" | "tos":
            endpoint = credential.override_url or (f"https://{url.parts[0]}" if url.scheme != "s3" else None)
            style = {"addressing_style": credential.addressing_style} if credential.addressing_style else {}
            return fsspec.filesystem(
                "s3",
                key=credential.access_key_id,
                secret=credential.access_key,
                endpoint_url=endpoint,
                client_kwargs={"region_name": credential.region} if credential.region else {},
                config_kwargs={"s3": style} if style else {},
                skip_instance_cache=True,
            )
        case "gs":
            # gcsfs 2026.10 reads this at its import: it would probe every bucket, and stalls on emulators.
            os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
            options = {"endpoint_url": credential.override_url} if credential.override_url else {}
            return fsspec.filesystem("gs", token=credential.access_key, skip_instance_cache=True, **options)
        case "azure":
            if credential.access_key:
                return fsspec.filesystem("abfs", connection_string=credential.access_key, skip_instance_cache=True)
            return fsspec.filesystem("abfs", account_name=url.parts[0], anon=False, skip_instance_cache=True)
    raise StorageUnavailable(f"{url}: no filesystem for {url.scheme}://")
