"""What of a release becomes one file on a hub, and the archives of what it has too many files for.

The Hugging Face hub wants fewer than 100,000 files in a repository and 10,000 in a folder. Formats with a file for each
frame, object or video are packed in zip archives beside their folders, which are the ones that its own library opens;
unpacked where the repository was copied to, they leave the release as it is in storage.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from vda_assets.base.parallel import in_order
from vda_assets.publishing.finished import File, Finished, files_in
from vda_assets.releases.layout import COSMOS, CVAT, DAFT, MOT, YOLO
from vda_assets.storage.url import FILE_SCHEME

_FOLDERS = re.compile(
    rf"({re.escape(DAFT)}|{re.escape(CVAT)}|{re.escape(MOT)}(?=/[^/]+/)|{re.escape(YOLO)}/labels/[^/]+"
    rf"|{re.escape(COSMOS)}/[^/]+/text)/.+"
)
MOST_MEMBERS, MOST_BYTES = 20_000, 1 << 30
_DIGITS = 8
_READS_AT_ONCE = 8
# A zip has no earlier one, and the same files shall give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Item:
    """One file of a repository. `sha256` is None for an archive, whose name has a hash of what is in it; its members
    are `count` of the list, from `offset` on, that belong to `folder`."""

    path: str
    size_bytes: int
    sha256: str | None
    offset: int
    folder: str = ""
    count: int = 1


def items_in(listed: Path) -> Iterator[Item]:
    """What the files of a list become. An archive comes when its last member was seen."""
    open_ones: dict[str, _Filling] = {}
    numbers: dict[str, int] = {}
    for offset, file in files_in(listed):
        folder = folder_of(file.path)
        if not folder:
            yield Item(file.path, file.size_bytes, file.sha256, offset)
            continue
        filling = open_ones.get(folder)
        if filling and not filling.has_room_for(file):
            yield open_ones.pop(folder).item
            filling = None
        if filling is None:
            numbers[folder] = numbers.get(folder, -1) + 1
            filling = open_ones[folder] = _Filling(folder, numbers[folder], offset)
        filling.add(file)
    yield from (one.item for one in open_ones.values())


def folder_of(path: str) -> str:
    """The folder that the file is packed with; empty for one that is pushed as it is."""
    found = _FOLDERS.fullmatch(path)
    return found[1] if found else ""


def make(item: Item, finished: Finished, listed: Path, target: Path) -> None:
    """Brings the file, or packs the archive, to `target`; every byte is one that SHA256SUMS vouches for.

    Raises NotFinished.
    """
    members = (file for _, file in files_in(listed, offset=item.offset))
    if item.sha256 is not None:
        finished.bring(next(members), target)
        return
    mine = islice((file for file in members if folder_of(file.path) == item.folder), item.count)
    brought = target.with_name(f"{target.name}.members")
    brought.mkdir()
    with ZipFile(target, "w") as archive:
        while lot := list(islice(mine, _READS_AT_ONCE)):
            for file, path in _brought(finished, lot, brought):
                info = ZipInfo(file.path, _NO_TIME)
                info.external_attr = 0o644 << 16
                # What is compressed already stays as it is: the hub keeps it once, in the archive and beside it.
                info.compress_type = ZIP_STORED if file.path.endswith(".mp4") else ZIP_DEFLATED
                with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as packed:
                    while chunk := source.read(1 << 20):
                        packed.write(chunk)
                path.unlink()
    brought.rmdir()


def _brought(finished: Finished, lot: list[File], folder: Path) -> Iterator[tuple[File, Path]]:
    def bring(numbered: tuple[int, File]) -> tuple[File, Path]:
        path = folder / str(numbered[0])
        finished.bring(numbered[1], path)
        return numbered[1], path

    # Of this machine's own files several threads read no more than one.
    threads = 1 if finished.root.scheme == FILE_SCHEME else _READS_AT_ONCE
    return in_order(bring, list(enumerate(lot)), threads=threads)


@dataclass
class _Filling:
    """An archive whose members are being counted."""

    folder: str
    number: int
    offset: int
    size_bytes: int = 0
    count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def has_room_for(self, file: File) -> bool:
        return self.count < MOST_MEMBERS and self.size_bytes + file.size_bytes <= MOST_BYTES

    def add(self, file: File) -> None:
        self.size_bytes += file.size_bytes
        self.count += 1
        self.digest.update(file.line.encode())

    @property
    def item(self) -> Item:
        name = f"{self.folder}-{self.number:05d}-{self.digest.hexdigest()[:_DIGITS]}.zip"
        return Item(name, self.size_bytes, None, self.offset, self.folder, self.count)
