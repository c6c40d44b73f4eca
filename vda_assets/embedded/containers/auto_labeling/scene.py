"""Writes the label scene (metropolis-v3.0): contextual/ and task/, as paidf-auto-labeling 1.0.0 leaves them."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vda_assets.embedded.containers.auto_labeling.observation import Observation
from vda_assets.embedded.containers.auto_labeling.question_bank import Question
from vda_assets.embedded.containers.auto_labeling.tracking import Box, Track, loose

VERSION = "metropolis-v3.0"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FORMATS = {"mp4", "avi", "mov", "mkv", "webm"}
STAND_IN = "[CPU stand-in]"


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Writes the document, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2))


def colour(track: Track) -> tuple[int, int, int]:
    """Red, green, blue of a track in overlays and instances.json."""
    return (
        (track.track_id * 67 + 40) % 200 + 40,
        (track.track_id * 151 + 90) % 200 + 40,
        (track.track_id * 31) % 200 + 40,
    )


def write_tracks(out_dir: Path, *, media_id: str, observation: Observation) -> None:
    """contextual/instances.json and objects.json, with every frame listed."""
    counts: Counter[str] = Counter()
    instances = {}
    for track in observation.tracks:
        counts[track.object_type] += 1
        instances[track.object_id] = {
            "object_type": track.object_type,
            "instance_id": counts[track.object_type],
            "semantic_id": track.semantic_id,
            "color": list(colour(track)),
            "caption": f"{track.object_type} (track {track.track_id}) {STAND_IN} class guessed from shape",
        }
    # Frame keys follow the clip that was tracked, which is the upscaled one after super-resolution.
    frame_objects: list[list[dict[str, Any]]] = [[] for _ in range(observation.frame_count)]
    for track in observation.tracks:
        for frame, box in track.boxes.items():
            grown = loose(box, width=observation.width, height=observation.height)
            frame_objects[frame].append(
                {
                    "object_id": track.object_id,
                    "bounding_box_2d_tight": _rounded(box),
                    "bounding_box_2d_loose": _rounded(grown),
                }
            )
    frames = {
        f"{observation.path.stem}_frame_{number:06d}": {"format": "png", "frame_number": number, "instances": objects}
        for number, objects in enumerate(frame_objects)
    }
    contextual = out_dir / "contextual"
    write_json(
        contextual / "instances.json", {"version": VERSION, "instances": instances, "metadata": _metadata("instances")}
    )
    write_json(
        contextual / "objects.json",
        {"version": VERSION, "video_id": media_id, "frames": frames, "metadata": _metadata("objects")},
    )


def write_video(out_dir: Path, *, media_id: str, observation: Observation, described: bool) -> None:
    """contextual/video.json and events.json; without a description the fallback that a failed VLM leaves."""
    suffix = observation.path.suffix.lstrip(".").lower()
    tracks = observation.tracks if described else []
    video = {
        "version": VERSION,
        "video_id": media_id,
        "format": suffix if suffix in FORMATS else "mp4",
        "fps": min(240, max(1, round(observation.rate))),
        "duration": round(observation.duration_seconds, 6),
        "height": observation.height,
        "width": observation.width,
        "rectified": False,
        "scenario_info": f"{STAND_IN} not described",
        "scene_description": f"{STAND_IN} no model looked at the clip",
        "event_summary": f"{STAND_IN} {len(tracks)} moving objects were tracked",
        "metadata": _metadata("video"),
    }
    events = [
        {
            "event_id": f"event_{number:03d}",
            "start_time": _timecode(float(min(track.boxes) / observation.rate)),
            "end_time": _timecode(float((max(track.boxes) + 1) / observation.rate)),
            "category": "normal_traffic",
            "sub_category": ["through_traffic"],
            "instances": [track.object_id],
            "event_caption": f"{STAND_IN} {track.object_id} moves through the view",
        }
        for number, track in enumerate(tracks, start=1)
    ]
    write_json(out_dir / "contextual/video.json", video)
    write_json(
        out_dir / "contextual/events.json",
        {"version": VERSION, "video_id": media_id, "events": events, "metadata": _metadata("events")},
    )


def write_tasks(
    out_dir: Path,
    *,
    media_id: str,
    questions: Sequence[Question],
    answers: Mapping[str, str],
    reasons: Mapping[str, str],
) -> int:
    """task/mcq.json, bcq.json and open_qa.json, each only when it has items; returns the number of items."""
    by_id = {question.id: question for question in questions}
    items: dict[str, list[dict[str, Any]]] = {"mcq": [], "bcq": [], "open_qa": []}
    for key, text in answers.items():
        question = by_id[key]
        item = {"video_id": media_id, "question": question.text, "answer": text, "reasoning": reasons[key]}
        if question.is_yes_no:
            items["bcq"].append(item)
        elif question.options:
            item["answer"] = LETTERS[question.options.index(text)]
            choices = [re.sub(r"^[A-Z][.)]\s*", "", option) for option in question.options]
            items["mcq"].append({**item, "options": dict(zip(LETTERS, choices, strict=False))})
        else:
            items["open_qa"].append(item)
    for kind, entries in items.items():
        if entries:
            write_json(
                out_dir / f"task/{kind}.json", {"version": VERSION, "metadata": _metadata(kind), "items": entries}
            )
    return sum(map(len, items.values()))


def _metadata(kind: str) -> dict[str, str]:
    return {"type": kind, "date": datetime.now(UTC).date().isoformat()}


def _rounded(box: Box) -> list[float]:
    return [round(value, 2) for value in box]


def _timecode(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{int(minutes):02d}:{rest:06.3f}"
