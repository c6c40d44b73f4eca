"""Pushes a release to another bucket or folder, file by file as it is, the manifest last."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path

from vda_assets.base.counted import counted
from vda_assets.base.patience import say_nothing
from vda_assets.publishing.errors import PlaceTaken
from vda_assets.publishing.finished import File, Finished, files_in, list_files
from vda_assets.releases.layout import CHECKSUMS_FILE, CONTENT_FILE, MANIFEST_FILE
from vda_assets.releases.writing import sha256_of
from vda_assets.storage.access import Storage
from vda_assets.storage.parallel import LARGE_BYTES, in_parallel
from vda_assets.storage.transfer import only_one
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

_AT_ONCE = 64
_TOLD_EVERY = 150


def push_to_storage(
    finished: Finished, storage: Storage, to: StorageUrl, *, log: Callable[[str], None] = say_nothing
) -> bool:
    """Copies the release to `<to>/<version>`; False when it was there already.

    What lies there of the same size, after this very content was claimed, is not sent again; on a disk its hash must be
    the same too. Raises NotFinished and PlaceTaken.
    """
    place = to / finished.version
    with tempfile.TemporaryDirectory(prefix="vda-push-") as temporary, ExitStack() as kept:
        if place.scheme == FILE_SCHEME:
            kept.enter_context(only_one(Path("/", place.key)))
        if not _claim(finished, storage, place, Path(temporary)):
            return False
        listed = list_files(finished, Path(temporary))
        total = sum(1 for _ in files_in(listed))
        sent = 0
        lacking = _lacking(storage, place, (file for _, file in files_in(listed)))
        lots = iter(lambda: list(islice(lacking, _AT_ONCE)), [])
        for number, lot in enumerate(lots, start=1):
            _send(finished, storage, place, lot, Path(temporary))
            sent += len(lot)
            if number % _TOLD_EVERY == 0:
                log(f"sent: {counted(sent, 'file')}, of {total} of the release")
        storage.upload(Path(temporary, CHECKSUMS_FILE), place / CHECKSUMS_FILE)
        storage.write_bytes(place / MANIFEST_FILE, finished.manifest_bytes)
        log(f"sent: {counted(sent, 'file')}, there before: {total - sent}")
    return True


def _claim(finished: Finished, storage: Storage, place: StorageUrl, folder: Path) -> bool:
    """False when all of it is there. Raises PlaceTaken when something else is."""
    path = folder / CONTENT_FILE
    path.write_text(f"{finished.content}\n", encoding="utf-8")
    if next(storage.walk(place), None) is None:
        with suppress(FileExistsError):  # somebody was faster: judged like what was there before
            storage.create(path, place / CONTENT_FILE)
    try:
        held = storage.read_bytes(place / CONTENT_FILE, limit_bytes=1024).decode(errors="replace").strip()
    except FileNotFoundError:
        raise PlaceTaken(f"{place} holds something that is no release: name another folder or bucket") from None
    if held != finished.content:
        raise PlaceTaken(
            f"{place} holds another release of that version, with another content, and a version never changes: "
            "push to another folder, or release under another version"
        )
    try:
        return storage.read_bytes(place / MANIFEST_FILE) != finished.manifest_bytes
    except FileNotFoundError:
        return True


def _lacking(storage: Storage, place: StorageUrl, files: Iterator[File]) -> Iterator[File]:
    """Both lists have the same order."""
    found = iter(storage.walk(place))
    there = next(found, None)
    for file in files:
        while there is not None and there.path < file.path:
            there = next(found, None)
        is_there = there is not None and there.path == file.path and there.size_bytes == file.size_bytes
        if is_there and place.scheme == FILE_SCHEME:
            is_there = sha256_of(Path("/", place.key, file.path)) == file.sha256
        if not is_there:
            yield file


def _send(finished: Finished, storage: Storage, place: StorageUrl, lot: list[File], folder: Path) -> None:
    def send(numbered: tuple[int, File]) -> None:
        number, file = numbered
        path = folder / f"sent.{number}"
        finished.bring(file, path)
        storage.upload(path, place / file.path)
        path.unlink()

    both_local = place.scheme == finished.root.scheme == FILE_SCHEME
    for _ in in_parallel(
        send, list(enumerate(lot)), is_quick=lambda one: both_local and one[1].size_bytes < LARGE_BYTES
    ):
        pass
