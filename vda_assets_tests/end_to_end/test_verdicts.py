"""What becomes of an output with each verdict, seen as Dagster shows it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving
from vda_assets_tests.quick_results import add_clips, change_yaml, reject_in_quick_container, use_quick_container

SELECT = ("run", "--dataset", DATASET, "--select", "augmented_videos", "--select", "augmented_labels")


def check(world: World, name: str) -> tuple[bool, str | None]:
    """Whether the newest evaluation of a check passed, and what it says."""
    output, _, check_name = name.partition("/")
    key = dg.AssetCheckKey(dg.AssetKey([DATASET, output]), check_name)
    with world.instance() as instance:
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        found = record.event.dagster_event.asset_check_evaluation_data
        return found.passed, found.description


def test_a_rejected_clip_is_materialized_and_flagged_unless_the_dataset_says_that_it_fails(
    quick_results: Path, tmp_path: Path
) -> None:
    world = make_world(tmp_path)
    use_quick_container(world, quick_results, seconds=0)
    reject_in_quick_container(world, "clip000", "clip001", "clip002")
    add_clips(world, quick_results, 2)
    with serving(world):
        flagged = world.vda(*SELECT)
        assert flagged.returncode == 0, flagged.stdout + flagged.stderr
        assert "hallucination_check failed: score 0.4, at least 0.682 is needed" in flagged.stdout
        assert check(world, "augmented_videos/clips") == (False, "2 clips: 2 rejected")
        # Labels are worth no more than the clip that they are of.
        passed, said = check(world, "augmented_labels/clips")
        assert (passed, said) == (False, "2 clips: 2 accepted")
        _, said = check(world, "augmented_labels/looks_as_drawn")
        assert said is not None
        assert said.startswith("answers that do not fit what was drawn: ")

        dataset = world.folder / f"assets_cfg/datasets/{DATASET}.yaml"
        change_yaml(dataset, lambda one: one.update(verdicts={"rejected": "fail"}))
        add_clips(world, quick_results, 3)
        failed = world.vda(*SELECT)
        assert failed.returncode == 1
        assert "clip002.mp4: augmented_videos FAILED: workflow" in failed.stdout
        assert "completed, but is rejected" in failed.stdout
        assert "clip000.mp4: augmented_videos FAILED" not in failed.stdout
        assert len(list(world.outputs.glob("run-*/outputs/augmented/clip002_aug0/augmented_video.mp4"))) == 1
