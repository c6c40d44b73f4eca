"""How listing the clips of a dataset grows with it: time, memory, and what is saved by going on behind a clip."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil

from vda_assets.datasets.clips import Clip, iterate_clips, list_clips
from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl

# How often the process looks at its own memory.
CLIPS_PER_LOOK = 1_000


@dataclass(frozen=True)
class Listed:
    clips: int
    wall_seconds: float
    before_bytes: int  # resident memory
    most_bytes: int

    @property
    def grown_bytes(self) -> int:
        return self.most_bytes - self.before_bytes


def scale_figures(
    backend: str, storage: Storage, *, few: StorageUrl, many: StorageUrl, middle: str, rounds: int
) -> Iterator[dict[str, Any]]:
    """Ratios of listings of the two folders; each listing has a process of its own, so that its memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as processes:

        def least(folder: StorageUrl, after: str = "", *, hold: bool = False) -> Listed:
            lists = [processes.submit(listed, storage, folder, after, hold=hold).result() for _ in range(rounds)]
            return min(lists, key=lambda one: one.wall_seconds)

        small, large = least(few), least(many)
        half = least(many, middle)
        # Of an emulator's few pages the buffers of connections would be most.
        held = least(many, hold=True) if backend == "file" else None
    name = f"{backend}.clips_{large.clips}"

    def figure(kind: str, value: float, against: str) -> dict[str, Any]:
        return {"name": f"{name}.{kind}", "value": round(value, 2), "unit": "ratio", "against": against}

    per_clip = (large.wall_seconds / large.clips) / (small.wall_seconds / small.clips)
    yield figure("wall_per_clip", per_clip, f"{small.clips} clips")
    yield figure("memory", large.most_bytes / small.most_bytes, f"{small.clips} clips")
    if held:
        yield figure("memory_grown", large.grown_bytes / held.grown_bytes, "all clips held")
    yield figure("wall_resumed_at_half", half.wall_seconds / large.wall_seconds, "all of them")


def listed(storage: Storage, folder: StorageUrl, after: str, *, hold: bool) -> Listed:
    process = psutil.Process()
    next(iterate_clips(storage, folder))  # connects, and loads what is loaded late
    gc.collect()
    before_bytes = most_bytes = process.memory_info().rss
    clips = 0
    started = time.perf_counter()
    found = list_clips(storage, folder).clips if hold else iterate_clips(storage, folder, after=after)
    for clip in found:
        assert isinstance(clip, Clip)
        clips += 1
        if clips % CLIPS_PER_LOOK == 0:
            most_bytes = max(most_bytes, process.memory_info().rss)
    return Listed(clips, time.perf_counter() - started, before_bytes, most_bytes)
