"""What a release takes beside a plain copy of what it copies: seconds per clip, and memory that must not grow.

python benchmarks/release.py [--quick] [--json]

Clips of 300 frames with 10 objects in each and videos of 4 MB, and many small ones of 3 frames with one object; an
original and an augmented video of every one, on this machine's disk, each release in a process of its own. The plain
copy is that of the videos and label scenes, one after the other.
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
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from told import tell  # noqa: E402

from vda_assets.storage.access import Storage  # noqa: E402
from vda_assets.storage.url import StorageUrl  # noqa: E402
from vda_assets_tests.releases.made import MadeClips, Motion  # noqa: E402


@dataclass(frozen=True)
class Kind:
    """`name` stands before what is told of such clips."""

    name: str
    frames: int
    objects: int
    video_bytes: int

    @property
    def motions(self) -> tuple[Motion, ...]:
        return tuple(
            Motion(f"car_{number}", "car", 0, self.frames - 1, 2.0 + 5 * number, 2.0 + 5 * number, 0.1)
            for number in range(self.objects)
        )


LARGE, SMALL = Kind("", 300, 10, 4_000_000), Kind("small_", 3, 1, 0)
Sizes = Sequence[tuple[Kind, int]]
USUAL: Sizes = ((LARGE, 10), (LARGE, 100), (SMALL, 1000), (SMALL, 10_000))
QUICK: Sizes = ((LARGE, 4), (LARGE, 12), (SMALL, 20), (SMALL, 100))


def clips_in(home: Path, kind: Kind, count: int) -> MadeClips:
    clips = MadeClips(Storage(), StorageUrl.parse(f"file://{home}/storage"))
    for number in range(count):
        clips.add(f"clip{number:05d}.mp4", motions=kind.motions, frames=kind.frames, bytes_more=kind.video_bytes)
    return clips


def released(home: Path, kind: Kind, count: int) -> tuple[float, float, float]:
    """CPU and wall seconds of the release, and the memory of its process in MB, of which clips are made before."""
    clips = clips_in(home, kind, count)
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


def figures(home: Path, sizes: Sizes) -> Iterator[dict[str, Any]]:
    def alone(work: Callable[..., Any], *arguments: Any) -> Any:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(work, *arguments).result()

    fewer: dict[Kind, tuple[float, int]] = {}
    for kind, count in sizes:
        place = home / f"{kind.name}{count}"
        cpu, wall, memory = alone(released, place, kind, count)
        copy_cpu, copy_wall = copied(place)
        name = f"release.{kind.name}{count}_clips"
        yield {"name": f"{name}.cpu_per_clip", "value": round(cpu / count, 4), "unit": "s"}
        yield {"name": f"{name}.wall_per_clip", "value": round(wall / count, 4), "unit": "s"}
        yield {"name": f"{name}.copy_wall_per_clip", "value": round(copy_wall / count, 4), "unit": "s"}
        yield {"name": f"{name}.copy_cpu_per_clip", "value": round(copy_cpu / count, 4), "unit": "s"}
        yield {"name": f"{name}.over_copy", "value": round(wall / copy_wall, 2), "unit": "ratio"}
        yield {"name": f"{name}.memory", "value": round(memory), "unit": "MB"}
        if kind in fewer:
            before, of = fewer[kind]
            yield {"name": f"{name}.memory_grown", "value": round(memory / before, 2), "unit": "ratio"}
            more = (memory - before) * 1000 / (count - of)
            yield {"name": f"{name}.memory_per_clip", "value": round(more, 1), "unit": "kB"}
        fewer[kind] = memory, count
        shutil.rmtree(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="4 and 12 clips, 20 and 100 small ones; under a minute")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vda-bench-") as home:
        tell(figures(Path(home), QUICK if arguments.quick else USUAL), as_json=arguments.json)


if __name__ == "__main__":
    main()
