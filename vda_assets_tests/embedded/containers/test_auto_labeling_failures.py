"""The stand-in of the labelling container: exit codes, and what is left when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vda_assets_tests.embedded.containers.clips import make_clip
from vda_assets_tests.embedded.containers.conftest import COOKBOOK, NOBODY, Run


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return tmp_path / "scene"


def status(scene: Path) -> Any:
    return json.loads((scene / "sidecars/pipeline_status.json").read_text())


@pytest.mark.parametrize(
    "override",
    [
        "detection_and_tracking.trackr=boosttrack",
        "word",
        "endpoints.vlm.url=",
        "endpoints.llm.url=",
        "data.0.inputs.video_path=__REQUIRED__",
        "pipeline.out_dir=/tmp",
        "detection_and_tracking.classes=[]",
        "mcq_generation.window_metadata_extraction.question_bank_file=missing.json",
        "mcq_generation.window_metadata_extraction=null",
    ],
)
def test_a_config_that_is_refused_exits_2_and_leaves_nothing(run_labeling: Run, scene: Path, override: str) -> None:
    assert run_labeling(override) == 2
    assert not scene.exists()


def test_a_missing_video_exits_1_and_leaves_nothing(run_labeling: Run, scene: Path) -> None:
    assert run_labeling("data.0.inputs.video_path=missing.mp4") == 1
    assert not scene.exists()


def test_a_missing_config_exits_1_and_bad_arguments_exit_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vda_assets.embedded.containers.auto_labeling"]
    missing = subprocess.run([*command, "--config", str(tmp_path / "none.yaml")], capture_output=True, text=True)
    assert missing.returncode == 1
    assert "CPU stand-in for paidf-auto-labeling:1.0.0" in missing.stderr
    assert subprocess.run([*command, "--unknown"], capture_output=True).returncode == 2


def test_a_dry_run_writes_nothing(run_labeling: Run, scene: Path) -> None:
    assert run_labeling("--dry-run") == 0
    assert not scene.exists()


def test_without_the_llm_it_exits_1_with_config_and_logs_alone(run_labeling: Run, scene: Path) -> None:
    assert run_labeling(f"endpoints.llm.url={NOBODY}") == 1
    assert sorted(path.name for path in scene.iterdir()) == ["config.yaml", "logs"]


@pytest.mark.parametrize("policy", ["warn", "fail"])
def test_without_the_vlm_it_exits_0_as_completed_without_answers(run_labeling: Run, scene: Path, policy: str) -> None:
    assert run_labeling(f"endpoints.vlm.url={NOBODY}", f"pipeline.empty_output_policy={policy}") == 0
    assert (status(scene)["status"], status(scene)["degraded"]) == ("completed", False)
    assert not (scene / "task").exists()
    windows = json.loads((scene / "sidecars/metadata.json").read_text())["windows"]
    assert {tuple(window["_errors"]) for window in windows} == {("vlm_call_failed:APIConnectionError",)}
    assert {window["vlm_caption"] for window in windows} == {""}


def test_without_the_vlm_descriptions_fall_back_and_the_run_is_degraded(run_labeling: Run, scene: Path) -> None:
    assert run_labeling(f"endpoints.vlm.url={NOBODY}", "vlm_json.enabled=true") == 0
    assert (status(scene)["status"], status(scene)["degraded_stages"]) == ("completed_degraded", ["vlm_json"])
    assert json.loads((scene / "contextual/events.json").read_text())["events"] == []


def test_without_the_vlm_strict_descriptions_exit_1_without_status(run_labeling: Run, scene: Path) -> None:
    strict = ["vlm_json.enabled=true", "pipeline.empty_output_policy=fail"]
    assert run_labeling(f"endpoints.vlm.url={NOBODY}", *strict) == 1
    assert not (scene / "sidecars/pipeline_status.json").exists()


def test_the_environment_beats_config_and_overrides(
    run_labeling: Run, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_BASE_URL", NOBODY)
    assert run_labeling() == 1


def test_an_unknown_class_drops_tracking_silently_or_exits_2_when_strict(run_labeling: Run, scene: Path) -> None:
    unknown = "detection_and_tracking.classes=[car,hovercraft]"
    assert run_labeling(unknown, "pipeline.empty_output_policy=fail") == 2
    assert run_labeling(unknown) == 0
    assert status(scene)["stages"]["tracking"] == {"enabled": False, "status": "skipped", "degraded": False}
    assert not status(scene)["degraded"]
    assert not (scene / "contextual").exists()
    assert (scene / "task/mcq.json").exists()


def test_a_clip_in_another_container_format_exits_1(run_labeling: Run, scene: Path, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "c.mkv", frame_count=3)
    assert run_labeling(f"data.0.inputs.video_path={source}") == 1
    assert sorted(path.name for path in scene.iterdir()) == ["config.yaml", "logs", "prompts"]


def test_a_failed_super_resolution_falls_back_to_the_input(run_labeling: Run, scene: Path, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "c.mp4", frame_count=8).rename(tmp_path / "c.avi")
    enabled = [f"data.0.inputs.video_path={source}", "super_resolution.enabled=true"]
    assert run_labeling(*enabled, "pipeline.empty_output_policy=fail") == 1
    assert run_labeling(*enabled) == 0
    assert status(scene)["degraded_stages"] == ["super_resolution"]
    assert status(scene)["fallbacks"][0]["downstream_input"] == str(source)


def test_one_failed_sample_does_not_stop_the_others(run_labeling: Run, tmp_path: Path, clip: Path) -> None:
    overrides = ["data.0.inputs.video_path=missing.mp4", f"data.1.inputs.video_path={clip}"]
    assert run_labeling(*overrides, f"data.1.output.out_dir={tmp_path}/second") == 1
    assert (tmp_path / "second/sidecars/pipeline_status.json").exists()


def test_an_unknown_aggregation_exits_1(run_labeling: Run, tmp_path: Path) -> None:
    bank = json.loads((COOKBOOK / "auto_labeling/question_bank.json").read_text())
    bank["questions"][0]["aggregation"] = "loudest"
    (tmp_path / "bank.json").write_text(json.dumps(bank))
    assert run_labeling(f"mcq_generation.window_metadata_extraction.question_bank_file={tmp_path}/bank.json") == 1
