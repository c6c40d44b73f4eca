"""The stand-in of the labelling container: the scene that it leaves."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from nvidia_tao_daft.utils.metropolis_v3_0 import RawType
from nvidia_tao_daft.validators.metropolis_v3_0.validator import MetropolisV3_0Validator

from vda_assets.embedded.containers.auto_labeling.__main__ import main as label
from vda_assets_tests.embedded.containers.clips import facts, make_clip
from vda_assets_tests.embedded.containers.conftest import Run

LETTERS = {"1_10", "2_1", "2_2", "5_1"}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return tmp_path / "scene"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def assert_valid(scene: Path) -> None:
    verdict = MetropolisV3_0Validator().validate_scene(scene, raw_type=RawType.VIDEO, permissive=False)
    assert verdict.is_valid(), verdict.errors


def assert_boxes_are_inside(scene: Path, *, width: int, height: int) -> None:
    for frame in read(scene / "contextual/objects.json")["frames"].values():
        for instance in frame["instances"]:
            tight, loose = instance["bounding_box_2d_tight"], instance["bounding_box_2d_loose"]
            assert 0 <= loose[0] <= tight[0] < tight[2] <= loose[2] <= width
            assert 0 <= loose[1] <= tight[1] < tight[3] <= loose[3] <= height


def test_the_tree_is_the_containers(run_labeling: Run, scene: Path) -> None:
    assert run_labeling() == 0
    found = {str(path.relative_to(scene)) for path in scene.rglob("*") if not path.is_dir()}
    assert found == {
        "config.yaml",
        "raw/yardcam07.mp4",
        "contextual/instances.json",
        "contextual/objects.json",
        "task/mcq.json",
        "task/bcq.json",
        "sidecars/pipeline_status.json",
        "sidecars/metadata.json",
        "sidecars/mcq.vlm_verify.json",
        "sidecars/stand_in.json",
        "sidecars/yardcam07_detection.mp4",
        "sidecars/yardcam07_tracking.mp4",
        "sidecars/yardcam07_tracking_red_id.mp4",
        "prompts/scene_prompt.used.md",
        "prompts/mcq_prompt.used.md",
        "prompts/vlm_verify_prompt.used.md",
        "prompts/prompts.used.json",
        "prompts/scene_prompt.generated_by_llm.meta.json",
        "logs/pipeline.log",
        "logs/tracking.log",
        "logs/mcq.log",
    }
    assert "stand-in" in (scene / "logs/pipeline.log").read_text()


def test_the_scene_is_valid(run_labeling: Run, scene: Path) -> None:
    run_labeling()
    assert_valid(scene)


def test_what_moves_is_tracked_with_a_box_that_follows_it(run_labeling: Run, scene: Path, clip: Path) -> None:
    run_labeling()
    objects = read(scene / "contextual/objects.json")
    instances = read(scene / "contextual/instances.json")["instances"]
    width, height, _, frame_count = facts(clip)
    assert [frame["frame_number"] for frame in objects["frames"].values()] == list(range(frame_count))
    assert next(iter(objects["frames"])) == "yardcam07_frame_000000"
    assert_boxes_are_inside(scene, width=width, height=height)
    seen = {entry["object_id"] for frame in objects["frames"].values() for entry in frame["instances"]}
    assert seen == set(instances)
    wide = next(name for name, entry in instances.items() if entry["object_type"] == "car")
    assert instances[wide]["semantic_id"] == 3
    for number in (12, 25):
        frame = objects["frames"][f"yardcam07_frame_{number:06d}"]
        box = next(e["bounding_box_2d_tight"] for e in frame["instances"] if e["object_id"] == wide)
        left = 4 + number * 100 // 30
        assert box == pytest.approx([left, 48, left + 44, 70], abs=7)


def test_the_raw_link_is_relative_and_resolves_to_the_input(run_labeling: Run, scene: Path, clip: Path) -> None:
    run_labeling()
    link = scene / "raw/yardcam07.mp4"
    assert not link.readlink().is_absolute()
    assert link.resolve() == clip.resolve()


def test_answers_are_options_of_the_bank_in_the_scenes_spelling(run_labeling: Run, scene: Path) -> None:
    run_labeling()
    for item in read(scene / "task/mcq.json")["items"]:
        assert item["answer"] in item["options"]
        assert not any(text.startswith(("A.", "B.")) for text in item["options"].values())
    assert {item["answer"] for item in read(scene / "task/bcq.json")["items"]} <= {"Yes", "No"}


def test_windows_cover_the_clip_and_carry_an_answer_to_every_question(run_labeling: Run, scene: Path) -> None:
    run_labeling()
    document = read(scene / "sidecars/metadata.json")
    assert (document["video_id"], document["num_frames"]) == ("yardcam07_tracking_red_id", 30)
    spans = [(window["start_frame"], window["end_frame"]) for window in document["windows"]]
    assert spans == [(0, 11), (12, 23), (24, 29)]
    for window in document["windows"]:
        assert len(window["llm_enhanced_caption"]["mcq"]) == 11
        assert "stand-in" in window["vlm_caption"]
    summary = read(scene / "sidecars/mcq.vlm_verify.json")["summary"]
    assert summary == {
        "windows_total": 3,
        "windows_with_verify": 3,
        "questions_verified": 33,
        "questions_corrected": 0,
    }


def test_a_gated_question_is_left_out_unless_the_clip_has_one_window(run_labeling: Run, scene: Path) -> None:
    run_labeling()
    assert len(read(scene / "task/mcq.json")["items"]) == 3
    run_labeling("mcq_generation.window_metadata_extraction.window_frames=60")
    assert len(read(scene / "task/mcq.json")["items"]) == 4


def test_status_names_every_stage(run_labeling: Run, scene: Path) -> None:
    run_labeling()
    status = read(scene / "sidecars/pipeline_status.json")
    assert (status["status"], status["degraded"]) == ("completed", False)
    assert {name: stage["status"] for name, stage in status["stages"].items()} == {
        "super_resolution": "skipped",
        "tracking": "completed",
        "vlm_json": "skipped",
        "mcq_generation": "completed",
    }


def test_super_resolution_changes_the_clip_the_boxes_and_the_frame_keys(run_labeling: Run, scene: Path) -> None:
    assert (
        run_labeling("super_resolution.enabled=true", "super_resolution.res_h=144", "super_resolution.res_w=240") == 0
    )
    assert facts(scene / "sidecars/sr_output.mp4") == (240, 144, Fraction(25), 30)
    assert (scene / "raw/yardcam07.mp4").resolve() == (scene / "sidecars/sr_output.mp4").resolve()
    objects = read(scene / "contextual/objects.json")
    assert objects["video_id"] == "yardcam07"
    assert next(iter(objects["frames"])) == "sr_output_frame_000000"
    assert_boxes_are_inside(scene, width=240, height=144)
    assert (scene / "sidecars/sr_output_tracking_red_id.mp4").exists()
    assert_valid(scene)


def test_descriptions_are_written_when_asked_for(run_labeling: Run, scene: Path) -> None:
    assert run_labeling("vlm_json.enabled=true") == 0
    video = read(scene / "contextual/video.json")
    assert (video["fps"], video["width"], video["height"], video["duration"]) == (25, 160, 96, 1.2)
    assert "stand-in" in video["scene_description"]
    events = read(scene / "contextual/events.json")["events"]
    assert {event["category"] for event in events} == {"normal_traffic"}
    assert_valid(scene)


@pytest.mark.parametrize(
    ("width", "height", "frame_count", "moving"), [(160, 96, 2, True), (160, 96, 12, False), (91, 161, 20, True)]
)
def test_short_still_and_odd_portrait_clips_work(
    run_labeling: Run, scene: Path, tmp_path: Path, width: int, height: int, frame_count: int, moving: bool
) -> None:
    source = make_clip(
        tmp_path / "c.mp4", width=width, height=height, frame_count=frame_count, moving=moving, codec="mpeg4"
    )
    assert run_labeling(f"data.0.inputs.video_path={source}") == 0
    assert len(read(scene / "contextual/objects.json")["frames"]) == frame_count
    assert facts(scene / "sidecars/c_tracking.mp4") == facts(source)
    assert_boxes_are_inside(scene, width=width, height=height)
    assert_valid(scene)
    if not moving:
        assert read(scene / "contextual/instances.json")["instances"] == {}


def test_only_configured_classes_are_named(run_labeling: Run, scene: Path) -> None:
    run_labeling("detection_and_tracking.classes=[traffic light]")
    instances = read(scene / "contextual/instances.json")["instances"]
    assert {entry["object_type"] for entry in instances.values()} == {"traffic_light"}
    assert {entry["semantic_id"] for entry in instances.values()} == {10}


def test_the_effective_config_can_be_run_again(run_labeling: Run, scene: Path) -> None:
    run_labeling()
    first = read(scene / "contextual/objects.json")
    assert label(["--config", str(scene / "config.yaml")]) == 0
    assert read(scene / "contextual/objects.json") == first


def test_further_samples_are_copies_of_the_first(run_labeling: Run, scene: Path, tmp_path: Path) -> None:
    assert run_labeling(f"data.1.output.out_dir={tmp_path}/second") == 0
    assert read(tmp_path / "second/task/bcq.json") == read(scene / "task/bcq.json")
