"""`e2e_super_resolution` on clips with odd names and places: what is enhanced is labelled, the original augmented."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vda_assets.media.probe import ClipInfo, probe
from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.world import DATASET, World

# Clip below the dataset's folder -> the name of all that is made of it.
CLIPS = {"yard/north/gate.mp4": "yard=2Fnorth=2Fgate", "my clip ü.mp4": "my=20clip=20=C3=BC", "street.mkv": "street"}


def look(path: Path) -> ClipInfo:
    return probe(path, name=path.name)


@pytest.fixture(scope="module")
def outputs(world: World) -> Path:
    for number, clip in enumerate(CLIPS):
        cut(world.clips / clip, start=40 * number, frames=12)
    config = world.folder / "assets_cfg/cookbooks/city_traffic/auto_labeling/auto_labeling_config.yaml"
    config.write_text(config.read_text().replace("res_h: 720", "res_h: 360"))
    done = world.vda("run", "--dataset", DATASET, "--flow", "e2e_super_resolution")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  accepted  ") == 3 * len(CLIPS), done.stdout
    (run,) = world.runs()
    return run / "outputs"


@pytest.mark.parametrize("clip", CLIPS)
def test_scene_clip_and_next_stage_agree_on_the_name(outputs: Path, clip: str) -> None:
    name = CLIPS[clip]
    for scene, video_id in (
        (f"pseudo_labeled/{name}", name),
        (f"pseudo_labeled_augmented/{name}_aug0", f"{name}_aug0"),
    ):
        assert [path.name for path in (outputs / scene / "raw").iterdir()] == [f"{video_id}.mp4"]
        for file in ("contextual/objects.json", "contextual/video.json"):
            assert json.loads((outputs / scene / file).read_text())["video_id"] == video_id
    metadata = json.loads((outputs / f"augmented/{name}_aug0/metadata.json").read_text())
    assert Path(metadata["input_media_path"]).name == f"{name}_aug0.mp4"


@pytest.mark.parametrize("clip", CLIPS)
def test_the_original_is_augmented_and_the_enhanced_clip_is_labelled(world: World, outputs: Path, clip: str) -> None:
    name, source = CLIPS[clip], look(world.clips / clip)
    made = look(outputs / f"augmented/{name}_aug0/augmented_video.mp4")
    assert (made.width, made.height, made.frame_count) == (source.width, source.height, 12)
    enhanced = look(outputs / f"pseudo_labeled/{name}/raw/{name}.mp4")
    assert enhanced.width * enhanced.height > source.width * source.height
    assert json.loads((outputs / f"pseudo_labeled/{name}/contextual/video.json").read_text())["width"] == enhanced.width


@pytest.mark.parametrize("clip", CLIPS)
def test_the_augmentation_waited_for_the_labels_of_the_enhanced_clip(outputs: Path, clip: str) -> None:
    labelled, augmented = (
        outputs / f"{folder}/outcome.json"
        for folder in (
            f"pseudo_labeled/{CLIPS[clip]}",
            f"augmented/{CLIPS[clip]}_aug0",
        )
    )
    started = augmented.stat().st_mtime - sum(json.loads(augmented.read_text())["seconds"].values())
    assert labelled.stat().st_mtime <= started + 0.5
