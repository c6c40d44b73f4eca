"""What the real containers do to those who expect too much of them: the stand-ins do it too."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from vda_assets_tests.embedded.containers.clips import facts, make_clip
from vda_assets_tests.embedded.containers.conftest import MODEL, NOBODY, Run
from vda_assets_tests.http_serving import serving_http

FIXED_CAPTION = ["captioning.vlm=null", "captioning.llm.text=Rain."]


def read(path: Path) -> Any:
    return json.loads(path.read_text())


class Guarded(BaseHTTPRequestHandler):
    """A model server that opens to one key alone."""

    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Authorization"] == "Bearer the-key" else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"data": [{"id": MODEL}]}).encode())

    def log_message(self, *_: Any) -> None:
        return


def test_labelling_names_the_scene_after_what_the_clips_link_leads_to(
    run_labeling: Run, tmp_path: Path, clip: Path
) -> None:
    link = tmp_path / "bikes_aug0.mp4"
    link.symlink_to(clip)
    assert run_labeling(f"data.0.inputs.video_path={link}") == 0
    assert [path.name for path in (tmp_path / "scene/raw").iterdir()] == [clip.name]
    assert read(tmp_path / "scene/contextual/objects.json")["video_id"] == clip.stem


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [("libx265", "yuv420p"), ("libvpx-vp9", "yuv420p"), ("libx264", "yuv420p10le"), ("libx264", "yuv444p")],
)
def test_pictures_that_no_decoder_of_the_images_takes_make_nothing(
    run_labeling: Run, run_augmentation: Run, tmp_path: Path, codec: str, pixel_format: str
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frame_count=4, codec=codec, pixel_format=pixel_format)
    assert run_labeling(f"data.0.inputs.video_path={clip}") == 1
    assert not (tmp_path / "scene/sidecars/pipeline_status.json").exists()
    assert run_augmentation(f"data.0.inputs.rgb={clip}") == 0
    assert not (tmp_path / "out/augmented_video.mp4").exists()


@pytest.mark.parametrize(("codec", "pixel_format"), [("mpeg4", "yuv420p"), ("mjpeg", "yuvj420p")])
def test_mpeg4_and_mjpeg_are_read(
    run_labeling: Run, run_augmentation: Run, tmp_path: Path, codec: str, pixel_format: str
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frame_count=4, codec=codec, pixel_format=pixel_format)
    assert run_labeling(f"data.0.inputs.video_path={clip}") == 0
    assert run_augmentation(f"data.0.inputs.rgb={clip}") == 0
    assert (tmp_path / "out/augmented_video.mp4").exists()


def test_what_augmentation_makes_can_be_labelled_whatever_the_clips_size(
    run_labeling: Run, run_augmentation: Run, tmp_path: Path
) -> None:
    odd = make_clip(tmp_path / "odd.mp4", width=161, height=97, codec="mpeg4", frame_count=4)
    run_augmentation(f"data.0.inputs.rgb={odd}")
    assert run_labeling(f"data.0.inputs.video_path={tmp_path}/out/augmented_video.mp4") == 0


def test_augmentation_generates_nothing_beyond_5000_frames(run_augmentation: Run, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "long.mp4", width=32, height=16, frame_count=5001, moving=False)
    assert run_augmentation(f"data.0.inputs.rgb={clip}") == 0
    assert not (tmp_path / "out/augmented_video.mp4").exists()
    assert "hallucination_check" not in read(tmp_path / "out/metadata.json")


@pytest.mark.parametrize(
    "variables", [{"VLM_API_KEY": "the-key", "LLM_API_KEY": "the-key"}, {"NVIDIA_API_KEY": "the-key"}]
)
def test_augmentation_looks_for_its_keys_under_two_names_alone(
    run_augmentation: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with serving_http(Guarded) as url:
        assert run_augmentation(f"endpoints.vlm.url={url}/v1", f"endpoints.llm.url={url}/v1") == 0
    assert (tmp_path / "out/augmented_video.mp4").exists() == ("VLM_API_KEY" in variables)


def test_labelling_takes_the_key_of_all_nvidia_services_as_well(
    run_labeling: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVIDIA_API_KEY", "the-key")
    with serving_http(Guarded) as url:
        assert run_labeling(f"endpoints.llm.url={url}/v1") == 0


def test_without_the_llm_the_verification_crashes_among_its_details(run_augmentation: Run, tmp_path: Path) -> None:
    assert run_augmentation(*FIXED_CAPTION, f"endpoints.llm.url={NOBODY}") == 0
    block = read(tmp_path / "out/metadata.json")["attribute_verification"]
    assert {name: block[name] for name in ("passed", "score", "details")} == {
        "passed": False,
        "score": 0.0,
        "details": {"score": 0.0, "error": "Failed to generate any questions"},
    }
    assert "error" not in block


def test_without_the_vlm_each_answer_of_the_verification_is_an_error(run_augmentation: Run, tmp_path: Path) -> None:
    assert run_augmentation(*FIXED_CAPTION, f"endpoints.vlm.url={NOBODY}") == 0
    block = read(tmp_path / "out/metadata.json")["attribute_verification"]
    assert {(one["vlm_answer"], one["passed"], bool(one["error"])) for one in block["details"]["results"]} == {
        ("ERROR", False, True)
    }


def test_a_variable_is_called_what_the_llm_calls_it(run_augmentation: Run, tmp_path: Path) -> None:
    run_augmentation()
    results = read(tmp_path / "out/metadata.json")["attribute_verification"]["details"]["results"]
    assert [one["variable"] for one in results] == ["time of day", "weather"]


@pytest.mark.parametrize(
    "override",
    [
        "super_resolution.model=seedvr3",
        "super_resolution.variant=seedvr2_7b_sharp",
        "super_resolution.window_timeout=0.5",
        "detection_and_tracking.model=yolo",
        "vlm_json.model=qwen",
        "vlm_json.timeout=0.5",
        "mcq_generation.window_metadata_extraction.timeout=0.5",
    ],
)
def test_closed_lists_and_whole_numbers_end_with_2(run_labeling: Run, tmp_path: Path, override: str) -> None:
    assert run_labeling(override) == 2
    assert not (tmp_path / "scene").exists()


def test_class_names_are_folded(run_labeling: Run, tmp_path: Path) -> None:
    assert run_labeling("detection_and_tracking.classes=[Traffic_Light]") == 0
    instances = read(tmp_path / "scene/contextual/instances.json")["instances"]
    assert {one["object_type"] for one in instances.values()} == {"traffic_light"}


def test_super_resolution_keeps_the_area_and_cuts_to_multiples_of_16(run_labeling: Run, tmp_path: Path) -> None:
    assert (
        run_labeling("super_resolution.enabled=true", "super_resolution.res_h=180", "super_resolution.res_w=320") == 0
    )
    # 160x96 grown to 320 times 180 pixels is 310x186.
    assert facts(tmp_path / "scene/sidecars/sr_output.mp4")[:2] == (304, 176)


def test_the_last_line_of_a_failed_sample_is_not_the_cause(
    run_labeling: Run, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run_labeling(f"endpoints.llm.url={NOBODY}") == 1
    assert capfd.readouterr().err.splitlines()[-1] == f"sample 0: rc=1 out_dir={tmp_path}/scene"


def test_the_last_line_of_a_schema_error_is_a_page_of_documentation(
    run_labeling: Run, caplog: pytest.LogCaptureFixture
) -> None:
    assert run_labeling("super_resolution.variant=x") == 2
    assert caplog.text.splitlines()[-1].strip().startswith("For further information visit https://")
