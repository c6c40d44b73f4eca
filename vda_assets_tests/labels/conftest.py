"""A small label scene as paidf-auto-labeling 1.0.0 leaves it, complete and right; tests take away or change parts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from vda_assets_tests.media.conftest import write_clip

FRAME_COUNT = 6
_VERSION = "metropolis-v3.0"
Documents = dict[str, Any]
WriteScene = Callable[..., Path]


def _metadata(kind: str) -> dict[str, str]:
    return {"type": kind, "date": "2026-01-15"}


def _frame(number: int) -> dict[str, Any]:
    shown = [
        {
            "object_id": "truck_1",
            "bounding_box_2d_tight": [10.5 + number, 20.0, 40.25 + number, 44.12],
            "bounding_box_2d_loose": [7.5 + number, 17.6, 43.2 + number, 46.5],
        }
    ]
    return {"format": "png", "frame_number": number, "instances": shown if number >= 3 else []}


def _task(kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"version": _VERSION, "metadata": _metadata(kind), "items": items}


def good_documents() -> Documents:
    """The scene's files by their paths; JSON and YAML not yet written out."""
    return {
        "config.yaml": {
            "data": [{"inputs": {"video_path": "/in/yardcam07.mp4"}, "output": {"out_dir": "/out"}}],
            "detection_and_tracking": {"enabled": True, "classes": ["truck", "person"]},
            "mcq_generation": {"enabled": True, "mode": "question-driven-vlm-llm"},
        },
        "contextual/instances.json": {
            "version": _VERSION,
            "instances": {
                "truck_1": {
                    "object_type": "truck",
                    "instance_id": 1,
                    "semantic_id": 8,
                    "color": [61, 204, 96],
                    "caption": "truck (track 1)",
                }
            },
            "metadata": _metadata("instances"),
        },
        "contextual/objects.json": {
            "version": _VERSION,
            "video_id": "yardcam07",
            "frames": {f"yardcam07_frame_{number:06d}": _frame(number) for number in range(FRAME_COUNT)},
            "metadata": _metadata("objects"),
        },
        "task/mcq.json": _task(
            "mcq",
            [
                {
                    "video_id": "yardcam07",
                    "question": "Weather?",
                    "answer": "B",
                    "options": {"A": "Clear", "B": "Overcast", "C": "Rain"},
                    "reasoning": "Flat light, no shadows.",
                }
            ],
        ),
        "task/bcq.json": _task(
            "bcq",
            [
                {"video_id": "yardcam07", "question": "Is there a collision?", "answer": "No"},
                {"video_id": "yardcam07", "question": "Is a truck visible?", "answer": "Yes"},
            ],
        ),
        "task/open_qa.json": _task(
            "open_qa",
            [{"video_id": "yardcam07", "question": "What does the truck do?", "answer": "It drives | turns."}],
        ),
        "sidecars/metadata.json": {
            "video_id": "yardcam07_tracking_red_id",
            "width": 96,
            "height": 64,
            "framerate": 25.0,
            "num_frames": FRAME_COUNT,
            "windows": [
                {"start_s": 0.0, "end_s": 0.12, "start_frame": 0, "end_frame": 2, "vlm_caption": "A yard."},
                {"start_s": 0.12, "end_s": 0.24, "start_frame": 3, "end_frame": 5, "vlm_caption": "A truck."},
            ],
            "valid": True,
            "has_caption": True,
        },
        "sidecars/pipeline_status.json": {
            "version": "1.0",
            "degraded": False,
            "status": "completed",
            "degraded_stages": [],
            "fallbacks": [],
            "stages": {
                "super_resolution": {"enabled": False, "status": "skipped", "degraded": False},
                "tracking": {"enabled": True, "status": "completed", "degraded": False},
                "vlm_json": {"enabled": False, "status": "skipped", "degraded": False},
                "mcq_generation": {"enabled": True, "status": "completed", "degraded": False},
            },
        },
    }


@pytest.fixture(scope="session")
def clip_content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_clip(tmp_path_factory.mktemp("clip") / "yardcam07.mp4", frame_count=FRAME_COUNT).read_bytes()


@pytest.fixture
def write_scene(tmp_path: Path, clip_content: bytes) -> WriteScene:
    """Writes documents and the clip behind the scene's raw link; returns the scene's folder."""

    def write(documents: Documents | None = None) -> Path:
        (tmp_path / "yardcam07.mp4").write_bytes(clip_content)
        folder = tmp_path / "scene"
        (folder / "raw").mkdir(parents=True)
        (folder / "raw" / "yardcam07.mp4").symlink_to("../../yardcam07.mp4")
        for file, document in (documents or good_documents()).items():
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(document) if path.suffix == ".json" else yaml.safe_dump(document))
        return folder

    return write
