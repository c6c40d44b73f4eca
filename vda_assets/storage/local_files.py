"""`file://`: folders of this machine that keep an object store's promises: files are whole and listed in byte order."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from stat import S_ISREG

from vda_assets.storage.objects import StoredObject, TooLarge

# What is being written carries this suffix and a leading dot; no listing of clips shows it.
PART_SUFFIX = ".part"
# So many names of one folder are held at a time; a larger one is read again for each further lot.
_NAMES_AT_ONCE = 20_000
_SMALL_BYTES = 64 * 1024


class LocalFiles:
    def info(self, key: str, *, with_checksum: bool = False) -> StoredObject:  # noqa: ARG002
        return _described(key.rpartition("/")[2], _stat_of_file(key))

    def walk(self, folder: str, *, after: str, with_checksums: bool) -> Iterator[StoredObject]:  # noqa: ARG002
        for path in _paths(f"/{folder}", "", after):
            try:
                stat = os.stat(f"/{folder}/{path}")  # noqa: PTH116 - making a Path takes longer than this
            except FileNotFoundError:
                continue  # a dangling link, or gone since
            if S_ISREG(stat.st_mode):
                yield _described(path, stat)

    def read(self, key: str, limit_bytes: int) -> bytes:
        size_bytes = _stat_of_file(key).st_size
        if size_bytes > limit_bytes:
            raise TooLarge(size_bytes)
        return Path("/", key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        with part_of(_in_folder(f"/{key}")) as part:
            part.write_bytes(content)

    def delete(self, key: str) -> None:
        Path("/", key).unlink()

    def download(self, key: str, target: Path, *, hashed: bool) -> tuple[StoredObject, str]:  # noqa: ARG002
        _stat_of_file(key)
        # shutil asks the kernel for so much that most of a small file's time would be its questions.
        with open(f"/{key}", "rb", buffering=0) as reading:  # noqa: PTH123
            stat = os.fstat(reading.fileno())
            if stat.st_size > _SMALL_BYTES:
                shutil.copyfile(f"/{key}", target)
            else:
                with open(target, "wb") as writing:  # noqa: PTH123
                    writing.write(reading.readall())
        return _described(key.rpartition("/")[2], stat), ""

    def upload(self, source: Path, key: str) -> None:
        with part_of(_in_folder(f"/{key}")) as part:
            shutil.copyfile(source, part)

    def create(self, source: Path, key: str) -> None:
        with part_of(_in_folder(f"/{key}"), replaces=False) as part:
            shutil.copyfile(source, part)

    def signed(self, key: str, seconds: float) -> None:  # noqa: ARG002
        return None

    def copy(self, source: str, target: str) -> None:
        _stat_of_file(source)
        self.upload(Path("/", source), target)


@contextmanager
def part_of(path: str, *, replaces: bool = True) -> Iterator[Path]:
    """A hidden file beside `path`, to be written. At the block's end it becomes `path`; after an error it is removed.

    The folder must be there. Raises FileExistsError for a path that is there when it `replaces` nothing.
    """
    folder, _, name = path.rpartition("/")
    part = Path(f"{folder}/.{name[:200]}.{os.getpid()}{PART_SUFFIX}")
    try:
        yield part
        if replaces:
            part.replace(path)
        else:
            Path(path).hardlink_to(part)
            part.unlink()
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _in_folder(path: str) -> str:
    """The same path, after its folder has been made where it was missing."""
    folder = path.rpartition("/")[0]
    if not os.path.isdir(folder or "/"):  # noqa: PTH112 - as above
        Path(folder).mkdir(parents=True, exist_ok=True)
    return path


def _paths(folder: str, prefix: str, after: str) -> Iterator[str]:
    """The paths of all files below the folder that sort behind `after`, in byte order, each with `prefix` before it.

    Links to folders are not followed.
    """
    first, slash, rest = after.partition("/")
    inside = low = first + slash
    while names := _names(folder, low, inside if slash else ""):
        for name in names:
            if name.endswith("/"):
                yield from _paths(f"{folder}/{name[:-1]}", prefix + name, rest if name == inside else "")
            else:
                yield prefix + name
        if len(names) < _NAMES_AT_ONCE:
            return
        low, inside = names[-1], ""


def _names(folder: str, low: str, inside: str) -> list[str]:
    """The folder's first `_NAMES_AT_ONCE` names that sort behind `low` or are `inside`, in byte order.

    A folder's name ends with a slash. Empty when the folder is not there.
    """
    first: list[str] = []
    try:
        with os.scandir(folder) as entries:
            while lot := [
                f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
                for entry in islice(entries, _NAMES_AT_ONCE)
            ]:
                first = sorted(name for name in first + lot if name > low or name == inside)[:_NAMES_AT_ONCE]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return first


def _stat_of_file(key: str) -> os.stat_result:
    """The file's stat. Raises FileNotFoundError when no regular file lies there: reading a pipe would never end."""
    stat = os.stat(f"/{key}")  # noqa: PTH116 - making a Path takes longer than this
    if not S_ISREG(stat.st_mode):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"/{key}")
    return stat


def _described(path: str, stat: os.stat_result) -> StoredObject:
    return StoredObject(path, stat.st_size, stat.st_mtime)
