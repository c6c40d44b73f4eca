"""What a release takes beside a plain copy of what it copies: seconds per clip, and memory that must not grow.

python benchmarks/release.py [--quick] [--json]

Clips of 300 frames with 10 objects in each, an original and an augmented video of every one, on this machine's disk,
each job in a process of its own. The plain copy is that of the videos and label scenes, one after the other.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from told import tell  # noqa: E402

from vda_assets.storage.access import Storage  # noqa: E402
from vda_assets.storage.url import StorageUrl  # noqa: E402
from vda_assets_tests.releases.made import MadeClips, Motion  # noqa: E402

FRAMES, OBJECTS = 300, 10
VIDEO_BYTES = 4_000_000
MOTIONS = tuple(
    Motion(f"car_{number}", "car", 0, FRAMES - 1, 2.0 + 5 * number, 2.0 + 5 * number, 0.1) for number in range(OBJECTS)
)


def clips_in(home: Path, count: int) -> MadeClips:
    clips = MadeClips(Storage(), StorageUrl.parse(f"file://{home}/storage"))
    for number in range(count):
        clips.add(f"clip{number:05d}.mp4", motions=MOTIONS, frames=FRAMES, bytes_more=VIDEO_BYTES)
    return clips


def released(home: Path, count: int) -> tuple[float, float, float]:
    """CPU and wall seconds of the release, and the memory of its process in MB, of which clips are made before."""
    clips = clips_in(home, count)
    MadeClips(clips.storage, clips.root, candidates=clips.candidates[:1]).release(
        version="first"
    )  # loads what it needs

    before = _spent()
    clips.release(version="all")
    after = _spent()
    return after[0] - before[0], after[1] - before[1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def copied(home: Path) -> tuple[float, float]:
    """CPU and wall seconds of copying what the release holds of videos and label scenes."""
    root = home / "storage/releases/yard/all"
    before = _spent()
    for folder in ("videos", "labels/daft"):
        shutil.copytree(root / folder, home / "copy" / folder)
    after = _spent()
    return after[0] - before[0], after[1] - before[1]


def _spent() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def figures(home: Path, sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    def alone(work: Callable[..., Any], *arguments: Any) -> Any:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(work, *arguments).result()

    fewer: float | None = None
    for count in sizes:
        place = home / str(count)
        cpu, wall, memory = alone(released, place, count)
        copy_cpu, copy_wall = alone(copied, place)
        name = f"release.{count}_clips"
        yield {"name": f"{name}.cpu_per_clip", "value": round(cpu / count, 4), "unit": "s"}
        yield {"name": f"{name}.wall_per_clip", "value": round(wall / count, 4), "unit": "s"}
        yield {"name": f"{name}.copy_wall_per_clip", "value": round(copy_wall / count, 4), "unit": "s"}
        yield {"name": f"{name}.copy_cpu_per_clip", "value": round(copy_cpu / count, 4), "unit": "s"}
        yield {"name": f"{name}.over_copy", "value": round(wall / copy_wall, 2), "unit": "ratio"}
        yield {"name": f"{name}.memory", "value": round(memory), "unit": "MB"}
        if fewer:
            yield {"name": f"{name}.memory_grown", "value": round(memory / fewer, 2), "unit": "ratio"}
        fewer = memory
        shutil.rmtree(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="4 and 16 clips; under a minute")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vda-bench-") as home:
        tell(figures(Path(home), (4, 16) if arguments.quick else (10, 100)), as_json=arguments.json)


if __name__ == "__main__":
    main()
