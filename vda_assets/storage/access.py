"""storage_url -> (fsspec filesystem, path), and what everybody does with it, the same on every backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem

from vda_assets.storage.backends import open_backend, open_filesystem
from vda_assets.storage.credentials import DEFAULT_LIMITS, Limits, StorageCredential
from vda_assets.storage.errors import StorageError
from vda_assets.storage.faults import Fault, comes_from_storage, explain
from vda_assets.storage.objects import Backend, StoredObject
from vda_assets.storage.parallel import copies_small_file, in_parallel
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

# fsspec's own is up to 50 MB: for a look at a clip's header too much, for reading all of it more than it takes.
_READ_AHEAD_BYTES = 1024 * 1024


class Storage:
    """Every backend behind one door. Filesystems are kept one per profile, backends one per bucket.

    Raises StorageUnavailable when a backend refuses or does not answer, FileNotFoundError that names a missing object.
    """

    def __init__(self, credentials: Iterable[StorageCredential] = (), *, limits: Limits = DEFAULT_LIMITS) -> None:
        self._credentials = {credential.profile: credential for credential in credentials}
        self._limits = limits
        self._filesystems: dict[str, AbstractFileSystem] = {}
        self._backends: dict[tuple[str, str], Backend] = {}
        self._entered: set[tuple[str, str]] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (tuple(self._credentials.values()), self._limits)

    def locate(self, url: StorageUrl) -> tuple[AbstractFileSystem, str]:
        """The filesystem of the URL's backend, and the URL's path in that filesystem's own spelling."""
        if url.profile not in self._filesystems:
            self._filesystems[url.profile] = open_filesystem(url, self._credential(url), self._limits)
        if url.scheme == FILE_SCHEME:
            return self._filesystems[url.profile], f"/{url.key}"
        return self._filesystems[url.profile], f"{url.bucket}/{url.key}".rstrip("/")

    def info(self, url: StorageUrl, *, with_checksum: bool = False) -> StoredObject:
        """The object; its path is its name. `with_checksum`: with its MD5 even where that is asked for separately."""
        with self._explained(url):
            return self._backend(url).info(url.key, with_checksum=with_checksum)

    def exists(self, url: StorageUrl) -> bool:
        """True for an object, and for a folder that has any."""
        try:
            self.info(url)
        except FileNotFoundError:
            return next(self.walk(url), None) is not None
        return True

    def walk(self, url: StorageUrl, *, after: str = "", with_checksums: bool = False) -> Iterator[StoredObject]:
        """Every object below the URL whose path relative to it sorts behind `after`, in byte order, page by page.

        `with_checksums` asks for MD5s even where that makes the listing slower.
        """
        with self._explained(url):
            yield from self._backend(url).walk(url.key, after=after, with_checksums=with_checksums)

    def find(self, url: StorageUrl) -> dict[str, dict[str, Any]]:
        """Every object below the URL: path relative to it -> its size in bytes and mtime; empty when there is none."""
        return {found.path: {"size": found.size_bytes, "mtime": found.modified} for found in self.walk(url)}

    def read_bytes(self, url: StorageUrl) -> bytes:
        with self._explained(url):
            return self._backend(url).read(url.key)

    def write_bytes(self, url: StorageUrl, content: bytes) -> None:
        """Writes the object in one piece: a reader sees the old content or the new one, never a part."""
        with self._explained(url):
            self._backend(url).write(url.key, content)

    @contextmanager
    def reading(self, url: StorageUrl) -> Iterator[BinaryIO]:
        """The object as a file to seek in: a reader of a video takes only what it needs."""
        with self._explained(url):
            filesystem, path = self.locate(url)
            with filesystem.open(path, "rb", block_size=_READ_AHEAD_BYTES) as file:
                yield file

    def download(self, url: StorageUrl, target: Path, *, hashed: bool = False) -> tuple[StoredObject | None, str]:
        """Copies the object into the file; returns what was copied and, when `hashed`, the MD5 of what came.

        Google does not say along with the bytes which object they belong to: there the first of the two is None.
        """
        with self._explained(url):
            return self._backend(url).download(url.key, target, hashed=hashed)

    def upload(self, source: Path, url: StorageUrl) -> None:
        """Copies the file to the URL, whole or not at all."""
        with self._explained(url):
            self._backend(url).upload(source, url.key)

    def create(self, source: Path, url: StorageUrl) -> None:
        """Like `upload`, but raises FileExistsError when there is something, however late it came."""
        # adlfs would make a bucket that is missing, or try to without end.
        if url.scheme != FILE_SCHEME and (refusal := self._refusal(url)):
            raise refusal.error
        with self._explained(url):
            self._backend(url).create(source, url.key)

    def download_all(self, pairs: Iterable[tuple[StorageUrl, Path]]) -> None:
        """Copies several at once; folders are made."""
        made: set[Path] = set()

        def copy(pair: tuple[StorageUrl, Path]) -> None:
            url, target = pair
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            self.download(url, target)

        for _ in in_parallel(copy, pairs, is_quick=lambda pair: copies_small_file(pair[0], f"/{pair[0].key}")):
            pass

    def upload_all(self, pairs: Iterable[tuple[Path, StorageUrl]]) -> None:
        """Copies several at once."""

        for _ in in_parallel(
            lambda pair: self.upload(*pair), pairs, is_quick=lambda pair: copies_small_file(pair[1], str(pair[0]))
        ):
            pass

    def _credential(self, url: StorageUrl) -> StorageCredential:
        return self._credentials.get(url.profile) or StorageCredential(url.profile)

    def _backend(self, url: StorageUrl) -> Backend:
        place = (url.profile, url.bucket)
        if place not in self._backends:
            self._backends[place] = open_backend(
                url, self._credential(url), limits=self._limits, filesystem=lambda: self.locate(url)[0]
            )
        return self._backends[place]

    @contextmanager
    def _explained(self, url: StorageUrl) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except Exception as error:
            translated = self._translated(error, url)
            if translated is error:
                raise
            raise translated from error

    def _translated(self, error: Exception, url: StorageUrl) -> Exception:
        if url.scheme == FILE_SCHEME:
            if isinstance(error, FileNotFoundError) and str(error.filename or f"/{url.key}") == f"/{url.key}":
                return FileNotFoundError(f"{url} does not exist")
            if isinstance(error, FileExistsError) and str(error.filename2) == f"/{url.key}":
                return FileExistsError(f"{url} exists already")
            return error
        if not comes_from_storage(error):
            return error
        fault = explain(error, url, self._credential(url), self._limits)
        if not fault.is_specific:
            fault = self._refusal(url) or fault
        if isinstance(error, FileNotFoundError) and not fault.is_specific:
            return FileNotFoundError(f"{url} does not exist")
        if isinstance(error, FileExistsError):
            return FileExistsError(f"{url} exists already")
        return fault.error

    def _refusal(self, url: StorageUrl) -> Fault | None:
        """Why nobody enters the bucket: a listing is answered with the reason where a HEAD request is not."""
        place = (url.profile, url.bucket)
        if place in self._entered:
            return None
        folder = url.key.rpartition("/")[0]
        try:
            next(iter(self._backend(url).walk(folder, after="", with_checksums=False)), None)
        except Exception as error:  # noqa: BLE001 - it only says more about an error that is being raised
            return explain(error, url, self._credential(url), self._limits)
        self._entered.add(place)
        return None


def _restored(credentials: Iterable[StorageCredential], limits: Limits) -> Storage:
    return Storage(credentials, limits=limits)
