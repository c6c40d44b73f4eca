"""Judges a label scene: DAFT's format check, and what DAFT lets pass although the labels are wrong or lost.

The container (paidf-auto-labeling 1.0.0) exits 0 without tracks when a class name or a checkpoint is unknown to it, and
without answers when the VLM does not reply; both scenes are valid for DAFT.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vda_assets.base.problem import Problem, Severity
from vda_assets.labels.daft import daft_problems
from vda_assets.labels.errors import BrokenLabelFile
from vda_assets.labels.scene import (
    INSTANCES_FILE,
    MCQ_FILE,
    METADATA_FILE,
    OBJECTS_FILE,
    RAW_FOLDER,
    STATUS_FILE,
    Box,
    LabelScene,
    read_scene,
)
from vda_assets.media.errors import MediaError
from vda_assets.media.probe import ClipInfo, probe


def validate_scene(folder: Path) -> list[Problem]:
    """All findings, errors first. A file that cannot be read is one error and ends the search.

    Raises SceneNotFound.
    """
    try:
        scene = read_scene(folder)
    except BrokenLabelFile as broken:
        return [_error(broken.file, broken.problem)]
    clip, problems = _raw_clip(folder)
    problems += [
        *daft_problems(folder),
        *_steps(scene),
        *_answers(scene),
        *_windows(scene),
        *_objects(scene),
        *_boxes(scene, clip),
        *_frame_count(scene, clip),
    ]
    return sorted(problems, key=lambda problem: problem.severity)


def _error(file: str, message: str) -> Problem:
    return Problem(Severity.ERROR, file, message)


def _warning(file: str, message: str) -> Problem:
    return Problem(Severity.WARNING, file, message)


def _raw_clip(folder: Path) -> tuple[ClipInfo | None, list[Problem]]:
    raw = folder / RAW_FOLDER
    for path in sorted(raw.iterdir()) if raw.is_dir() else []:
        file = f"{RAW_FOLDER}/{path.name}"
        if not path.exists():
            return None, [
                _warning(file, f"the link to {path.readlink()} leads nowhere; put the clip itself there to convert")
            ]
        try:
            return probe(path, name=file), []
        except MediaError as error:
            return None, [_error(file, error.problem)]
    return None, []


def _steps(scene: LabelScene) -> Iterator[Problem]:
    if scene.status is None:
        yield _error(STATUS_FILE, "it is missing: the labelling did not come to its end; read its log, label again")
        return
    for name in scene.status.degraded_steps:
        step = scene.status.steps.get(name)
        reason = (step.failure_reason if step else None) or "no reason given"
        yield _warning(STATUS_FILE, f"step {name} is degraded ({reason}); the labels were made without it")
    if scene.config is None or not scene.config.detection_and_tracking.enabled:
        return
    tracking = scene.status.steps.get("tracking")
    why = "check the class names (COCO) and the RF-DETR and ReID checkpoints in the model cache"
    if tracking is None or not tracking.enabled or tracking.status != "completed":
        yield _error(STATUS_FILE, f"config.yaml asks for tracking, but it did not run: {why}")
    elif scene.instances is None or scene.objects is None:
        missing = INSTANCES_FILE if scene.instances is None else OBJECTS_FILE
        yield _error(missing, f"config.yaml asks for tracking, but this file is missing: {why}")


def _answers(scene: LabelScene) -> Iterator[Problem]:
    if scene.config is not None and scene.config.mcq_generation.enabled and not scene.questions:
        yield _error("task", "questions were asked for in config.yaml, but none is answered: check the VLM and the LLM")
    for question in scene.mcq:
        if question.options and question.answer not in question.options:
            letters = ", ".join(question.options)
            yield _error(MCQ_FILE, f"{question.question!r} has the answer {question.answer!r}, not one of {letters}")


def _windows(scene: LabelScene) -> Iterator[Problem]:
    windows = scene.metadata.windows if scene.metadata else ()
    failed = [window for window in windows if window.errors]
    if failed:
        first = failed[0]
        yield Problem(
            Severity.ERROR if len(failed) == len(windows) else Severity.WARNING,
            METADATA_FILE,
            f"{len(failed)} of {len(windows)} windows failed, the first at frames {first.start_frame} to "
            f"{first.end_frame} ({', '.join(first.errors)}); the answers do not cover them",
        )


def _objects(scene: LabelScene) -> Iterator[Problem]:
    # With at least one instance DAFT finds the strangers itself; without any it does not look.
    if scene.instances and scene.instances.instances:
        return
    strangers = sorted({found.object_id for frame in scene.frames for found in frame.detections})
    if strangers:
        yield _error(OBJECTS_FILE, f"{len(strangers)} objects are no known instance, such as {strangers[0]}")


def _boxes(scene: LabelScene, clip: ClipInfo | None) -> Iterator[Problem]:
    if scene.metadata is not None:
        width, height = scene.metadata.width, scene.metadata.height
    elif clip is not None:
        width, height = clip.display_width, clip.display_height
    else:
        width = height = 0
    reversed_boxes: list[str] = []
    outside: list[str] = []
    for where, (x_min, y_min, x_max, y_max) in _all_boxes(scene):
        if not (x_min < x_max and y_min < y_max):
            reversed_boxes.append(where)
        elif width and not (x_min >= 0 and y_min >= 0 and x_max <= width and y_max <= height):
            outside.append(where)
    if reversed_boxes:
        yield _error(OBJECTS_FILE, f"{len(reversed_boxes)} boxes are reversed or empty, the first: {reversed_boxes[0]}")
    if outside:
        yield _error(OBJECTS_FILE, f"{len(outside)} boxes lie outside {width}x{height}, the first: {outside[0]}")


def _all_boxes(scene: LabelScene) -> Iterator[tuple[str, Box]]:
    for frame in scene.frames:
        for found in frame.detections:
            for box in (found.tight, found.loose):
                if box is not None:
                    yield f"{found.object_id} in frame {frame.frame_number} {list(box)}", box


def _frame_count(scene: LabelScene, clip: ClipInfo | None) -> Iterator[Problem]:
    if clip is not None:
        expected = clip.frame_count
    elif scene.metadata is not None:
        expected = scene.metadata.num_frames
    else:
        return
    if scene.objects is not None and len(scene.objects.frames) != expected:
        yield _error(
            OBJECTS_FILE, f"it lists {len(scene.objects.frames)} frames, the clip has {expected}; label the clip again"
        )
