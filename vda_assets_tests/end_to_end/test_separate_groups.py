"""Several augmentations of a clip in a group each, as `augmentation_grouping: separate` asks for."""

from __future__ import annotations

import shutil
from pathlib import Path

from vda_assets.media.probe import probe
from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.spoiling import heal, use_spoiling_container
from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving
from vda_assets_tests.quick_results import change_yaml

BAD, FLAGGED = "crashes_on_index_1", "invents_motion_on_index_1"
SELECT = ("run", "--dataset", DATASET, "--select", "augmented_videos", "--select", "augmented_labels")


def whole(world: World, clip: str) -> set[str]:
    """The clip's outputs that their workers finished, in whatever run."""
    found = world.outputs.glob(f"run-*/outputs/*/{clip}_aug?/outcome.json")
    return {f"{path.parent.parent.name}/{path.parent.name.removeprefix(f'{clip}_')}" for path in found}


def test_each_index_goes_its_own_way_and_keeps_what_it_made_when_the_other_fails(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    use_spoiling_container(world, silence_seconds=60)
    assets_cfg = world.folder / "assets_cfg"
    change_yaml(assets_cfg / "deployments/local.yaml", lambda one: one.update(augmentation_grouping="separate"))
    workflow_config = assets_cfg / "cookbooks/city_traffic/workflow_config.yaml"
    change_yaml(workflow_config, lambda one: one["augmentation"].update(n_augmentations=2))
    clip = cut(world.folder / "clip.mp4", frames=12)
    for name in (BAD, FLAGGED):
        shutil.copyfile(clip, world.clips / f"{name}.mp4")
    everything = {f"{stage}/aug{index}" for stage in ("augmented", "pseudo_labeled_augmented") for index in (0, 1)}

    with serving(world):
        first = world.vda(*SELECT)

        assert first.returncode == 1
        assert f"{BAD}.mp4: augmented_videos FAILED: task cosmos_worker_1 ended FAILED: exit code 3" in first.stdout
        assert f"{BAD}.mp4: augmented_labels FAILED: task pl_augmented_worker_1 ended FAILED_UPSTREAM" in first.stdout
        assert f"{FLAGGED}.mp4: augmented_videos rejected (aug1: hallucination_check failed: " in first.stdout
        assert f"/augmented/{FLAGGED}_aug1 and run again" in first.stdout
        assert whole(world, BAD) == {"augmented/aug0", "pseudo_labeled_augmented/aug0"}
        assert whole(world, FLAGGED) == everything
        (kept,) = world.outputs.glob(f"run-*/outputs/augmented/{BAD}_aug0/augmented_video.mp4")
        assert probe(kept, name="kept").frame_count == 12

        heal(world)
        again = world.vda(*SELECT)

        assert again.returncode == 0, again.stdout + again.stderr
        assert whole(world, BAD) == everything
        assert again.stdout.count("(finished before)") == 2
        assert set(world.workflows().values()) == {"FAILED", "COMPLETED"}
