"""The stand-in of the augmentation container: what it leaves in files."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from vda_assets_tests.embedded.containers.clips import facts, make_clip, mean_luma
from vda_assets_tests.embedded.containers.conftest import NOBODY, Run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def metadata(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "metadata.json").read_text())
    return document


def test_the_video_keeps_size_rate_and_length_and_says_what_made_it(
    run_augmentation: Run, out: Path, clip: Path
) -> None:
    assert run_augmentation() == 0
    assert facts(out / "augmented_video.mp4") == facts(clip)
    with av.open(str(out / "augmented_video.mp4")) as container:
        assert "stand-in" in container.metadata["comment"]
    assert sorted(path.name for path in out.iterdir()) == [
        "augmented_video.mp4",
        "augmented_video.txt",
        "caption",
        "metadata.json",
    ]


def test_every_frame_is_changed_visibly(run_augmentation: Run, out: Path, clip: Path) -> None:
    run_augmentation()
    pairs = zip(mean_luma(clip), mean_luma(out / "augmented_video.mp4"), strict=True)
    assert all(after < before * 0.7 for before, after in pairs)


def test_metadata_reports_prompt_selections_paths_and_both_checks_of_one_attempt(
    run_augmentation: Run, out: Path, clip: Path
) -> None:
    run_augmentation()
    document = metadata(out)
    assert document["selections"] == {"time_of_day": "evening", "weather": "rain"}
    assert document["prompt"] == (out / "caption/output.txt").read_text() == (out / "augmented_video.txt").read_text()
    assert "stand-in" in document["prompt"]
    assert document["input_media_path"] == str(clip)
    assert document["output_media_path"] == str(out / "augmented_video.mp4")
    assert document["caption_path"] == str(out / "caption/output.txt")
    assert document["control_media"] == {"edge": None}
    assert document["stand_in"]["stands_in_for"] == "paidf-augmentation:1.0.0"
    hallucination, attributes = document["hallucination_check"], document["attribute_verification"]
    assert hallucination["passed"]
    assert hallucination["score"] >= hallucination["threshold"] == 0.682
    assert hallucination["details"]["total_frames"] == 30
    assert attributes["passed"]
    assert attributes["details"]["summary"] == {"total_checks": 2, "passed_checks": 2, "failed_checks": 0}
    for block in (hallucination, attributes):
        assert (block["attempt"], block["seed_used"]) == (1, 11)


def test_questions_offer_the_whole_vocabulary(run_augmentation: Run, out: Path) -> None:
    run_augmentation()
    questions = metadata(out)["attribute_verification"]["details"]["questions"]
    weather = next(question for question in questions if question["variable"] == "weather")
    assert weather["options"] == {"A": "clear", "B": "overcast", "C": "rain"}
    assert weather["correct_answer"] == "C"


def test_without_a_vocabulary_the_only_other_option_is_other(run_augmentation: Run, out: Path) -> None:
    run_augmentation("captioning.llm.verification_options=null")
    questions = metadata(out)["attribute_verification"]["details"]["questions"]
    assert {tuple(question["options"].values()) for question in questions} == {("evening", "other"), ("rain", "other")}


def test_the_same_seed_gives_the_same_video(run_augmentation: Run, out: Path) -> None:
    def made(seed: int) -> bytes:
        run_augmentation(f"augmentation.parameters.seed={seed}")
        return (out / "augmented_video.mp4").read_bytes()

    assert made(5) == made(5)
    assert made(5) != made(6)


def test_a_value_without_an_image_operation_fails_the_verification_on_every_attempt(
    run_augmentation: Run, out: Path
) -> None:
    assert run_augmentation("captioning.llm.variables.weather=[sandstorm]") == 0
    attributes = metadata(out)["attribute_verification"]
    assert not attributes["passed"]
    assert (attributes["attempt"], attributes["seed_used"]) == (2, 12)
    failed = [result for result in attributes["details"]["results"] if not result["passed"]]
    assert [(result["value"], result["vlm_answer"]) for result in failed] == [("sandstorm", "UNKNOWN")]


def test_a_failed_hallucination_check_leaves_the_attributes_unchecked(
    run_augmentation: Run, out: Path, tmp_path: Path
) -> None:
    still = make_clip(tmp_path / "still.mp4", moving=False)
    strict = "evaluators.0.hallucination_check.params.grad_thresh=1"
    assert run_augmentation(f"data.0.inputs.rgb={still}", strict) == 0
    document = metadata(out)
    assert (document["hallucination_check"]["passed"], document["hallucination_check"]["attempt"]) == (False, 2)
    assert "attribute_verification" not in document
    assert (out / "augmented_video.mp4").exists()


@pytest.mark.parametrize(
    ("width", "height", "rate", "frame_count"),
    [(160, 96, Fraction(30000, 1001), 7), (90, 160, Fraction(25), 4), (160, 96, Fraction(25), 1)],
)
def test_portrait_short_and_broadcast_rate_clips_keep_their_facts(
    run_augmentation: Run, out: Path, tmp_path: Path, width: int, height: int, rate: Fraction, frame_count: int
) -> None:
    source = make_clip(tmp_path / "in.mp4", width=width, height=height, rate=rate, frame_count=frame_count)
    run_augmentation(f"data.0.inputs.rgb={source}")
    assert facts(out / "augmented_video.mp4") == (width, height, rate, frame_count)


def test_odd_sizes_are_kept(run_augmentation: Run, out: Path, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "odd.mp4", width=161, height=97, codec="mpeg4", frame_count=5)
    run_augmentation(f"data.0.inputs.rgb={source}")
    assert facts(out / "augmented_video.mp4")[:2] == (161, 97)


def test_h264_that_the_gpu_cannot_decode_leaves_metadata_without_video(
    run_augmentation: Run, out: Path, tmp_path: Path
) -> None:
    source = make_clip(tmp_path / "wide.mp4", pixel_format="yuv422p", frame_count=5)
    assert run_augmentation(f"data.0.inputs.rgb={source}") == 0
    assert not (out / "augmented_video.mp4").exists()
    assert "hallucination_check" not in metadata(out)


@pytest.mark.parametrize(
    "override",
    [
        "augmentation.modalities.edge=null",
        "augmentation.parameters.guidance=2.5",
        "augmentation.model.name=cosmos-predict",
    ],
)
def test_a_generation_that_cannot_work_leaves_metadata_without_video(
    run_augmentation: Run, out: Path, override: str
) -> None:
    assert run_augmentation(override) == 0
    assert not (out / "augmented_video.mp4").exists()
    assert metadata(out)["selections"]


@pytest.mark.parametrize(
    "override",
    [
        f"endpoints.vlm.url={NOBODY}",
        f"endpoints.llm.url={NOBODY}",
        "endpoints.llm.url=",
        "endpoints.llm.model=another/model",
        "data.0.inputs.rgb=clip.avi",
        "data.0.inputs.rgb=missing.mp4",
        "data.0.inputs.controls=null",
        "data.0.output.caption=/dev/null/output.txt",
        "data.7.inputs.rgb=beyond.mp4",
        "data=[]",
        "augmentation.model.name=unheard-of",
        "evaluators.0.hallucination_check.treshold=0.5",
        "augmentation.modalities.edge=1.5",
        "captioning.vlm=null captioning.llm=null",
    ],
)
def test_what_goes_wrong_before_generation_exits_0_without_any_output(
    run_augmentation: Run, out: Path, override: str
) -> None:
    assert run_augmentation(*override.split(" ")) == 0
    assert not list(out.rglob("*.mp4"))
    assert not list(out.rglob("*.json"))


def test_unknown_keys_are_ignored_outside_the_evaluators(run_augmentation: Run, out: Path) -> None:
    run_augmentation("template_generation.seed=1", "augmentation.parameters.sed=3", "word")
    assert (out / "augmented_video.mp4").exists()


def test_the_environment_beats_the_configured_endpoints(
    run_augmentation: Run, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_CAPTION_ENDPOINT_URL", NOBODY)
    run_augmentation()
    assert not out.exists()


def test_a_fixed_caption_needs_no_model(run_augmentation: Run, out: Path) -> None:
    fixed = ["captioning.vlm=null", "captioning.llm.text=Rain at dusk.", f"endpoints.llm.url={NOBODY}"]
    run_augmentation(*fixed)
    assert metadata(out)["prompt"] == "Rain at dusk."


def test_verification_values_replace_what_is_reported(run_augmentation: Run, out: Path) -> None:
    run_augmentation("captioning.llm.verification_values.weather=[overcast]")
    assert metadata(out)["selections"] == {"time_of_day": "evening", "weather": "overcast"}


def test_the_evaluation_file_holds_the_two_checks_alone(run_augmentation: Run, out: Path) -> None:
    run_augmentation(f"data.0.output.evaluation={out}/evaluation.json")
    document = json.loads((out / "evaluation.json").read_text())
    assert set(document) == {"hallucination_check", "attribute_verification"}


@pytest.mark.parametrize("override", ["augmentation.model.version=ct3", "augmentation.model.executor_type=passthrough"])
def test_a_generator_that_cannot_be_built_exits_1(run_augmentation: Run, out: Path, override: str) -> None:
    assert run_augmentation(override) == 1
    assert not out.exists()


def test_the_command_says_that_it_is_a_stand_in_and_exits_0_on_a_missing_config(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "vda_assets.embedded.containers.augmentation",
        "--config",
        str(tmp_path / "none.yaml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "CPU stand-in for paidf-augmentation:1.0.0" in done.stderr
    assert "none.yaml" in done.stderr


def test_the_command_without_config_exits_2() -> None:
    command = [sys.executable, "-m", "vda_assets.embedded.containers.augmentation", "a=b"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
