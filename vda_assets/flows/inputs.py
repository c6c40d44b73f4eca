"""What the containers get to see of a clip: the clip itself, or its pictures in an MP4 that the run keeps."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from vda_assets.base.counted import counted
from vda_assets.base.failed import Failed
from vda_assets.datasets.clips import MP4, Clip
from vda_assets.flows.processes import CallFailed, Processes
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork, digest
from vda_assets.media.errors import MediaError, NotAVideo
from vda_assets.media.probe import ClipInfo, probe
from vda_assets.media.remux import remux
from vda_assets.media.sniff import HEAD_BYTES, looks_like
from vda_assets.media.suitability import check_length, check_pictures, is_mp4
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import StorageError, TemporarilyUnavailable
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

Item = TypeVar("Item")
Result = TypeVar("Result")

_CLIPS_AT_ONCE = 4
_WITH_INDEX = (MP4, ".mov")
# Of a remote clip that is no MP4 every byte is copied; 3 GB take 5 minutes at 10 MB/s.
CLIP_SECONDS = 600.0
# A clip's header of a few bytes can ask FFmpeg for tables of any size.
CLIP_BYTES = 2 << 30
# paidf-augmentation 1.0.x: more is refused; made in chunks, measured on an H100 NVL, within the generator's limit.
MOST_AUGMENTED_FRAMES = 5000
CHUNK_FRAMES, CHUNK_SECONDS, _GENERATOR_SECONDS = 93, 503, 3600


@dataclass(frozen=True)
class Seen:
    """The clip as its containers will see it; `warnings` say what may come out worse than was asked for."""

    info: ClipInfo
    warnings: tuple[str, ...] = ()


def provide_inputs(
    storage: Storage, works: Sequence[ClipWork], *, layout: RunLayout
) -> Iterator[tuple[ClipWork, Seen | Failed]]:
    """Each work, ready for its containers, with what they will see of its clip, or why they cannot take it.

    Opens every clip, within CLIP_SECONDS and CLIP_BYTES, and writes the MP4s that are missing.
    """
    return _one_by_one(_provide, storage, works, layout)


def foresee_inputs(
    storage: Storage, works: Sequence[ClipWork], *, layout: RunLayout
) -> Iterator[tuple[ClipWork, Seen | Failed]]:
    """The same, with the clips themselves as seen, for works that will not be done: nothing is written."""
    return _one_by_one(_foresee, storage, works, layout)


def look_into(storage: Storage, clips: Sequence[Clip]) -> Iterator[ClipInfo | Failed]:
    """What each clip is, or why that cannot be said; within CLIP_SECONDS and CLIP_BYTES each."""
    return _in_processes(lambda processes, clip: processes.call(_look, storage, clip), clips, name=_name_of)


def _one_by_one(
    look: Callable[[Storage, ClipWork, RunLayout], tuple[ClipWork, Seen]],
    storage: Storage,
    works: Sequence[ClipWork],
    layout: RunLayout,
) -> Iterator[tuple[ClipWork, Seen | Failed]]:
    seen = _in_processes(
        lambda processes, work: processes.call(look, storage, work, layout),
        works,
        name=lambda work: _name_of(work.clip),
    )
    for work, one in zip(works, seen, strict=True):
        yield (work, one) if isinstance(one, Failed) else one


def _in_processes(
    call: Callable[[Processes, Item], Result], items: Sequence[Item], *, name: Callable[[Item], str]
) -> Iterator[Result | Failed]:
    """In the order of the items; a clip that cannot be read is a failure of its own."""
    processes = Processes(seconds=CLIP_SECONDS, memory_bytes=CLIP_BYTES)

    def called(item: Item) -> Result | Failed:
        try:
            return call(processes, item)
        except (StorageError, MediaError, OSError) as error:
            return Failed(str(error), is_own=not isinstance(error, (TemporarilyUnavailable, OSError)))
        except (CallFailed, MemoryError) as error:
            problem = str(error) or f"it takes more than {CLIP_BYTES >> 20} MB"
            return Failed(f"{name(item)}: reading it failed: {problem}. Upload the clip again or take it out.")

    # On an interrupt the processes end first, and then the threads that wait for them.
    with ThreadPoolExecutor(_CLIPS_AT_ONCE) as threads, processes:
        yield from threads.map(called, items)


def _name_of(clip: Clip) -> str:
    return clip.url.name


def _look(storage: Storage, clip: Clip) -> ClipInfo:
    """Raises what `_provide` does."""
    with tempfile.TemporaryDirectory(prefix="vda-look-") as folder:
        return _probed(storage, clip, Path(folder))[1]


def _provide(storage: Storage, work: ClipWork, layout: RunLayout) -> tuple[ClipWork, Seen]:
    """Raises MediaError when the containers cannot take the clip, OSError, or StorageUnavailable."""
    clip = work.clip
    with tempfile.TemporaryDirectory(prefix="vda-remux-") as folder:
        source, info = _probed(storage, clip, Path(folder))
        warnings = check_selection(info, work.selection, name=clip.url.name)
        if not work.takes_clip:
            return work, Seen(info, warnings)
        url, seen = container_input(storage, clip, info, layout=layout, source=source)
    return replace(work, remuxed=url), Seen(seen, warnings)


def _foresee(storage: Storage, work: ClipWork, layout: RunLayout) -> tuple[ClipWork, Seen]:
    """Raises what `_provide` does."""
    clip = work.clip
    with tempfile.TemporaryDirectory(prefix="vda-look-") as folder:
        _, info = _probed(storage, clip, Path(folder))
    seen = Seen(info, check_selection(info, work.selection, name=clip.url.name))
    if not work.takes_clip:
        return work, seen
    check_pictures(info, name=clip.url.name)
    return replace(work, remuxed=None if _is_taken_as_it_is(clip, info) else remuxed_url(layout, clip)), seen


def _probed(storage: Storage, clip: Clip, folder: Path) -> tuple[Path | None, ClipInfo]:
    """What the clip is, and its local copy where there is one: what has no index is read whole, more than once."""
    name = clip.url.name
    local = Path("/", clip.url.key) if clip.url.scheme == FILE_SCHEME else None
    with storage.reading(clip.url) as file:
        if local or clip.suffix in _WITH_INDEX:
            return local, probe(file, name=name)
        # What is no video at all is not copied first.
        if reason := looks_like(file.read(HEAD_BYTES)):
            raise NotAVideo(name, reason)
    copy = folder / name
    storage.download(clip.url, copy)
    return copy, probe(copy, name=name)


def check_selection(info: ClipInfo, selection: Selection, *, name: str) -> tuple[str, ...]:
    """Warnings for what the selected stages will make of the clip. Raises UnsuitableVideo for what they cannot."""
    warnings = []
    if Stage.AUGMENTED_VIDEOS in selection:
        check_length(info, name=name, most_frames=MOST_AUGMENTED_FRAMES)
        seconds = math.ceil(info.frame_count / CHUNK_FRAMES) * CHUNK_SECONDS
        if seconds > _GENERATOR_SECONDS:
            warnings.append(
                f"{name}: generating {counted(info.frame_count, 'frame')} takes about {seconds // 60} minutes on an "
                f"H100, and the generator has {_GENERATOR_SECONDS // 60}: it will probably not finish. "
                f"Cut the clip into pieces of at most {_GENERATOR_SECONDS // CHUNK_SECONDS * CHUNK_FRAMES} frames."
            )
    if info.is_variable_rate:
        warnings.append(
            f"{name}: its frame rate varies ({float(info.fps):.2f} a second on average): times of events in its "
            f"labels drift. Encode it at a constant rate: ffmpeg -i IN -r {round(info.fps)} -c:v libx264 "
            "-pix_fmt yuv420p OUT.mp4"
        )
    return tuple(warnings)


def container_input(
    storage: Storage, clip: Clip, info: ClipInfo, *, layout: RunLayout, source: Path | None = None
) -> tuple[StorageUrl | None, ClipInfo]:
    """Where the run keeps the clip as an MP4, None when it is one itself, and what the containers see.

    `source` is the clip's local copy, when there is one. Raises MediaError when the containers cannot take its
    pictures, OSError, or StorageUnavailable.
    """
    name = clip.url.name
    check_pictures(info, name=name)
    if _is_taken_as_it_is(clip, info):
        return None, info
    url = remuxed_url(layout, clip)
    try:
        with storage.reading(url) as made_before:
            return url, probe(made_before, name=url.name)
    except FileNotFoundError:
        pass
    with tempfile.TemporaryDirectory(prefix="vda-remux-") as folder:
        target = Path(folder, url.name)
        if source is None:
            source = Path(folder, "source")
            storage.download(clip.url, source)
        made = remux(source, target, name=name, info=info)
        storage.upload(target, url)
    return url, made


def _is_taken_as_it_is(clip: Clip, info: ClipInfo) -> bool:
    return clip.suffix == MP4 and is_mp4(info)


def remuxed_url(layout: RunLayout, clip: Clip) -> StorageUrl:
    """One per content: a retried run keeps its folder, though a clip may have changed meanwhile."""
    return layout.remuxed_clip(clip.video, digest(clip.key, clip.version)[:12])
