"""`gs://` through gcsfs. Listings come page by page, so that memory stays bounded."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

from vda_assets.storage.credentials import Limits, StorageCredential, log_no_errors
from vda_assets.storage.objects import StoredObject, TooLarge
from vda_assets.storage.undocumented import gcsfs_within, google_page

ENDPOINT = "https://storage.googleapis.com"
_PAGE = 1000


class GoogleBucket:
    def __init__(self, filesystem: AbstractFileSystem, bucket: str) -> None:
        self._filesystem, self._bucket = filesystem, bucket

    def info(self, key: str, *, with_checksum: bool = False) -> StoredObject:  # noqa: ARG002
        info = self._filesystem.info(self._path(key))
        if info["type"] != "file":
            raise FileNotFoundError(key)
        return _described(key.rsplit("/", 1)[-1], info)

    def walk(self, folder: str, *, after: str, with_checksums: bool) -> Iterator[StoredObject]:  # noqa: ARG002
        prefix = f"{folder}/" if folder else ""
        options: dict[str, Any] = {"prefix": prefix, "maxResults": _PAGE}
        if after:
            options["startOffset"] = prefix + after
        while True:
            try:
                page = google_page(self._filesystem, self._bucket, options)
            except FileNotFoundError:
                raise FileNotFoundError(f"NoSuchBucket: {self._bucket}") from None
            for item in page.get("items", ()):
                path = item["name"][len(prefix) :]
                # A key that ends with a slash is what consoles call a folder.
                if path > after and not path.endswith("/"):
                    yield _described(path, item)
            if not page.get("nextPageToken"):
                return
            options["pageToken"] = page["nextPageToken"]

    def read(self, key: str, limit_bytes: int) -> bytes:
        size_bytes = self._filesystem.info(self._path(key))["size"]
        if size_bytes > limit_bytes:
            raise TooLarge(size_bytes)
        content: bytes = self._filesystem.cat_file(self._path(key))
        return content

    def write(self, key: str, content: bytes) -> None:
        self._filesystem.pipe_file(self._path(key), content)

    def delete(self, key: str) -> None:
        self._filesystem.rm_file(self._path(key))

    def download(self, key: str, target: Path, *, hashed: bool) -> tuple[None, str]:
        self._filesystem.get_file(self._path(key), str(target), concurrency=1)  # several ask for its size first
        if not hashed:
            return None, ""
        with target.open("rb") as file:
            return None, hashlib.file_digest(file, _md5).hexdigest()

    def upload(self, source: Path, key: str) -> None:
        self._filesystem.put_file(str(source), self._path(key))

    def create(self, source: Path, key: str) -> None:
        self._filesystem.put_file(str(source), self._path(key), mode="create")

    def signed(self, key: str, seconds: float) -> None:  # noqa: ARG002
        return None

    def copy(self, source: str, target: str) -> None:
        self._filesystem.cp_file(self._path(source), self._path(target))

    def _path(self, key: str) -> str:
        return f"{self._bucket}/{key}"


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _described(path: str, item: dict[str, Any]) -> StoredObject:
    checksum = base64.b64decode(item.get("md5Hash") or "").hex()
    modified = datetime.fromisoformat(item["updated"]) if isinstance(item.get("updated"), str) else item["mtime"]
    return StoredObject(path, int(item["size"]), modified.timestamp(), str(item.get("etag", "")).strip('"'), checksum)


def google_filesystem(credential: StorageCredential, limits: Limits) -> AbstractFileSystem:
    """gcsfs within the limits. Without a key it enters with the ambient identity, at an emulator with none."""
    # gcsfs 2026.10 reads this at its import, and would load what it has for a kind of bucket that we do not use.
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    import aiohttp

    log_no_errors("gcsfs")
    token: Any = credential.access_key
    if token and token.lstrip().startswith("{"):
        token = json.loads(token)
    elif token is None and credential.override_url:
        token = "anon"  # noqa: S105 - an emulator's
    return gcsfs_within(attempts=limits.attempts, answer_seconds=limits.answer_seconds)(
        token=token,
        endpoint_url=credential.override_url,
        requests_timeout=aiohttp.ClientTimeout(sock_connect=limits.connect_seconds, sock_read=limits.read_seconds),
        use_listings_cache=False,
        skip_instance_cache=True,
    )
