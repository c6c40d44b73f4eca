"""S3, what speaks like it, and Azure through obstore: a listing costs it a fiftieth of what fsspec needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import obstore
from fsspec import AbstractFileSystem
from obstore.exceptions import InvalidPathError
from obstore.store import AzureStore, ObjectStore

from vda_assets.storage.objects import StoredObject

_CHUNK_BYTES = 2 * 1024 * 1024
# Larger files go up in parts of this size, a few at a time: S3 takes 10,000 parts, memory is what limits it here.
_PART_BYTES = 16 * 1024 * 1024
_PARTS_AT_ONCE = 4
# S3's etag of what came in one piece; in parts it has a dash, and Azure's is another number.
_MD5_DIGITS = 32


class ObjectStoreBucket:
    """`filesystem` is fsspec's of the same bucket: for what obstore cannot do (create in parts, odd keys, MD5)."""

    def __init__(self, store: ObjectStore, filesystem: Callable[[], AbstractFileSystem], bucket: str) -> None:
        self._store, self._filesystem, self._bucket = store, filesystem, bucket
        self._is_azure = isinstance(store, AzureStore)

    def info(self, key: str, *, with_checksum: bool) -> StoredObject:
        name = key.rsplit("/", 1)[-1]
        if not with_checksum:
            return _described(name, obstore.head(self._store, key))
        if self._is_azure:
            return _described_by_fsspec(name, self._filesystem().info(f"{self._bucket}/{key}"))
        head = self._filesystem().call_s3("head_object", Bucket=self._bucket, Key=key)
        found = _described_by_fsspec(name, {**head, "size": head["ContentLength"]})
        # An etag is the MD5 only of what is stored as it came; a key of one's own makes it another number.
        is_encrypted = "kms" in head.get("ServerSideEncryption", "") or "SSECustomerAlgorithm" in head
        return found._replace(md5="") if is_encrypted else found

    def walk(self, folder: str, *, after: str, with_checksums: bool) -> Iterator[StoredObject]:
        if with_checksums and self._is_azure:
            yield from self._walk_slowly(folder, after)
            return
        prefix = f"{folder}/" if folder else ""
        last = after
        try:
            # Azure's emulator knows no offset, so what came before is skipped here as well.
            for batch in obstore.list(self._store, folder or None, offset=prefix + after if after else None):
                for meta in batch:
                    path = meta["path"][len(prefix) :]
                    if path > after:
                        yield _described(path, meta)
                        last = path
        except InvalidPathError:
            # obstore refuses a whole page for one key such as `a//b`.
            yield from self._walk_slowly(folder, last)

    def _walk_slowly(self, folder: str, after: str) -> Iterator[StoredObject]:
        top = f"{self._bucket}/{folder}".rstrip("/")
        found = self._filesystem().find(top, detail=True)
        for name, info in sorted(found.items()):
            path = name[len(top) + 1 :]
            if path > after and not path.endswith("/"):
                yield _described_by_fsspec(path, info)

    def read(self, key: str) -> bytes:
        return bytes(obstore.get(self._store, key).bytes())

    def write(self, key: str, content: bytes) -> None:
        obstore.put(self._store, key, content, use_multipart=False)

    def download(self, key: str, target: Path, *, hashed: bool) -> tuple[StoredObject, str]:
        result = obstore.get(self._store, key)
        found = _described(key.rpartition("/")[2], result.meta)
        is_small = found.size_bytes <= _CHUNK_BYTES
        digest = hashlib.md5(usedforsecurity=False) if hashed else None
        with target.open("wb") as file:
            # A stream takes turns with obstore's threads once more, to say that it has ended.
            for chunk in (result.bytes(),) if is_small else result.stream(min_chunk_size=_CHUNK_BYTES):
                if digest:
                    digest.update(chunk)
                file.write(chunk)
        return found, digest.hexdigest() if digest else ""

    def upload(self, source: Path, key: str) -> None:
        obstore.put(self._store, key, source, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE)

    def create(self, source: Path, key: str) -> None:
        self._filesystem().put_file(str(source), f"{self._bucket}/{key}", mode="create")


def _described(path: str, meta: Any) -> StoredObject:
    etag = (meta["e_tag"] or "").strip('"')
    md5 = etag if len(etag) == _MD5_DIGITS else ""
    return StoredObject(path, meta["size"], meta["last_modified"].timestamp(), etag, md5)


def _described_by_fsspec(path: str, info: dict[str, Any]) -> StoredObject:
    """s3fs and adlfs have their own names for the same."""
    modified = info.get("LastModified") or info["last_modified"]
    etag = str(info.get("ETag") or info.get("etag") or "").strip('"')
    md5 = bytes((info.get("content_settings") or {}).get("content_md5") or b"").hex()
    if "content_settings" not in info and len(etag) == _MD5_DIGITS:
        md5 = etag
    return StoredObject(path, int(info["size"]), modified.timestamp(), etag, md5)
