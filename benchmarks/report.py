"""What a report on many clips takes: `vda report` into storage and into a folder, and how large its page is.

Dagster's books have every output of every clip, with reasons, draws and label counts; clips, pictures and videos are
links to one small file each. Peak memory is that of the whole process, beside that of a report on a tenth of the clips.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
from PIL import Image
from told import tell

from vda_assets.cookbooks.draw import draws_for
from vda_assets.flows.stages import OUTPUTS, Rendered, Stage
from vda_assets.project import Scope, load_project
from vda_assets.runs.names import asset_key, videos_partitions
from vda_assets.runs.private import DATA_VERSION_TAG
from vda_assets.runs.recording.versions import OutputVersion
from vda_assets.storage.layout import RunLayout, animation_at

REPOSITORY = Path(__file__).parents[1]
VERDICTS = ("accepted", "accepted", "accepted", "rejected", "degraded")
REASON = "the hallucination check scored 0.31, at least 0.5 is needed; the clip that is labelled is rejected"


def project_of(home: Path, clips: int) -> dict[str, str]:
    """A project with so many clips that are made; returns the environment of commands in it."""
    shutil.copytree(REPOSITORY / "assets_cfg", home / "assets_cfg")
    environment = {"VDA_ASSETS_CFG": str(home / "assets_cfg"), "VDA_HOME": str(home / "home")}
    (home / "dagster").mkdir()
    shutil.copyfile(REPOSITORY / "dagster.yaml", home / "dagster/dagster.yaml")
    project = load_project(environment)
    scope = project.scope_of(project.dataset("street"))
    keys = [f"clip{number:06}.mp4" for number in range(clips)]
    layout = RunLayout(scope.dataset.storage_url, scope.dataset.name, "run-0a1b2c3d")
    lay_files(scope, layout, keys, home / "one")
    partitions = videos_partitions(scope.dataset).name
    assert partitions is not None
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        instance.add_dynamic_partitions(partitions, keys)
        for number, key in enumerate(keys):
            for event in events_of(scope, layout, key, VERDICTS[number % len(VERDICTS)]):
                instance.report_runless_asset_event(event)
    return {**os.environ, **environment, "DAGSTER_HOME": str(home / "dagster")}


def lay_files(scope: Scope, layout: RunLayout, keys: list[str], one: Path) -> None:
    """Clips, moving pictures and side-by-side videos; each is a link to one of three files."""
    webp = BytesIO()
    frames = [Image.effect_noise((640, 160), 40 + number).convert("RGB") for number in range(12)]
    frames[0].save(webp, "WEBP", save_all=True, append_images=frames[1:], quality=60, method=2)
    one.mkdir()
    for name, content in {"clip": b"clip", "video": b"video", "webp": webp.getvalue()}.items():
        (one / name).write_bytes(content)
    for key in keys:
        video = layout.comparison(f"{key.removesuffix('.mp4')}_aug0")
        for url, source in (
            (scope.dataset.dataset_url / key, "clip"),
            (video, "video"),
            (animation_at(video), "webp"),
        ):
            target = Path("/", url.key)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(one / source)


def events_of(scope: Scope, layout: RunLayout, key: str, verdict: str) -> Iterator[dg.AssetMaterialization]:
    (draw,) = draws_for(scope.cookbook.distribution, key.removesuffix(".mp4"))
    counts = [{"frames": 300, "frames_with_objects": 250, "objects": {"car": 12, "person": 7, "bicycle": 2}}]
    shared = {"run_id": layout.run_id, "gpu_seconds": 900.0, "cost": 0.625, "currency": "EUR"}
    special: dict[str, dict[str, Any]] = {
        Stage.ORIGINAL_LABELS: {"label_counts": counts, "summary": "| label | value |\n" * 20},
        Stage.AUGMENTED_VIDEOS: {
            "sampled_vars": {"0": dict(draw.sampled_vars)},
            "dagster/uri": str(layout.output("outputs/augmented", draw.name)),
            **({} if verdict == "accepted" else {"reasons": REASON}),
        },
        Stage.AUGMENTED_LABELS: {"label_counts": counts, "summary": "| label | value |\n" * 20},
        Rendered.COMPARISONS: {"preview": f"![](data:image/jpeg;base64,{'A' * 15_000})"},
    }
    for output in OUTPUTS:
        said = "" if output is Rendered.COMPARISONS else verdict if output is Stage.AUGMENTED_VIDEOS else "accepted"
        version = OutputVersion("0" * 64, verdict=said)
        yield dg.AssetMaterialization(
            asset_key(scope.dataset, output),
            partition=key,
            metadata={**shared, **special[output]},
            tags={DATA_VERSION_TAG: str(version)},
        )


def measured(environment: dict[str, str], *arguments: str) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory in MB of `vda`."""
    command = [sys.executable, "-m", "vda_assets.cli", *arguments]
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def figures(home: Path, clips: int) -> Iterator[dict[str, Any]]:
    environment = project_of(home, clips)
    ways = {"storage": (), "folder": ("--output", str(home / "sent"))}
    for way, options in ways.items():
        taken = measured(environment, "report", "--dataset", "street", *options)
        for value, name, unit in zip(taken, ("wall", "cpu", "peak_memory"), ("s", "s", "MB"), strict=True):
            yield {"name": f"report.clips_{clips}.{way}.{name}", "value": round(value, 1), "unit": unit}
    for name in ("report.html", "report.json", "report.csv"):
        size = (home / "sent" / name).stat().st_size / 1e6
        yield {"name": f"report.clips_{clips}.{name}", "value": round(size, 2), "unit": "MB"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 and 200 clips; under a minute")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    tell(of_each((20, 200) if arguments.quick else (100, 1_000)), as_json=arguments.json)


def of_each(sizes: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    for clips in sizes:
        with tempfile.TemporaryDirectory(prefix="vda-bench-") as home:
            yield from figures(Path(home), clips)


if __name__ == "__main__":
    main()
