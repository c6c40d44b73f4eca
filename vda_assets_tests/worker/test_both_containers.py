"""Both containers through all their steps with the stand-ins, and the scene that is left."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vda_assets
from vda_assets_tests.worker.bench import LLM, VLM, Bench, Ended, paths

PYTHON_3_10 = next(Path.home().glob(".pyenv/versions/3.10.*/bin/python"), None) or shutil.which("python3.10")


def tao_daft(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("tao-daft")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def assert_lists_every_file(ended: Ended) -> None:
    assert ended.outcome is not None
    found = {
        str(path.relative_to(ended.output)): (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in ended.output.rglob("*")
        if path.is_file() and path.name != "outcome.json"
    }
    assert {file["path"]: (file["size_bytes"], file["sha256"]) for file in ended.outcome["files"]} == found


def test_an_augmentation_ends_with_a_video_and_an_outcome_that_lists_it(bench: Bench) -> None:
    ended = bench.run("augmentation", "--image", "nvcr.io/nvidia/paidf-augmentation:1.0.0")

    assert (ended.code, ended.reason) == (0, ""), ended.log
    assert_lists_every_file(ended)
    outcome = ended.outcome
    assert outcome is not None
    metadata = json.loads((ended.output / "metadata.json").read_text())
    assert {"augmented_video.mp4", "metadata.json"} <= set(paths(outcome))
    assert (outcome["container"], outcome["name"], outcome["work"], outcome["attempt"], outcome["image"]) == (
        *("augmentation", bench.name, "0123abcd", 2),
        "nvcr.io/nvidia/paidf-augmentation:1.0.0",
    )
    assert outcome["models"] == {"vlm": VLM, "llm": LLM}
    assert list(outcome["seconds"]) == ["inputs", "endpoints", "container", "outputs"]
    assert outcome["seed"] == metadata["hallucination_check"]["seed_used"]


def test_the_seed_is_the_configs_where_the_container_names_none(bench: Bench) -> None:
    ended = bench.run("augmentation", behaviour="no_checks")
    plan = (bench.folder / "setup/configs" / f"{bench.name}.yaml").read_text()
    assert ended.outcome is not None, ended.log
    assert f"\n    seed: {ended.outcome['seed']}\n" in plan.partition("\naugmentation:\n")[2]


def test_the_copy_in_the_setup_is_the_one_that_runs_whatever_is_installed(bench: Bench) -> None:
    marker = bench.folder / "setup/vda_assets/worker/marker.py"
    marker.write_text(marker.read_text().replace('"version": 2', '"version": 99'))
    ended = bench.run("augmentation", behaviour="good", PYTHONPATH=str(Path(vda_assets.__file__).parents[1]))
    assert ended.outcome is not None, ended.log
    assert ended.outcome["version"] == 99


@pytest.mark.skipif(not PYTHON_3_10, reason="no Python 3.10 on this machine")
def test_python_3_10_is_enough(bench: Bench) -> None:
    ended = bench.run("auto_labeling", behaviour="good", UV_PROJECT_ENVIRONMENT=str(Path(PYTHON_3_10).parents[1]))
    assert ended.code == 0, ended.log


@pytest.fixture
def labelled(bench: Bench) -> Ended:
    ended = bench.run("auto_labeling")
    assert (ended.code, ended.reason) == (0, ""), ended.log
    return ended


def test_a_label_scene_holds_its_clip_and_can_be_converted(
    bench: Bench, labelled: Ended, tiny_clip: bytes, tmp_path: Path
) -> None:
    assert_lists_every_file(labelled)
    raw = labelled.output / "raw" / f"{bench.name}.mp4"
    assert not raw.is_symlink()
    assert raw.read_bytes() == tiny_clip
    video = json.loads((labelled.output / "contextual/video.json").read_text())
    assert (video["video_id"], video["format"], video["rectified"]) == (bench.name, "mp4", False)
    assert (video["fps"], video["width"], video["height"]) == (25, 160, 96)
    assert video["duration"] == pytest.approx(1.2)

    validated = tao_daft("validate", "metropolis-v3.0", "--path", labelled.output, "--raw", "auto")
    assert validated.returncode == 0, validated.stdout
    target = tmp_path / "converted"
    converted = tao_daft(
        "convert", "metropolis-v3.0", "cosmos-reason-v1.0", "--path", labelled.output, "--output", target
    )
    assert converted.returncode == 0, converted.stdout
    assert [path.read_bytes() for path in (target / "media").iterdir()] == [tiny_clip]
    assert list((target / "text").iterdir())


def test_what_the_container_says_of_the_clip_is_kept(bench: Bench) -> None:
    config = bench.folder / "setup/configs/auto_labeling/auto_labeling_config.yaml"
    config.write_text(config.read_text().replace("vlm_json:\n  enabled: false", "vlm_json:\n  enabled: true"))
    ended = bench.run("auto_labeling")
    assert ended.code == 0, ended.log
    video = json.loads((ended.output / "contextual/video.json").read_text())
    assert video["scene_description"] == "[CPU stand-in] no model looked at the clip"


def test_with_super_resolution_the_scene_is_described_in_the_pixels_of_its_new_clip(bench: Bench) -> None:
    config = bench.folder / "setup/configs/auto_labeling/auto_labeling_config.yaml"
    config.write_text(config.read_text().replace("res_h: 720", "res_h: 192").replace("res_w: 1280", "res_w: 320"))
    ended = bench.run("auto_labeling", "--super-resolution")
    assert ended.code == 0, ended.log
    assert (ended.output / "sidecars/sr_output.mp4").read_bytes() == (
        ended.output / "raw" / f"{bench.name}.mp4"
    ).read_bytes()
    video = json.loads((ended.output / "contextual/video.json").read_text())
    assert (video["width"], video["height"]) == (320, 192)


def test_a_scene_without_the_clips_facts_goes_without_a_description_of_it(bench: Bench) -> None:
    ended = bench.run("auto_labeling", behaviour="good")
    assert ended.code == 0, ended.log
    assert "no contextual/video.json: sidecars/metadata.json does not describe the clip" in ended.log
    assert not (ended.output / "contextual").exists()
