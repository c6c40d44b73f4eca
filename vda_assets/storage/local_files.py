"""`file://`: folders of this machine, with the promises of an object store: whole files only, listed in byte order."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vda_assets.storage.objects import StoredObject

# What is being written carries this suffix and a leading dot; no listing of clips shows it.
PART_SUFFIX = ".part"


class LocalFiles:
    def info(self, key: str, *, with_checksum: bool = False) -> StoredObject:  # noqa: ARG002
        path = Path("/", key)
        if path.is_dir():
            raise FileNotFoundError(key)
        return _described(path.name, path.stat())

    def walk(self, folder: str, *, after: str, with_checksums: bool) -> Iterator[StoredObject]:  # noqa: ARG002
        for path, entry in _entries(f"/{folder}", ""):
            if path > after:
                try:
                    yield _described(path, entry.stat())
                except FileNotFoundError:
                    continue  # a dangling link, or gone since

    def read(self, key: str) -> bytes:
        return Path("/", key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        with part_of(Path("/", key)) as part:
            part.write_bytes(content)
            part.replace(Path("/", key))

    def download(self, key: str, target: Path, *, hashed: bool) -> tuple[StoredObject, str]:  # noqa: ARG002
        source = Path("/", key)
        shutil.copyfile(source, target)
        return _described(source.name, source.stat()), ""

    def upload(self, source: Path, key: str) -> None:
        with part_of(Path("/", key)) as part:
            shutil.copyfile(source, part)
            part.replace(Path("/", key))

    def create(self, source: Path, key: str) -> None:
        with part_of(Path("/", key)) as part:
            shutil.copyfile(source, part)
            Path("/", key).hardlink_to(part)


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """A hidden file beside `path` to write into; what is left of it afterwards is removed."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name[:200]}.{os.getpid()}{PART_SUFFIX}")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _entries(folder: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Files below the folder in the byte order of their paths; links to folders are not followed."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    keyed = [(f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name, entry) for entry in entries]
    for name, entry in sorted(keyed, key=lambda pair: pair[0]):
        if name.endswith("/"):
            yield from _entries(entry.path, prefix + name)
        elif not entry.is_dir():
            yield prefix + name, entry


def _described(path: str, stat: os.stat_result) -> StoredObject:
    return StoredObject(path, stat.st_size, stat.st_mtime)
