"""Every flow, run as a user runs it: `vda run` on real clips against the embedded OSMO."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from vda_assets.base.problem import Severity
from vda_assets.labels.validate import validate_scene
from vda_assets.media.probe import probe
from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.world import DATASET, World

CLIP = "street.mp4"
LABELLED = {"outputs/pseudo_labeled/street", "display/street_street_pseudo_labeled.webp"}
AUGMENTED_VIDEO = {"outputs/augmented/street_aug0", "display/street_street_aug0_augmented.webp"}
AUGMENTED_LABELS = {
    "outputs/pseudo_labeled_augmented/street_aug0",
    "display/street_street_aug0_pseudo_labeled_augmented.webp",
}
COMPARISONS = {f"display/street_street_aug0_compare.{kind}" for kind in ("mp4", "webp")}
AUGMENTED = AUGMENTED_VIDEO | AUGMENTED_LABELS | COMPARISONS


def folders_of(run: Path) -> set[str]:
    """The folders of results in a run, and each of the files that are to be looked at."""
    found = {str(path.relative_to(run)) for pattern in ("outputs/*/*", "display/*") for path in run.glob(pattern)}
    return found | {path.name for path in run.iterdir() if path.name not in {"outputs", "display", "setup_b0"}}


@pytest.fixture
def clip(world: World) -> Path:
    """A clip that no test before has worked on."""
    shutil.rmtree(world.clips)
    return cut(world.clips / CLIP, start=60, frames=24 + len(world.runs()))


def new_run(world: World, *arguments: str) -> Path:
    before = world.runs()
    done = world.vda("run", "--dataset", DATASET, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = set(world.runs()) - set(before)
    assert (run / "setup_b0" / "configs" / "manifest.yaml").exists()
    return run


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        ("auto_labeling", LABELLED),
        ("augmentation_and_al", AUGMENTED),
        ("e2e_super_resolution", LABELLED | AUGMENTED),
    ],
)
def test_a_flow_leaves_exactly_its_folders(world: World, clip: Path, flow: str, expected: set[str]) -> None:
    assert folders_of(new_run(world, "--flow", flow)) == expected


def test_e2e_leaves_the_same_motion_in_other_weather_with_valid_scenes_and_the_same_command_makes_nothing_again(
    world: World, clip: Path
) -> None:
    run = new_run(world, "--flow", "e2e")
    assert folders_of(run) == LABELLED | AUGMENTED

    source, augmented = probe(clip, name=CLIP), run / "outputs/augmented/street_aug0"
    made = probe(augmented / "augmented_video.mp4", name="augmented")
    assert (made.width, made.height, made.frame_count, made.fps) == (
        source.width,
        source.height,
        source.frame_count,
        source.fps,
    )
    metadata = json.loads((augmented / "metadata.json").read_text())
    assert metadata["stand_in"]
    assert set(metadata["selections"]) == {"weather", "time_of_day"}
    for scene in ("pseudo_labeled/street", "pseudo_labeled_augmented/street_aug0"):
        problems = validate_scene(run / "outputs" / scene)
        assert [problem for problem in problems if problem.severity is Severity.ERROR] == []

    before = world.runs()
    again = world.vda("run", "--dataset", DATASET, "--flow", "e2e")
    assert again.returncode == 0
    assert world.runs() == before
    assert again.stdout.count("(finished before)") == 4
    media = [Path(line.removeprefix("MEDIA:")) for line in again.stdout.splitlines() if line.startswith("MEDIA:")]
    assert [path.name for path in media] == [
        "street_street_aug0_compare.mp4",
        "augmented_video.mp4",
        "street_street_aug0_augmented.webp",
        "street_street_pseudo_labeled.webp",
        "street_street_aug0_pseudo_labeled_augmented.webp",
    ]
    assert all(path.is_file() for path in media)


def test_what_somebody_deleted_and_what_changed_in_a_clip_is_made_again(world: World, clip: Path) -> None:
    shutil.rmtree(new_run(world, "--flow", "auto_labeling") / "outputs")
    assert folders_of(new_run(world, "--flow", "auto_labeling")) == LABELLED
    cut(clip, start=100, frames=20)
    assert folders_of(new_run(world, "--flow", "auto_labeling")) == LABELLED


def test_single_outputs_are_made_one_by_one_from_what_there_is(world: World, clip: Path) -> None:
    early = world.vda("run", "--dataset", DATASET, "--select", "augmented_labels")
    assert early.returncode == 1
    assert "select augmented_videos as well" in early.stdout

    augmented = new_run(world, "--select", "augmented_videos")
    assert folders_of(augmented) == AUGMENTED_VIDEO
    labelled = new_run(world, "--select", "augmented_labels")
    assert folders_of(labelled) == AUGMENTED_LABELS
    before = world.runs()
    compared = world.vda("run", "--dataset", DATASET, "--select", "comparisons")
    assert compared.returncode == 0
    (display,) = set(world.runs()) - set(before)
    assert folders_of(display) == COMPARISONS
