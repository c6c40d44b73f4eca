"""What everybody does with storage, the same on every backend: look, list, read, write and copy, by URL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from fsspec import AbstractFileSystem

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.base.patience import NO_PATIENCE, Patience, Waiter, say_nothing
from vda_assets.storage.backends import open_backend, open_filesystem
from vda_assets.storage.credentials import DEFAULT_LIMITS, Limits, StorageCredential
from vda_assets.storage.errors import BadStorageUrl, ObjectTooLarge, StorageError, TemporarilyUnavailable
from vda_assets.storage.faults import Fault, comes_from_storage, explain
from vda_assets.storage.objects import Backend, StoredObject, TooLarge
from vda_assets.storage.parallel import copies_small_file, in_parallel
from vda_assets.storage.patient_file import PatientFile
from vda_assets.storage.undocumented import is_panic
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

# fsspec's own is up to 50 MB: for a look at a clip's header too much, for reading all of it more than it takes.
_READ_AHEAD_BYTES = 1024 * 1024
# Whoever reads an object at once makes something of all of it in memory: no file of a run comes near that.
READ_LIMIT_BYTES = 64 * 1024 * 1024

ResultT = TypeVar("ResultT")


class Storage:
    """Every backend behind one door. Filesystems are kept one per profile, backends one per bucket.

    Raises StorageUnavailable when a backend refuses or does not answer, ObjectUnusable and FileNotFoundError that name
    the object. A backend that is only TemporarilyUnavailable is waited for, as long as `patience` has it, and `log`
    is told.
    """

    def __init__(
        self,
        credentials: Iterable[StorageCredential] = (),
        *,
        limits: Limits = DEFAULT_LIMITS,
        patience: Patience = NO_PATIENCE,
        clock: Clock = SYSTEM_CLOCK,
        log: Callable[[str], None] = say_nothing,
    ) -> None:
        self._credentials = {credential.profile: credential for credential in credentials}
        self._limits = limits
        self._waiter = Waiter(
            patience,
            whom="storage",
            worth_waiting=TemporarilyUnavailable,
            reason=lambda error: error.cause,
            clock=clock,
            log=log,
        )
        self._filesystems: dict[str, AbstractFileSystem] = {}
        self._backends: dict[tuple[str, str], Backend] = {}
        self._entered: set[tuple[str, str]] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process storage is opened anew. It is as patient there, and silent."""
        return _restored, (tuple(self._credentials.values()), self._limits, self._waiter.patience)

    def locate(self, url: StorageUrl) -> tuple[AbstractFileSystem, str]:
        """The filesystem of the URL's backend, and the URL's path in that filesystem's own spelling."""
        if url.profile not in self._filesystems:
            self._filesystems[url.profile] = open_filesystem(url, self._credential(url), self._limits)
        if url.scheme == FILE_SCHEME:
            return self._filesystems[url.profile], f"/{url.key}"
        return self._filesystems[url.profile], f"{url.bucket}/{url.key}".rstrip("/")

    def info(self, url: StorageUrl, *, with_checksum: bool = False) -> StoredObject:
        """The object; its path is its name. `with_checksum` asks for its MD5 even where that takes a second request."""
        return self._ask(url, lambda backend: backend.info(url.key, with_checksum=with_checksum))

    def exists(self, url: StorageUrl) -> bool:
        """True when an object lies at the URL, or any below it."""
        try:
            self.info(url)
        except FileNotFoundError:
            return next(self.walk(url), None) is not None
        return True

    def walk(self, url: StorageUrl, *, after: str = "", with_checksums: bool = False) -> Iterator[StoredObject]:
        """Every object below the URL whose path relative to it sorts behind `after`, in byte order, page by page.

        `with_checksums` asks for MD5s even where that makes the listing slower.
        """
        last = after

        def go_on(backend: Backend) -> tuple[StoredObject | None, Iterator[StoredObject]]:
            rest = backend.walk(url.key, after=last, with_checksums=with_checksums)
            return next(rest, None), rest

        found, rest = self._ask(url, go_on)
        while found is not None:
            try:
                with self._explained(url):
                    while found is not None:
                        yield found
                        last = found.path
                        found = next(rest, None)
            except TemporarilyUnavailable:
                found, rest = self._ask(url, go_on)

    def find(self, url: StorageUrl) -> dict[str, dict[str, Any]]:
        """The size in bytes and the time of change of every object below the URL, by its path relative to it."""
        return {found.path: {"size": found.size_bytes, "mtime": found.modified} for found in self.walk(url)}

    def read_bytes(self, url: StorageUrl, *, limit_bytes: int = READ_LIMIT_BYTES) -> bytes:
        """All of the object. Raises ObjectTooLarge when it has more than `limit_bytes`."""
        try:
            return self._ask(url, lambda backend: backend.read(url.key, limit_bytes))
        except TooLarge as error:
            cause = (
                f"it has {error.size_bytes:,} bytes, and at most {limit_bytes:,} are read of such an object: "
                "look what has written it, and replace or delete it"
            )
            raise ObjectTooLarge(str(url), cause) from None

    def write_bytes(self, url: StorageUrl, content: bytes) -> None:
        """Writes the object in one piece: a reader sees the old content or the new one, never a part."""
        self._ask(url, lambda backend: backend.write(url.key, content))

    def delete(self, url: StorageUrl) -> None:
        """Removes the object; nothing happens when it is gone."""
        with suppress(FileNotFoundError):
            self._ask(url, lambda backend: backend.delete(url.key))

    def signed(self, url: StorageUrl, *, seconds: float) -> str | None:
        """A link by which anyone may read the object for so long; None where this storage has no such links.

        It is a secret while it holds. Nothing is asked of the storage: the object need not be there.
        """
        return self._ask(url, lambda backend: backend.signed(url.key, seconds))

    @contextmanager
    def reading(self, url: StorageUrl) -> Iterator[BinaryIO]:
        """The object as a file to seek in: a reader of a video takes only what it needs."""

        def open_file(backend: Backend) -> BinaryIO:
            if url.scheme == FILE_SCHEME:
                backend.info(url.key, with_checksum=False)  # a pipe would be opened for ever
            filesystem, path = self.locate(url)
            return cast(BinaryIO, filesystem.open(path, "rb", block_size=_READ_AHEAD_BYTES))

        with self._explained(url), self._ask(url, open_file) as file:
            if url.scheme == FILE_SCHEME:
                yield file
            else:
                # A decoder may make an error of its own of what is raised while it reads.
                yield cast(BinaryIO, PatientFile(file, lambda read: self._ask(url, lambda _: read())))

    def download(self, url: StorageUrl, target: Path, *, hashed: bool = False) -> tuple[StoredObject | None, str]:
        """Copies the object into the file; returns which object was copied, and the MD5 of what came when `hashed`.

        The object is None where storage does not say it along with the bytes (gs): `info` tells which it is by now.
        Without `hashed` the MD5 is "".
        """
        return self._ask(url, lambda backend: backend.download(url.key, target, hashed=hashed))

    def upload(self, source: Path, url: StorageUrl) -> None:
        """Copies the file to the URL, whole or not at all."""
        self._ask(url, lambda backend: backend.upload(source, url.key))

    def create(self, source: Path, url: StorageUrl) -> None:
        """Like `upload`, but raises FileExistsError when something lies there already, however late that came.

        After waiting for storage that may be the file itself.
        """

        def create(backend: Backend) -> None:
            # adlfs would make a bucket that is missing, or try to without end.
            if url.scheme != FILE_SCHEME and (refusal := self._refusal(url)):
                raise refusal.error
            backend.create(source, url.key)

        self._ask(url, create)

    def copy(self, source: StorageUrl, target: StorageUrl) -> None:
        """Copies an object within its bucket, by the backend itself: whole or not at all; the target is replaced.

        Raises BadStorageUrl for a target in another bucket, which no backend copies to by itself.
        """
        if (source.profile, source.bucket) != (target.profile, target.bucket):
            raise BadStorageUrl(
                f"{target} is not in the bucket of {source}; only within one a backend copies by itself"
            )
        self._ask(source, lambda backend: backend.copy(source.key, target.key))

    def download_all(self, pairs: Iterable[tuple[StorageUrl, Path]]) -> None:
        """Copies several objects at once, and makes the folders that are missing. Raises the first error."""
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
        """Copies several files at once. Raises the first error."""

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

    def _ask(self, url: StorageUrl, call: Callable[[Backend], ResultT]) -> ResultT:
        """The call's result. Storage is waited for, and its errors are explained."""

        def ask() -> ResultT:
            with self._explained(url):
                return call(self._backend(url))

        return self._waiter.ask(ask)

    @contextmanager
    def _explained(self, url: StorageUrl) -> Iterator[None]:
        try:
            yield
        except (StorageError, TooLarge):
            raise
        except BaseException as error:
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            translated = self._translated(error, url)
            if translated is error:
                raise
            raise translated from error

    def _translated(self, error: BaseException, url: StorageUrl) -> BaseException:
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
        """Why the bucket cannot be entered, None when it can: a listing's answer says so, that of HEAD does not."""
        place = (url.profile, url.bucket)
        if place in self._entered:
            return None
        folder = url.key.rpartition("/")[0]
        try:
            next(iter(self._backend(url).walk(folder, after="", with_checksums=False)), None)
        except BaseException as error:  # it only says more about an error that is being raised
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            return explain(error, url, self._credential(url), self._limits)
        self._entered.add(place)
        return None


def _restored(credentials: Iterable[StorageCredential], limits: Limits, patience: Patience) -> Storage:
    return Storage(credentials, limits=limits, patience=patience)
