#!/usr/bin/env python3
"""How the storage room compares, backend by backend, with plain fsspec and with the backend's own best client.

Lists 10,000 clips and copies 1,000 x 10 KB and 8 x 64 MB to this machine, from emulators that run here. All figures are
ratios of what was measured side by side in this one run, the best of the rounds: below 1 the room is faster (or
needs less CPU of its own process; that of the emulators is not counted). `copy` is what pipelines do. `mirror` is
`vda mirror`, which verifies MD5s and resumes as well; there the best client is one that verifies too, and fsspec, which
does not, has less to do. `clips` is a whole dataset: 100,000 in a local folder, 10,000 on S3 and Azure. Google's
emulator takes a pause with every request, so it gets fewer clips and small objects, and its scale is not measured.

  python benchmarks/storage.py [--quick] [--json] [--backend s3 …]
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from storage_clients import THREADS, Client, fsspec_client, own_clients, room, room_verified
from storage_scale import scale_figures

from vda_assets_tests.storage.emulators import BACKENDS, Place

Result = TypeVar("Result")
MOST_ROUNDS = 15
# What sources, copies and emulators hold at their most.
MEMORY_BYTES = 6_000_000_000
KILO, MEGA = 1_000, 1_000_000
CHUNK_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True)
class Load:
    """How many objects each folder has, and of which size; how often, and for how long at least, a job is done."""

    clips: int
    small: int
    large: int
    large_bytes: int
    rounds: int
    enough_seconds: float

    def folders(self) -> dict[str, tuple[int, int]]:
        return {"clips": (self.clips, 1), "small": (self.small, 10 * KILO), "large": (self.large, self.large_bytes)}


FULL = Load(clips=10_000, small=1_000, large=8, large_bytes=64 * MEGA, rounds=2, enough_seconds=6)
# One request after the other, each with a pause, is what Google's emulator can do.
SLOW = Load(clips=500, small=20, large=8, large_bytes=64 * MEGA, rounds=2, enough_seconds=6)
QUICK = Load(clips=500, small=20, large=8, large_bytes=16 * MEGA, rounds=1, enough_seconds=0.5)


@dataclass(frozen=True)
class Spent:
    wall_seconds: float
    cpu_seconds: float


Best = dict[str, Spent]  # by the client's name


def fill(place: Place, load: Load) -> None:
    storage, content = place.storage, random.Random(1).randbytes(load.large_bytes)
    for folder, (objects, size_bytes) in load.folders().items():
        urls = [place.root / folder / f"{number:06}.mp4" for number in range(objects)]
        with ThreadPoolExecutor(1 if size_bytes >= MEGA or place.root.scheme == "gs" else THREADS) as threads:
            list(threads.map(lambda url, size=size_bytes: storage.write_bytes(url, content[:size]), urls))


def timed(work: Callable[[], Result]) -> tuple[Result, Spent]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, Spent(time.perf_counter() - wall, time.process_time() - cpu)


def best_of(clients: list[Client], *, own: list[Client], load: Load, once: Callable[[Client], Spent]) -> Best:
    """The least that each client spent. Rounds begin with another client each, so that all see the same machine.

    Jobs that take no time are done more often; of the backend's own clients only what may still be the best goes on.
    """
    best: Best = {}
    racing, started = clients, time.perf_counter()
    gc.collect()
    for number in range(MOST_ROUNDS):
        if number >= load.rounds and time.perf_counter() - started > load.enough_seconds:
            break
        turn = number % len(racing)
        for client in racing[turn:] + racing[:turn]:
            spent = once(client)
            known = best.get(client.name, spent)
            best[client.name] = Spent(
                min(known.wall_seconds, spent.wall_seconds), min(known.cpu_seconds, spent.cpu_seconds)
            )
        least = min((best[client.name].cpu_seconds for client in own), default=0.0)
        racing = [one for one in clients if one not in own or best[one.name].cpu_seconds < 2 * least]
    return best


def figures_of(backend: str, load: Load, scratch: Path) -> Iterator[dict[str, Any]]:
    with BACKENDS[backend](scratch) as place:
        fill(place, load)
        own = list(own_clients(place))
        verifying = [client for client in own if "verifying" in client.name]
        plain, ours, verified = fsspec_client(place), room(place), room_verified(place)
        targets = (scratch / f"copy{number}" for number in count())

        def listed(client: Client) -> Spent:
            found, spent = timed(lambda: client.count("clips"))
            assert found == load.clips
            return spent

        def copied(client: Client, folder: str) -> Spent:
            objects, size_bytes = load.folders()[folder]
            target = next(targets)
            target.mkdir()
            _, spent = timed(lambda: client.copy(folder, target))
            assert sum(path.stat().st_size for path in target.rglob("*.mp4")) == objects * size_bytes
            # ext4 is slow to make files right after as many were deleted, and its time would be taken for the client's.
            if size_bytes >= MEGA:
                shutil.rmtree(target)
            return spent

        listing = [client for client in own if client.name != "obstore, verifying"]
        spent = best_of([ours, plain, *listing], own=listing, load=load, once=listed)
        yield from ratios(f"{backend}.list_{load.clips}", spent, "room", listing)
        for folder, name in (("small", f"{load.small}x10KB"), ("large", f"{load.large}x{load.large_bytes // MEGA}MB")):
            spent = best_of([ours, verified, plain, *own], own=own, load=load, once=partial(copied, folder=folder))
            yield from ratios(f"{backend}.copy_{name}", spent, "room", own)
            yield from ratios(f"{backend}.mirror_{name}", spent, "room_verified", verifying or own)
        if backend == "file" or load is FULL:
            yield from scale_of(backend, place, load)


def scale_of(backend: str, place: Place, load: Load) -> Iterator[dict[str, Any]]:
    """Local folders hold ten times as many clips; filling an emulator with them would take too long."""
    folder, objects = "clips", load.clips
    if backend == "file":
        folder, objects = "many", load.clips * 10
        path = Path("/", (place.root / folder).key)
        path.mkdir()
        for number in range(objects):
            (path / f"{number:06}.mp4").write_bytes(b"x")
    few = place.root / ("clips" if backend == "file" else "small")
    middle = f"{objects // 2:06}.mp4"
    yield from scale_figures(
        backend, place.storage, few=few, many=place.root / folder, middle=middle, rounds=load.rounds
    )


def ratios(name: str, spent: Best, who: str, own: list[Client]) -> Iterator[dict[str, Any]]:
    mine, plain = spent[who], spent["fsspec"]
    seconds = {
        client: {"wall": round(one.wall_seconds, 3), "cpu": round(one.cpu_seconds, 3)} for client, one in spent.items()
    }

    def figure(kind: str, value: float, against: str) -> dict[str, Any]:
        return {"name": f"{name}.{kind}", "value": round(value, 2), "unit": "ratio", "against": against}

    yield {**figure("wall_vs_fsspec", mine.wall_seconds / plain.wall_seconds, "fsspec"), "seconds": seconds}
    if own:
        best = min((client.name for client in own), key=lambda client: spent[client].cpu_seconds)
        yield figure("cpu_vs_best", mine.cpu_seconds / spent[best].cpu_seconds, best)


def scratch_root() -> str | None:
    """Memory where there is enough: a disk's journal and its other users would be measured along."""
    memory = Path("/dev/shm")  # noqa: S108 - looked for, not trusted
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_BYTES else None


def main() -> int:
    parser = argparse.ArgumentParser(description="the storage room against fsspec and the backends' own clients")
    parser.add_argument("--quick", action="store_true", help="a small load, in less than a minute")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--backend", action="append", choices=list(BACKENDS), help="only this one; may be repeated")
    arguments = parser.parse_args()
    figures: list[dict[str, Any]] = []
    for backend in arguments.backend or BACKENDS:
        with ExitStack() as stack:
            scratch = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="vda-benchmark-", dir=scratch_root()))
            )
            try:
                load = QUICK if arguments.quick else SLOW if backend == "gs" else FULL
                for figure in figures_of(backend, load, scratch):
                    figures.append(figure)
                    if not arguments.json:
                        print(f"{figure['name']:42} {figure['value']:6.2f}  against {figure['against']}", flush=True)
            except pytest.skip.Exception as reason:
                print(f"{backend}: {reason}", file=sys.stderr)
    if arguments.json:
        print(json.dumps({"figures": figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
