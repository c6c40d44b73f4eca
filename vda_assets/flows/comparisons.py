"""Renders side-by-side videos in a few processes of its own while the GPUs work on."""

import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from vda_assets.base.failed import Failed
from vda_assets.flows.processes import CallFailed, Processes
from vda_assets.media.errors import CannotEncode, MediaError
from vda_assets.media.preview import animation_of, evenly_spaced, sheet_of
from vda_assets.media.side_by_side import SideBySide, side_by_side
from vda_assets.media.still import still
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import StorageError
from vda_assets.storage.layout import animation_at, still_of
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

# 5,000 frames of two 720p clips take 2 minutes on two free cores, and 0.6 GB.
# Pictures of the small moving one, and those of them that stand side by side in a still one.
_ANIMATED, _IN_A_SHEET = 12, 4
RENDER_SECONDS = 1800.0
RENDER_BYTES = 4 << 30


@dataclass(frozen=True)
class Comparison:
    """`url` is the side-by-side video, `animation` a small moving picture of it.

    Where none could be encoded, `video` is None, `url` is a picture of both, `problem` says why, and the clips
    themselves are what there is to look at.
    """

    url: StorageUrl
    source: StorageUrl
    augmented: StorageUrl
    preview_jpeg: bytes
    size_bytes: int
    video: SideBySide | None = None
    animation: StorageUrl | None = None
    problem: str = ""

    @property
    def media(self) -> tuple[StorageUrl, ...]:
        """What there is to look at, first what was rendered."""
        return (self.url,) if self.video else (self.url, self.source, self.augmented)


class ComparisonPool:
    """Renders a few videos of each clip. A context manager; leaving it on an error or interrupt drops what has not
    begun and ends what has. What fails, fails alone; a process that dies is replaced."""

    def __init__(
        self, storage: Storage, processes: int = 2, *, seconds: float = RENDER_SECONDS, memory_bytes: int = RENDER_BYTES
    ) -> None:
        self._storage = storage
        self._rendering: dict[str, list[Future[Comparison]]] = {}
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="comparisons")
        self._processes = Processes(seconds=seconds, memory_bytes=memory_bytes)

    def __enter__(self) -> Self:
        self._processes.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._threads.shutdown(wait=kind is None, cancel_futures=kind is not None)
        self._processes.__exit__(None, None, None)

    @property
    def renderers(self) -> list[int]:
        """Process ids."""
        return self._processes.pids

    def submit(self, key: str, videos: Iterable[tuple[StorageUrl, StorageUrl, StorageUrl]]) -> None:
        """`videos`: source, augmented clip, and where the two side by side are to lie."""
        self._rendering[key] = [self._threads.submit(self._render, *video) for video in videos]

    def take_ended(self) -> Iterator[tuple[str, list[Comparison] | Failed]]:
        """The clips all of whose videos are rendered, or why one cannot be; each clip once."""
        for key, futures in list(self._rendering.items()):
            if all(future.done() for future in futures):
                del self._rendering[key]
                try:
                    yield key, [future.result() for future in futures]
                except (MediaError, OSError, StorageError, CallFailed) as error:
                    yield key, Failed(str(error))
                except Exception as error:  # noqa: BLE001 - the surprise of one must not take the others with it
                    yield key, Failed(f"{type(error).__name__}: {error}")

    def wait(self, seconds: float) -> int:
        """Returns how many clips are not finished, once another video has ended, or after `seconds`."""
        going_on = [future for futures in self._rendering.values() for future in futures if not future.done()]
        wait(going_on, timeout=seconds, return_when=FIRST_COMPLETED)
        return len(self._rendering)

    def _render(self, source: StorageUrl, augmented: StorageUrl, output: StorageUrl) -> Comparison:
        try:
            return self._processes.call(render, self._storage, source, augmented, output)
        except (CannotEncode, CallFailed, MemoryError) as error:
            problem = str(error) or "there was not enough memory"
        return self._processes.call(render_still, self._storage, source, augmented, output, problem)


def render(storage: Storage, source: StorageUrl, augmented: StorageUrl, output: StorageUrl) -> Comparison:
    """Renders one pair and puts it into storage under its final name once it is whole. Raises MediaError."""
    with tempfile.TemporaryDirectory(prefix="vda-compare-") as folder:
        scratch = Path(folder)
        rendered = scratch / output.name
        video = side_by_side(*_local_copies(storage, source, augmented, scratch), rendered)
        storage.upload(rendered, output)
        pictures = evenly_spaced(rendered, name=str(output), count=_ANIMATED)
        animation = animation_at(output)
        storage.write_bytes(animation, animation_of(pictures))
        picture = sheet_of(pictures[:: _ANIMATED // _IN_A_SHEET], name=str(output))
        return Comparison(
            output, source, augmented, picture, size_bytes=video.size_bytes, video=video, animation=animation
        )


def render_still(
    storage: Storage, source: StorageUrl, augmented: StorageUrl, output: StorageUrl, problem: str
) -> Comparison:
    """A PNG beside where the video would lie. Raises MediaError."""
    url = still_of(output)
    with tempfile.TemporaryDirectory(prefix="vda-compare-") as folder:
        scratch = Path(folder)
        png = scratch / url.name
        picture = still(*_local_copies(storage, source, augmented, scratch), png)
        storage.upload(png, url)
        return Comparison(url, source, augmented, picture, size_bytes=png.stat().st_size, problem=problem)


def _local_copies(storage: Storage, source: StorageUrl, augmented: StorageUrl, scratch: Path) -> tuple[Path, Path]:
    return (
        local_copy(storage, source, scratch / f"source-{source.name}"),
        local_copy(storage, augmented, scratch / f"augmented-{augmented.name}"),
    )


def local_copy(storage: Storage, url: StorageUrl, copy: Path) -> Path:
    """The object as a local file: itself when it is one already."""
    if url.scheme == FILE_SCHEME:
        return Path("/", url.key)
    storage.download(url, copy)
    return copy
