"""S3, what speaks like it, and Azure, through obstore: it lists in a fiftieth of the time that fsspec needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from fsspec import AbstractFileSystem
from obstore.exceptions import InvalidPathError
from obstore.store import AzureStore, ObjectStore, S3Store

from vda_assets.base.parallel import in_order
from vda_assets.storage.objects import StoredObject, TooLarge
from vda_assets.storage.undocumented import s3_head

_CHUNK_BYTES = 2 * 1024 * 1024
# Larger files go up in parts of this size, a few at a time: S3 takes 10,000 parts, memory is what limits it here.
_PART_BYTES = 16 * 1024 * 1024
_PARTS_AT_ONCE = 4
_PAGE = 1000
_ASKED_AT_ONCE = 16
# S3's etag of what came in one piece; in parts it has a dash, and Azure's is another number.
_MD5_DIGITS = 32


class ObjectStoreBucket:
    """`store` is for answers, `copying` for whole files, which may take longer.

    `filesystem` is fsspec's of the same bucket, for what obstore cannot do: create in parts, odd keys, MD5.
    """

    def __init__(
        self, store: ObjectStore, copying: ObjectStore, filesystem: Callable[[], AbstractFileSystem], bucket: str
    ) -> None:
        self._store, self._copying, self._filesystem, self._bucket = store, copying, filesystem, bucket
        self._is_azure = isinstance(store, AzureStore)

    def info(self, key: str, *, with_checksum: bool) -> StoredObject:
        name = key.rsplit("/", 1)[-1]
        if not with_checksum:
            found = _described(name, obstore.head(self._store, key))
            if self._is_azure and found.size_bytes == 0 and self._stands_for_folder(key):
                raise FileNotFoundError(key)
            return found
        if self._is_azure:
            info = self._filesystem().info(f"{self._bucket}/{key}")
            if info["type"] != "file":
                raise FileNotFoundError(key)
            return _described_by_fsspec(name, info)
        head = s3_head(self._filesystem(), self._bucket, key)
        found = _described_by_fsspec(name, {**head, "size": head["ContentLength"]})
        # An etag is the MD5 only of what is stored as it came; a key of one's own makes it another number.
        is_encrypted = "kms" in head.get("ServerSideEncryption", "") or "SSECustomerAlgorithm" in head
        return found._replace(md5="") if is_encrypted else found

    def walk(self, folder: str, *, after: str, with_checksums: bool) -> Iterator[StoredObject]:
        prefix = f"{folder}/" if folder else ""
        slowly = with_checksums and self._is_azure
        last = ""
        for page in self._pages_slowly(folder, after) if slowly else self._pages(folder, after):
            empty = [f"{prefix}{found.path}" for found in page if found.size_bytes == 0]
            answers = in_order(self._stands_for_folder, empty, threads=_ASKED_AT_ONCE)
            folders = {key for key, stands_for_folder in zip(empty, answers, strict=True) if stands_for_folder}
            for found in page:
                # A marker without its slash is out of order behind an object of the same name.
                if found.size_bytes or (f"{prefix}{found.path}" not in folders and found.path > last):
                    yield found
                    last = found.path

    def _pages(self, folder: str, after: str) -> Iterator[list[StoredObject]]:
        prefix = f"{folder}/" if folder else ""
        last = after
        offset = prefix + after if after else None
        try:
            for batch in obstore.list(self._store, folder or None, offset=offset):
                # Azure's emulator knows no offset, so what came before is skipped here as well.
                page = [_described(path, meta) for meta in batch if (path := meta["path"][len(prefix) :]) > after]
                if page:
                    yield page
                    last = page[-1].path
        except InvalidPathError:
            # obstore refuses a whole page for one key such as `a//b`.
            yield from self._pages_slowly(folder, last)

    def _pages_slowly(self, folder: str, after: str) -> Iterator[list[StoredObject]]:
        top = f"{self._bucket}/{folder}".rstrip("/")
        listed = sorted(self._filesystem().find(top, detail=True).items())
        found = ((name[len(top) + 1 :], info) for name, info in listed)
        behind = [(path, info) for path, info in found if path > after and not path.endswith("/")]
        for first in range(0, len(behind), _PAGE):
            yield [_described_by_fsspec(path, info) for path, info in behind[first : first + _PAGE]]

    def _stands_for_folder(self, key: str) -> bool:
        """Whether what obstore lists under the key, with zero bytes, is the marker of a folder instead of an object.

        obstore drops the slash at a marker's end, so that nothing lies at the key. Hadoop's marker on Azure has no
        slash, but metadata that tell.
        """
        try:
            attributes = obstore.get(self._store, key, options={"head": True}).attributes
        except FileNotFoundError:
            return True
        except InvalidPathError:
            return False
        return attributes.get("hdi_isfolder") == "true"

    def read(self, key: str, limit_bytes: int) -> bytes:
        result = obstore.get(self._store, key)
        if result.meta["size"] > limit_bytes:
            raise TooLarge(result.meta["size"])
        return bytes(result.bytes())

    def write(self, key: str, content: bytes) -> None:
        obstore.put(self._store, key, content, use_multipart=False)

    def delete(self, key: str) -> None:
        # obstore 0.12 would send S3's request for several objects, which not everything that speaks like S3 knows.
        self._filesystem().rm_file(f"{self._bucket}/{key}")

    def download(self, key: str, target: Path, *, hashed: bool) -> tuple[StoredObject, str]:
        result = obstore.get(self._copying, key)
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
        obstore.put(self._copying, key, source, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE)

    def create(self, source: Path, key: str) -> None:
        self._filesystem().put_file(str(source), f"{self._bucket}/{key}", mode="create")

    def signed(self, key: str, seconds: float) -> str | None:
        if self._is_azure:
            # obstore 0.12 signs a path that Azure's emulator refuses. Without the account's key nothing is signed.
            with suppress(ValueError):
                return str(self._filesystem().url(f"{self._bucket}/{key}", expires=int(seconds)))
            return None
        assert isinstance(self._store, S3Store)
        return obstore.sign(self._store, "GET", key, timedelta(seconds=seconds))

    def copy(self, source: str, target: str) -> None:
        obstore.copy(self._copying, source, target)


def _described(path: str, meta: Any) -> StoredObject:
    etag = (meta["e_tag"] or "").strip('"')
    md5 = etag if len(etag) == _MD5_DIGITS else ""
    return StoredObject(path, meta["size"], meta["last_modified"].timestamp(), etag, md5)


def _described_by_fsspec(path: str, info: dict[str, Any]) -> StoredObject:
    """The object as s3fs and adlfs describe it, each in its own words."""
    modified = info.get("LastModified") or info["last_modified"]
    etag = str(info.get("ETag") or info.get("etag") or "").strip('"')
    md5 = bytes((info.get("content_settings") or {}).get("content_md5") or b"").hex()
    if "content_settings" not in info and len(etag) == _MD5_DIGITS:
        md5 = etag
    return StoredObject(path, int(info["size"]), modified.timestamp(), etag, md5)
