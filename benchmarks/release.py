"""What a release takes beside a plain copy of what it copies, and its push: seconds per clip, and memory that must not
grow.

python benchmarks/release.py [--quick] [--json]

Clips of 300 frames with 10 objects in each and videos of 4 MB, and many small ones of 3 frames with one object; an
original and an augmented video of every one, on this machine's disk, each release in a process of its own. The plain
copy is that of the videos and label scenes, one after the other. The push goes to our stand-in of the Hugging Face hub.
"""

from __future__ import annotations

import argparse
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
from vda_assets_tests import hub_taking  # noqa: E402
from vda_assets_tests.hub_serving import Hub, serving_hub  # noqa: E402
from vda_assets_tests.labels.reading_cost import peak_mib  # noqa: E402
from vda_assets_tests.releases.made import DATASET, MadeClips, Motion  # noqa: E402

WRITER = "hf_writer"


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
    """CPU and wall seconds of the release, and the memory of its process in MiB, of which clips are made before."""
    clips = clips_in(home, kind, count)
    MadeClips(clips.storage, clips.root, candidates=clips.candidates[:1]).release(
        version="first"
    )  # loads what it needs

    before = _spent()
    clips.release(version="all")
    after = _spent()
    return after[0] - before[0], after[1] - before[1], peak_mib()


def copied(home: Path) -> tuple[float, float]:
    """CPU and wall seconds of copying what the release holds of videos and label scenes."""
    root = home / "storage/releases/yard/all"
    before = _spent()
    for folder in ("videos", "labels/daft"):
        shutil.copytree(root / folder, home / "copy" / folder)
    after = _spent()
    return after[0] - before[0], after[1] - before[1]


def pushed(home: Path, hub_url: str) -> tuple[float, float, float]:
    """CPU and wall seconds of the push, and the memory of its process in MiB."""
    import huggingface_hub.constants

    from vda_assets.publishing.finished import find_finished
    from vda_assets.publishing.hub import HubRepository
    from vda_assets.publishing.to_hub import push_to_hub

    huggingface_hub.constants.HF_HUB_DISABLE_XET = True  # the stand-in has none
    finished = find_finished(Storage(), StorageUrl.parse(f"file://{home}/storage"), DATASET, "all")
    before = _spent()
    push_to_hub(finished, HubRepository(f"team/{home.name}", token=WRITER, endpoint=hub_url), public=False)
    after = _spent()
    return after[0] - before[0], after[1] - before[1], peak_mib()


def _spent() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def figures(home: Path, sizes: Sizes) -> Iterator[dict[str, Any]]:
    def alone(work: Callable[..., Any], *arguments: Any) -> Any:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(work, *arguments).result()

    hub_taking._PAGE = 1000  # as the real hub; the tests want many pages of a few files
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
        yield {"name": f"{name}.memory", "value": round(memory), "unit": "MiB"}
        if kind in fewer:
            before, of = fewer[kind]
            yield {"name": f"{name}.memory_grown", "value": round(memory / before, 2), "unit": "ratio"}
            more = (memory - before) * 1024 / (count - of)
            yield {"name": f"{name}.memory_per_clip", "value": round(more, 1), "unit": "KiB"}
        fewer[kind] = memory, count
        with serving_hub(Hub(tokens={WRITER}, writers={WRITER: "team"}), hub_taking.TakingHandler) as hub:
            cpu, wall, memory = alone(pushed, place, hub.url)
        yield {"name": f"push.{kind.name}{count}_clips.cpu_per_clip", "value": round(cpu / count, 4), "unit": "s"}
        yield {"name": f"push.{kind.name}{count}_clips.wall_per_clip", "value": round(wall / count, 4), "unit": "s"}
        yield {"name": f"push.{kind.name}{count}_clips.memory", "value": round(memory), "unit": "MiB"}
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
