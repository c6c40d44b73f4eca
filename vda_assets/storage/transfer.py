"""Copies between storage and this machine that can be trusted.

A file has its final name only once it is whole and verified, so killing a copy at any moment loses nothing but time:
the next one skips what is there and goes on. What goes wrong with one file is its own problem; the others go on.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISLNK

from vda_assets.storage.access import Storage
from vda_assets.storage.errors import ObjectUnusable, StorageError
from vda_assets.storage.local_files import PART_SUFFIX, part_of
from vda_assets.storage.objects import StoredObject
from vda_assets.storage.parallel import LARGE_BYTES, copies_small_file, in_parallel
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

_CHUNK_BYTES = 1024 * 1024
# What a time loses on its way through a floating-point number.
_SAME_TIME_SECONDS = 1e-5
_STALE_PART = re.compile(rf"^\..*\.\d+{re.escape(PART_SUFFIX)}$")
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Copy:
    """One object and one local file, whichever of them is the source."""

    url: StorageUrl
    path: Path
    stored: StoredObject | None = None  # as a listing showed it


@dataclass(frozen=True)
class Done:
    copy: Copy
    size_bytes: int
    was_there: bool


@dataclass(frozen=True)
class NotCopied:
    """What was not copied. `reason` is the same text for what has the same cause, so that many can be told as one."""

    subject: str
    reason: str


class FolderInUse(StorageError):
    """Another process copies into the same folder."""


class _NotWhole(Exception):
    """What arrived is not what storage has."""


def mirror(storage: Storage, copies: Iterable[Copy], *, root: Path) -> Iterator[Done | NotCopied]:
    """Brings objects to this machine, several at once, and gives each result when it is finished.

    A file that has its object's size and time of change already is taken for its copy. Raises StorageUnavailable.
    """
    folders: dict[str, set[str] | None] = {}
    real_root = root.resolve()

    def bring(copy: Copy) -> Done | NotCopied:
        folder, _, name = str(copy.path).rpartition("/")
        try:
            if folder not in folders:
                folders[folder] = _names_in(copy.path.parent, real_root)
            names = folders[folder]
            if names is None:
                return NotCopied(str(copy.url), f"a symbolic link on its way leads out of {root}")
            return _bring(storage, copy, may_be_there=name in names)
        except _NotWhole as error:
            return NotCopied(str(copy.url), str(error))
        except ObjectUnusable as error:
            return NotCopied(str(copy.url), error.cause)
        except FileNotFoundError:
            return NotCopied(str(copy.url), "it does not exist any more")
        except OSError as error:
            return NotCopied(str(copy.url), _reason(error, root))

    def is_quick(copy: Copy) -> bool:
        return copy.url.scheme == FILE_SCHEME and copy.stored is not None and copy.stored.size_bytes < LARGE_BYTES

    return in_parallel(bring, copies, is_quick=is_quick)


def upload_clips(storage: Storage, copies: Iterable[Copy]) -> Iterator[Done | NotCopied]:
    """Puts files into storage where nothing lies yet. Where the same content lies, that is done; other content is kept.

    Raises StorageUnavailable.
    """

    def put(copy: Copy) -> Done | NotCopied:
        try:
            return _put(storage, copy)
        except FileNotFoundError:
            return NotCopied(str(copy.path), "it does not exist any more")
        except ObjectUnusable as error:
            return NotCopied(str(copy.path), str(error))
        except OSError as error:
            return NotCopied(str(copy.path), _reason(error, Path("/", copy.url.key).parent))

    return in_parallel(put, copies, is_quick=lambda copy: copies_small_file(copy.url, str(copy.path)))


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keeps a second process out of the folder, and removes what one that was killed left half written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written to: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(f"another process is copying into {folder}; wait until it has ended") from None
        for parent, _, names in os.walk(folder):
            for name in filter(_STALE_PART.match, names):
                Path(parent, name).unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)


def _names_in(folder: Path, real_root: Path) -> set[str] | None:
    """The names in the folder, which is made when it is missing; None when a link leads from it out of `real_root`.

    Asked once for a folder, rather than for each file.
    """
    if not folder.resolve().is_relative_to(real_root):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return {path.name for path in folder.iterdir()}


def _bring(storage: Storage, copy: Copy, *, may_be_there: bool) -> Done | NotCopied:
    assert copy.stored is not None
    if copy.url.scheme == FILE_SCHEME and _leads_out(copy):
        return NotCopied(str(copy.url), "it is a symbolic link that leads out of its folder")
    if may_be_there and _is_copy(copy.path, copy.stored):
        return Done(copy, copy.stored.size_bytes, was_there=True)
    with part_of(str(copy.path)) as part:
        got, digest = storage.download(copy.url, part, hashed=bool(copy.stored.md5))
        if got is None or (digest and digest != copy.stored.md5):
            got = _judged(storage, copy, digest, got)
        size_bytes = part.stat().st_size
        if size_bytes != got.size_bytes:
            raise _NotWhole(f"{size_bytes} of its {got.size_bytes} bytes arrived; run the command again")
        os.utime(part, (got.modified, got.modified))
    return Done(copy, size_bytes, was_there=False)


def _judged(storage: Storage, copy: Copy, digest: str, got: StoredObject | None) -> StoredObject:
    """The object that the bytes are of, when the copy itself did not tell. Raises _NotWhole when there is none."""
    assert copy.stored is not None
    if digest and digest == copy.stored.md5:
        return copy.stored
    # Replaced since it was listed, or encrypted so that its etag is no MD5.
    now = storage.info(copy.url, with_checksum=True)
    if digest and now.md5:
        if now.md5 != digest:
            raise _NotWhole("its bytes do not have the checksum that storage has; run the command again")
    elif got is None and now.version != copy.stored.version:
        raise _NotWhole("it was replaced since it was listed; run the command again")
    return got or now


def _leads_out(copy: Copy) -> bool:
    """Whether the source, a local file, really lies outside of the folder that was listed."""
    assert copy.stored is not None
    if not S_ISLNK(os.lstat(f"/{copy.url.key}").st_mode):
        return False
    source = Path("/", copy.url.key)
    listed = source.parents[copy.stored.path.count("/")]
    return not source.resolve().is_relative_to(listed.resolve())


def _is_copy(path: Path, stored: StoredObject) -> bool:
    stat = path.stat(follow_symlinks=False)
    return stat.st_size == stored.size_bytes and abs(stat.st_mtime - stored.modified) < _SAME_TIME_SECONDS


def _put(storage: Storage, copy: Copy) -> Done | NotCopied:
    before = _state(copy.path)
    was_there = True
    try:
        found = storage.info(copy.url, with_checksum=True)
    except FileNotFoundError:
        try:
            storage.create(copy.path, copy.url)
            was_there = False
        except FileExistsError:
            pass  # somebody was faster: judged below like what was there before
        found = storage.info(copy.url, with_checksum=True)
    if _is_same(storage, copy, found):
        return Done(copy, found.size_bytes, was_there)
    if was_there:
        return NotCopied(
            str(copy.path), f"{copy.url} exists with other content and is kept; give your clip another name"
        )
    if _state(copy.path) != before:
        return NotCopied(str(copy.path), f"it changed while it was uploaded; delete {copy.url} and upload it again")
    return NotCopied(str(copy.path), f"{copy.url} does not have its bytes; delete that and upload it again")


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _is_same(storage: Storage, copy: Copy, found: StoredObject) -> bool:
    if found.size_bytes != copy.path.stat().st_size:
        return False
    with copy.path.open("rb") as own:
        if found.md5:
            return hashlib.file_digest(own, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == found.md5
        with storage.reading(copy.url) as other:
            return all(chunk == other.read(len(chunk)) for chunk in iter(lambda: own.read(_CHUNK_BYTES), b""))


def _reason(error: OSError, place: Path) -> str:
    if isinstance(error, (NotADirectoryError, IsADirectoryError, FileExistsError)):
        return "its name is taken by a folder, or its folder's by a file"
    return f"the disk of {place} is full" if error.errno in NO_SPACE else str(error.strerror or error)
