"""Renders side-by-side videos in a few processes of its own while the GPUs work on."""

import multiprocessing
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from vda_assets.base.failed import Failed
from vda_assets.media.errors import MediaError
from vda_assets.media.preview import preview
from vda_assets.media.side_by_side import SideBySide, side_by_side
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import StorageError
from vda_assets.storage.url import FILE_SCHEME, StorageUrl


@dataclass(frozen=True)
class Comparison:
    url: StorageUrl
    video: SideBySide
    preview_jpeg: bytes


class ComparisonPool:
    """Renders a few videos of each clip. A context manager; leaving it on an error or interrupt drops what has not
    begun."""

    def __init__(self, storage: Storage, processes: int = 2) -> None:
        self._storage = storage
        # Not forked: the parent has threads and open event-log connections.
        spawn = multiprocessing.get_context("spawn")
        self._rendering: dict[str, list[Future[Comparison]]] = {}
        self._pool = ProcessPoolExecutor(processes, mp_context=spawn, initializer=_end_with_parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def submit(self, key: str, videos: Iterable[tuple[StorageUrl, StorageUrl, StorageUrl]]) -> None:
        """`videos`: source, augmented clip, and where the two side by side are to lie."""
        self._rendering[key] = [self._pool.submit(render, self._storage, *video) for video in videos]

    def take_ended(self) -> Iterator[tuple[str, list[Comparison] | Failed]]:
        """The clips all of whose videos are rendered, or why one cannot be; each clip once."""
        for key, futures in list(self._rendering.items()):
            if all(future.done() for future in futures):
                del self._rendering[key]
                try:
                    yield key, [future.result() for future in futures]
                except (MediaError, OSError, StorageError) as error:
                    yield key, Failed(str(error))

    def wait(self, seconds: float) -> int:
        """Returns how many clips are not finished, once another video has ended, or after `seconds`."""
        going_on = [future for futures in self._rendering.values() for future in futures if not future.done()]
        wait(going_on, timeout=seconds, return_when=FIRST_COMPLETED)
        return len(self._rendering)


def _end_with_parent() -> None:
    """A renderer whose run was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def render(storage: Storage, source: StorageUrl, augmented: StorageUrl, output: StorageUrl) -> Comparison:
    """Renders one pair and puts it into storage under its final name once it is whole. Raises MediaError."""
    with tempfile.TemporaryDirectory(prefix="vda-compare-") as folder:
        scratch = Path(folder)
        rendered = scratch / output.name
        left = local_copy(storage, source, scratch / f"source-{source.name}")
        right = local_copy(storage, augmented, scratch / f"augmented-{augmented.name}")
        video = side_by_side(left, right, rendered)
        storage.upload(rendered, output)
        return Comparison(output, video, preview(rendered, name=str(output)))


def local_copy(storage: Storage, url: StorageUrl, copy: Path) -> Path:
    """The object as a local file: itself when it is one already."""
    if url.scheme == FILE_SCHEME:
        return Path("/", url.key)
    storage.download(url, copy)
    return copy
