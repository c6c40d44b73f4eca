"""Writes the files of one version, each with its hash, so that a killed release is finished by the same command.

The content that a version is to have is claimed first, by an object that nobody replaces, and the manifest comes last:
who finds it finds everything. Between the two nothing is read, only written again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TextIO

from vda_assets.releases.errors import VersionTaken
from vda_assets.releases.layout import CHECKSUMS_FILE, CONTENT_FILE, CURRENT_FILE, MANIFEST_FILE
from vda_assets.storage.access import Storage
from vda_assets.storage.parallel import copies_small_file, in_parallel
from vda_assets.storage.url import FILE_SCHEME, StorageUrl


class ReleaseWriter:
    """Of the version at `root`; a context manager. `folder` is a local one for what is on its way, `content` the hash
    of what the version holds."""

    def __init__(self, storage: Storage, root: StorageUrl, folder: Path, *, content: str) -> None:
        self._storage, self._root, self._content = storage, root, content
        self._folder = folder
        self._sums_path = folder / CHECKSUMS_FILE
        self._sums: TextIO = self._sums_path.open("w", encoding="utf-8")
        self._was_begun = False
        self.files = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sums.close()

    def is_there(self) -> bool:
        """Whether this very content is. Raises VersionTaken when another is, or was begun."""
        held = _text(self._storage, self._root / CONTENT_FILE)
        if held and held != self._content:
            is_whole = self._storage.exists(self._root / MANIFEST_FILE)
            raise VersionTaken(
                f"{self._root} {'holds' if is_whole else 'was begun with'} another content, and a version never "
                f"changes: say another --version, or none{'' if is_whole else ', or delete what was begun'}"
            )
        self._was_begun = bool(held)
        return self._was_begun and self._storage.exists(self._root / MANIFEST_FILE)

    def claim(self) -> None:
        """Raises VersionTaken when somebody was faster with another content."""
        path = self._folder / CONTENT_FILE
        path.write_text(f"{self._content}\n", encoding="utf-8")
        try:
            self._storage.create(path, self._root / CONTENT_FILE)
        except FileExistsError:
            self.is_there()
        self._count(CONTENT_FILE, sha256_of(path))

    def copy(self, copies: Iterable[tuple[StorageUrl, str, str]]) -> None:
        """Copies objects, each to its path in the release; the third is the hash that its worker has written."""
        listed = list(copies)

        def copy(one: tuple[StorageUrl, str, str]) -> None:
            self._storage.copy(one[0], self._root / one[1])

        for _ in in_parallel(copy, listed, is_quick=lambda one: copies_small_file(one[0], f"/{one[0].key}")):
            pass
        for _, path, digest in listed:
            self._count(path, digest)

    def put(self, files: Iterable[tuple[str, str]]) -> None:
        """Writes texts, each under its path."""
        listed = [(path, text.encode()) for path, text in files]

        def write(one: tuple[str, bytes]) -> None:
            self._storage.write_bytes(self._root / one[0], one[1])

        for _ in in_parallel(write, listed, is_quick=lambda _: self._root.scheme == FILE_SCHEME):
            pass
        for path, content in listed:
            self._count(path, hashlib.sha256(content).hexdigest())

    def upload(self, files: Iterable[tuple[str, Path]]) -> None:
        """Copies local files, each to its path."""
        listed = list(files)
        self._storage.upload_all((local, self._root / path) for path, local in listed)
        for path, local in listed:
            self._count(path, sha256_of(local))

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """The hashes, then the manifest: from then on the version is whole."""
        self._sums.close()
        if self._was_begun:
            self._remove_strays()
        self._storage.upload(self._sums_path, self._root / CHECKSUMS_FILE)
        whole = {**manifest, "content": self._content, "files": self.files, CHECKSUMS_FILE: sha256_of(self._sums_path)}
        text = json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
        self._storage.write_bytes(self._root / MANIFEST_FILE, text.encode())

    def point_here(self) -> None:
        """The pointer beside the versions; the last thing of all."""
        self._storage.write_bytes(self._root.parent / CURRENT_FILE, f"{self._root.name}\n".encode())

    def _remove_strays(self) -> None:
        """What a killed release has left that this one did not write: on a disk, files that were being written."""
        with self._sums_path.open(encoding="utf-8") as sums:
            written = {line.rstrip("\n").partition("  ")[2] for line in sums}
        for found in list(self._storage.walk(self._root)):
            if found.path not in written:
                self._storage.delete(self._root / found.path)

    def _count(self, path: str, digest: str) -> None:
        self._sums.write(f"{digest}  {path}\n")
        self.files += 1


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _text(storage: Storage, url: StorageUrl) -> str:
    try:
        return storage.read_bytes(url, limit_bytes=1024).decode(errors="replace").strip()
    except FileNotFoundError:
        return ""
