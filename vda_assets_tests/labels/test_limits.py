"""Files of a label scene that are as large as their limits allow, of what costs their reader most, stay in bounds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vda_assets.labels import limits
from vda_assets.labels.scene import SCENE_FILES
from vda_assets_tests.labels.conftest import WriteScene, good_documents

DOCS = Path(__file__).parents[2] / "docs/limits.md"
BOX = [402.5, 310.0, 640.25, 498.12]
DETECTION = {"object_id": "truck_1", "bounding_box_2d_tight": BOX, "bounding_box_2d_loose": BOX}
EVENT = {"event_id": 7, "start_time": "00:00.5", "end_time": "00:02", "category": "x", "instances": ["a"]}
STEP = {"enabled": True, "status": "failed", "degraded": True, "failure_reason": "x" * 200}
ANSWERS = [{"id": "1_1", "question": f"{number}?", "options": ["Yes", "No"], "answer": "No"} for number in range(50)]
WINDOW = {"start_frame": 0, "end_frame": 5, "llm_enhanced_caption": {"mcq": ANSWERS}}


def documented() -> dict[str, tuple[float, float, float]]:
    """File -> bytes in MiB, seconds, and MiB of memory, as the page says."""
    rows = re.findall(r"^\| `([^`]+)` \| ([\d.]+) MiB \| ([\d.]+) s \| ([\d.]+) MiB \|", DOCS.read_text(), re.MULTILINE)
    return {file: (float(size), float(seconds), float(memory)) for file, size, seconds, memory in rows}


def frame(number: int, detections: int = 0, **more: Any) -> dict[str, Any]:
    return {"format": "png", "frame_number": number, "instances": [DETECTION] * detections, **more}


def full(document: dict[str, Any], *path: str, of: Any, limit: int) -> bytes:
    """The document with so many of an item that nothing more would be read; `of` is the item, or makes it."""
    make = of if callable(of) else lambda _: of
    text = json.dumps(make(0))
    brackets = max(1, text.count("[") + text.count("{"))
    count = min(
        (limit - 60_000) // (len(text) + 20),
        (limit // limits.BYTES_PER_BRACKET - 100) // brackets,
        (limit // limits.BYTES_PER_COMMA - 100) // (text.count(",") + 1),
    )
    inside = document
    for key in path[:-1]:
        inside = inside[key]
    items = [make(number) for number in range(count)]
    inside[path[-1]] = (
        dict(zip((f"k_{number:06d}" for number in range(count)), items, strict=True))
        if isinstance(inside.get(path[-1]), dict)
        else items
    )
    return json.dumps(document).encode()


def largest(file: str, shape: str) -> bytes:
    limit, document = limits.BYTES[file], good_documents().get(file, {})
    match shape:
        case "empty lists":
            return b'{"a": [' + b",".join([b"[]"] * (limit // limits.BYTES_PER_BRACKET - 2)) + b"]}"
        case "one number":
            return b'{"a": ' + b"9" * (limit - 8) + b"}"
        case "one text":
            return b'{"a": "' + b"x" * (limit - 9) + b'"}'
        case "depth":
            return b"[" * (limit // limits.BYTES_PER_BRACKET - 2)
        case "crowded frames":
            return full(document, "frames", of=lambda number: frame(number, 40), limit=limit)
        case "frames":
            return full(document, "frames", of=frame, limit=limits.FRAMES * 100)
        case "frames of many shapes":
            return full(
                document, "frames", of=lambda number: frame(number, **{f"k{number}": 1}), limit=limits.FRAMES * 110
            )
        case "tracks":
            return full(document, "instances", of=document["instances"]["truck_1"], limit=limit)
        case "events":
            events = {"version": "metropolis-v3.0", "video_id": "a", "metadata": {"type": "events"}}
            return full(events, "events", of=EVENT, limit=limit)
        case "questions":
            return full(document, "items", of=document["items"][0], limit=limit)
        case "windows":
            return full(document, "windows", of=WINDOW, limit=limit)
        case "steps":
            return full(document, "stages", of=STEP, limit=limit)
        case "lines":
            return b"".join(b"k%05d: v\n" % number for number in range(limit // 10))
        case "flow":
            return b"[{a: " * (limit // 5)
        case "aliases":
            return b"a: &a [x]\nb: [" + b"*a," * (limit // 3 - 20) + b"]\n"
        case _:
            raise AssertionError(shape)


JSON_SHAPES = ("empty lists", "one number", "one text", "depth")
ANY_SHAPE = ("contextual/objects.json", "contextual/video.json", "sidecars/metadata.json")
OWN_SHAPES = {
    "contextual/objects.json": ("crowded frames", "frames", "frames of many shapes"),
    "contextual/instances.json": ("tracks",),
    "contextual/events.json": ("events",),
    "task/mcq.json": ("questions",),
    "task/bcq.json": ("questions",),
    "task/open_qa.json": ("questions",),
    "sidecars/metadata.json": ("windows",),
    "sidecars/pipeline_status.json": ("steps",),
    "config.yaml": ("lines", "flow", "aliases", "depth"),
}
CASES = [
    (file, shape)
    for file in SCENE_FILES
    for shape in (*(JSON_SHAPES if file in ANY_SHAPE else ()), *OWN_SHAPES.get(file, ()))
]


@pytest.mark.parametrize(("file", "shape"), CASES)
def test_a_file_at_its_limit_is_judged_within_what_the_page_says(
    write_scene: WriteScene, file: str, shape: str
) -> None:
    folder = write_scene()
    content = largest(file, shape)
    assert len(content) <= limits.BYTES[file]
    (folder / file).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "vda_assets_tests.labels.reading_cost", str(folder)],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    cost = json.loads(done.stdout)
    _, seconds, mib = documented()[file]
    assert cost["seconds"] <= seconds
    assert cost["mib"] <= mib


@pytest.mark.parametrize("file", SCENE_FILES)
def test_a_file_beyond_its_limit_is_not_read(write_scene: WriteScene, file: str) -> None:
    folder = write_scene()
    with (folder / file).open("wb") as sparse:
        sparse.truncate(limits.BYTES[file] + 1)
    done = subprocess.run(
        [sys.executable, "-m", "vda_assets_tests.labels.reading_cost", str(folder)],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    cost = json.loads(done.stdout)
    assert any(file in finding and "bytes, more than" in finding for finding in cost["findings"])
    assert cost["mib"] < 30


def test_the_page_states_the_limits_that_hold() -> None:
    assert {file: size for file, (size, _, _) in documented().items() if file in SCENE_FILES} == {
        file: size / limits.MIB for file, size in limits.BYTES.items()
    }
