"""A release that is whole: found by its version, and its files, each with its hash and size, in the order of their
paths.

A release has millions of files, so they are listed in a file on disk and never in memory.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from vda_assets.base.cut import cut
from vda_assets.publishing.errors import NotFinished
from vda_assets.releases.layout import (
    CHECKSUMS_FILE,
    CONTENT_FILE,
    CURRENT_FILE,
    MANIFEST_FILE,
    check_version,
    dataset_releases,
)
from vda_assets.releases.writing import sha256_of
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadStorageUrl
from vda_assets.storage.url import StorageUrl

_SUM = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>.+)")
_SORTED_AT_ONCE = 200_000
_POINTER_BYTES = 1024


class File(NamedTuple):
    """Of a release; `path` is relative to its root."""

    path: str
    sha256: str
    size_bytes: int

    @property
    def line(self) -> str:
        return f"{self.sha256} {self.size_bytes} {self.path}\n"

    @classmethod
    def of_line(cls, line: str) -> File:
        sha256, size_bytes, path = line.rstrip("\n").split(" ", 2)
        return cls(path, sha256, int(size_bytes))


@dataclass(frozen=True)
class Finished:
    """`manifest_bytes` is its manifest as it lies there."""

    storage: Storage
    root: StorageUrl
    manifest_bytes: bytes
    manifest: dict[str, Any]

    @property
    def version(self) -> str:
        return self.root.name

    @property
    def content(self) -> str:
        return str(self.manifest["content"])

    def bring(self, file: File, target: Path) -> None:
        """Copies it here. Raises NotFinished when it is not what SHA256SUMS says."""
        try:
            self.storage.download(self.root / file.path, target)
        except FileNotFoundError:
            raise self.lacks(file.path) from None
        self._require(file, sha256_of(target))

    def _require(self, file: File, sha256: str) -> None:
        if sha256 != file.sha256:
            raise NotFinished(
                f"{self.root / file.path} is not the file that was released: {CHECKSUMS_FILE} has another hash of it. "
                "Nothing of it is pushed; delete the version and release it again"
            )

    def lacks(self, path: str) -> NotFinished:
        return NotFinished(
            f"{self.root} is not whole: {cut(path)} is not there. Delete the version and release it again"
        )


def find_finished(storage: Storage, storage_url: StorageUrl, dataset: str, version: str | None) -> Finished:
    """The version, or without one the one that was released last. Raises NotFinished and ReleaseError."""
    releases = dataset_releases(storage_url, dataset)
    if version is None:
        version = _newest(storage, releases)
        if not version:
            raise NotFinished(f"nothing of {dataset} is released: `vda release --dataset {dataset}` does it")
    root = releases / check_version(version)
    try:
        text = storage.read_bytes(root / MANIFEST_FILE)
        manifest = from_json(text)
        str(manifest["content"]), str(manifest[CHECKSUMS_FILE])
    except FileNotFoundError:
        raise NotFinished(_why_missing(storage, root, dataset, _newest(storage, releases))) from None
    except (ValueError, LookupError, TypeError) as error:
        raise NotFinished(f"{root / MANIFEST_FILE} is no manifest of a release: {cut(repr(error))}") from None
    return Finished(storage, root, text, manifest)


def list_files(finished: Finished, folder: Path) -> Path:
    """Writes `File.line` of each file of the release, in the order of paths, into a file in the folder; returns that.

    Hashes are those of SHA256SUMS, which the manifest vouches for, sizes those of storage. SHA256SUMS itself and the
    manifest are not among them. Raises NotFinished for a file that is not there.
    """
    sums = folder / CHECKSUMS_FILE
    try:
        finished.storage.download(finished.root / CHECKSUMS_FILE, sums)
    except FileNotFoundError:
        raise finished.lacks(CHECKSUMS_FILE) from None
    if sha256_of(sums) != finished.manifest[CHECKSUMS_FILE]:
        raise NotFinished(f"{finished.root / CHECKSUMS_FILE} is not the one that the manifest names")
    listed = folder / "files"
    with listed.open("w", encoding="utf-8") as target, ExitStack() as kept:
        for file in _with_sizes(finished, _in_order(_parsed(finished, sums), folder, kept)):
            target.write(file.line)
    return listed


def files_in(listed: Path, *, offset: int = 0) -> Iterator[tuple[int, File]]:
    """Of a list from that byte on, each with the byte at which its line begins."""
    with listed.open("rb") as lines:
        lines.seek(offset)
        for line in lines:
            yield offset, File.of_line(line.decode())
            offset += len(line)


def _newest(storage: Storage, releases: StorageUrl) -> str:
    try:
        return storage.read_bytes(releases / CURRENT_FILE, limit_bytes=_POINTER_BYTES).decode(errors="replace").strip()
    except FileNotFoundError:
        return ""


def _why_missing(storage: Storage, root: StorageUrl, dataset: str, newest: str) -> str:
    if storage.exists(root / CONTENT_FILE):
        return (
            f"{root} is not whole: a release was killed before its manifest was written. Run "
            f"`vda release --dataset {dataset} --version {root.name}` again, which finishes it"
        )
    known = f"; the last of {dataset} is {newest}" if newest else f"; nothing of {dataset} is released"
    return f"there is no version {root.name} at {root.parent}{known}"


def _parsed(finished: Finished, sums: Path) -> Iterator[tuple[str, str]]:
    """(path, hash) in the order of the file."""
    with sums.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for line in lines:
            found = _SUM.fullmatch(line.rstrip("\n"))
            try:
                assert found is not None
                finished.root / found["path"]
            except (AssertionError, BadStorageUrl):
                raise NotFinished(f"{finished.root / CHECKSUMS_FILE} has a line that is none: {cut(line)}") from None
            yield found["path"], found["sha256"]


def _in_order(pairs: Iterator[tuple[str, str]], folder: Path, kept: ExitStack) -> Iterable[tuple[str, str]]:
    """By path, in lots that are sorted on disk."""
    runs: list[Iterator[tuple[str, str]]] = []
    while lot := sorted(islice(pairs, _SORTED_AT_ONCE)):
        path = folder / f"sorted.{len(runs)}"
        with path.open("w", encoding="utf-8", newline="\n") as target:
            target.writelines(f"{sha256} {name}\n" for name, sha256 in lot)
        lines = kept.enter_context(path.open(encoding="utf-8", newline="\n"))
        runs.append((line[65:].rstrip("\n"), line[:64]) for line in lines)
    return heapq.merge(*runs)


def _with_sizes(finished: Finished, pairs: Iterable[tuple[str, str]]) -> Iterator[File]:
    """Both lists have the same order: each is gone through once."""
    found = iter(finished.storage.walk(finished.root))
    there = next(found, None)
    for path, sha256 in pairs:
        while there is not None and there.path < path:
            there = next(found, None)
        if there is None or there.path != path:
            raise finished.lacks(path)
        yield File(path, sha256, there.size_bytes)
