"""What becomes of an output with each verdict, seen as Dagster shows it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import dagster as dg

from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving
from vda_assets_tests.quick_results import add_clips, change_yaml, use_quick_container

SELECT = ("run", "--dataset", DATASET, "--select", "augmented_videos", "--select", "augmented_labels")


def checks_of(world: World, name: str) -> dict[str, bool]:
    """Partition -> whether the newest evaluation of `augmented_videos`' or `augmented_labels`' check passed."""
    found: dict[str, bool] = {}
    with world.instance() as instance:
        for run in instance.get_runs():
            for record in instance.get_records_for_run(
                run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
            ).records:
                evaluation = record.event_log_entry.dagster_event.asset_check_evaluation_data
                if f"{evaluation.asset_key.path[-1]}/{evaluation.check_name}" == name:
                    found.setdefault(evaluation.partition, evaluation.passed)
    return found


def test_a_rejected_clip_is_materialized_and_flagged_unless_the_dataset_says_that_it_fails(
    quick_results: Path, tmp_path: Path
) -> None:
    results = shutil.copytree(quick_results, tmp_path / "results")
    metadata = json.loads((results / "augmentation/metadata.json").read_text())
    metadata["hallucination_check"].update(passed=False, score=0.4)
    _rewrite(results, "augmentation", "metadata.json", metadata)
    (tmp_path / "world").mkdir()
    world = make_world(tmp_path / "world")
    use_quick_container(world, results, seconds=0)
    add_clips(world, results, 2)
    with serving(world):
        flagged = world.vda(*SELECT)
        assert flagged.returncode == 0, flagged.stdout + flagged.stderr
        assert "hallucination_check failed: score 0.4, at least 0.682 is needed" in flagged.stdout
        assert checks_of(world, "augmented_videos/verdict") == {"clip000.mp4": False, "clip001.mp4": False}
        # Labels are worth no more than the clip that they are of.
        assert checks_of(world, "augmented_labels/verdict") == {"clip000.mp4": False, "clip001.mp4": False}
        assert set(checks_of(world, "augmented_labels/looks_as_drawn")) == {"clip000.mp4", "clip001.mp4"}

        dataset = world.folder / f"assets_cfg/datasets/{DATASET}.yaml"
        change_yaml(dataset, lambda one: one.update(verdicts={"rejected": "fail"}))
        add_clips(world, results, 3)
        failed = world.vda(*SELECT)
        assert failed.returncode == 1
        assert "clip002.mp4: augmented_videos FAILED: workflow" in failed.stdout
        assert "completed, but is rejected" in failed.stdout
        assert "clip000.mp4: augmented_videos FAILED" not in failed.stdout
        assert len(list(world.outputs.glob("run-*/outputs/augmented/clip002_aug0/augmented_video.mp4"))) == 1


def _rewrite(results: Path, container: str, name: str, content: dict) -> None:
    """Changes a file of a container's results, and what its outcome.json says of it."""
    import hashlib

    data = json.dumps(content).encode()
    (results / container / name).write_bytes(data)
    path = results / f"{container}.outcome.json"
    outcome = json.loads(path.read_text())
    for file in outcome["files"]:
        if file["path"] == name:
            file.update(size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    path.write_text(json.dumps(outcome))
