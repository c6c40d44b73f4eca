"""Judges a label scene: DAFT's format check, and what DAFT lets pass although the labels are wrong or lost.

The container (paidf-auto-labeling 1.0.0) exits 0 without answers when the VLM does not reply, and without tracks when a
checkpoint is missing; both scenes are valid for DAFT.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vda_assets.base.counted import counted
from vda_assets.base.cut import cut
from vda_assets.base.problem import Problem, Severity
from vda_assets.labels.daft import daft_problems
from vda_assets.labels.errors import BrokenLabelFile
from vda_assets.labels.scene import MCQ_FILE, METADATA_FILE, RAW_FOLDER, LabelScene, Window, read_scene
from vda_assets.labels.steps import step_problems
from vda_assets.labels.tracks import track_problems
from vda_assets.media.errors import MediaError
from vda_assets.media.probe import ClipInfo, probe


def validate_scene(folder: Path) -> list[Problem]:
    """All findings in a local scene, errors first. A file that cannot be read is one error and ends the search.

    Raises SceneNotFound.
    """
    try:
        scene = read_scene(folder)
    except BrokenLabelFile as broken:
        return [_error(broken.file, broken.problem)]
    clip, problems = _raw_clip(folder)
    return sorted([*problems, *scene_problems(scene, clip=clip)], key=lambda problem: problem.severity)


def scene_problems(scene: LabelScene, *, clip: ClipInfo | None, frame_count: int | None = None) -> Iterator[Problem]:
    """`clip` is the scene's own in raw/, None when it was not looked at; `frame_count` is that of the clip to label."""
    seen = scene.metadata
    expected = frame_count or (clip.frame_count if clip else seen.num_frames if seen else None)
    size = (seen.width, seen.height) if seen else (clip.display_width, clip.display_height) if clip else None
    yield from step_problems(scene)
    yield from _seen_clip(scene, clip, expected)
    yield from _answers(scene)
    yield from _windows(scene, expected)
    yield from track_problems(scene, frame_count=expected, size=size)
    yield from daft_problems(scene)


def _error(file: str, message: str) -> Problem:
    return Problem(Severity.ERROR, file, message)


def _warning(file: str, message: str) -> Problem:
    return Problem(Severity.WARNING, file, message)


def _raw_clip(folder: Path) -> tuple[ClipInfo | None, list[Problem]]:
    raw = folder / RAW_FOLDER
    paths = sorted(raw.iterdir()) if raw.is_dir() else []
    if len(paths) != 1:
        return None, [_error(RAW_FOLDER, f"it holds {counted(len(paths), 'file')}; the labelled clip alone lies there")]
    file = f"{RAW_FOLDER}/{paths[0].name}"
    if not paths[0].exists():
        target = paths[0].readlink()
        return None, [_warning(file, f"the link to {target} leads nowhere; put the clip itself there to convert")]
    try:
        return probe(paths[0], name=file), []
    except MediaError as error:
        return None, [_error(file, error.problem)]


def _seen_clip(scene: LabelScene, clip: ClipInfo | None, frame_count: int | None) -> Iterator[Problem]:
    """The clip that the VLM saw is drawn from the one in raw/, with the same pictures."""
    if clip and frame_count is not None and clip.frame_count != frame_count:
        yield _error(
            RAW_FOLDER, f"its clip has {counted(clip.frame_count, 'frame')}, the clip to label has {frame_count}"
        )
    seen = scene.metadata
    if seen is None:
        return
    if frame_count is not None and seen.num_frames != frame_count:
        yield _error(METADATA_FILE, f"it speaks of {counted(seen.num_frames, 'frame')}, the clip has {frame_count}")
    sizes = {(clip.width, clip.height), (clip.display_width, clip.display_height)} if clip else set()
    if sizes and (seen.width, seen.height) not in sizes:
        here = f"{seen.width}x{seen.height}"
        yield _error(METADATA_FILE, f"it speaks of {here}, the clip in raw/ is {min(sizes)[0]}x{min(sizes)[1]}")


def _answers(scene: LabelScene) -> Iterator[Problem]:
    if scene.config is not None and scene.config.mcq_generation.enabled and not scene.questions:
        yield _error("task", "questions were asked for in config.yaml, but none is answered: check the VLM and the LLM")
    for question in scene.mcq:
        if question.options and question.answer not in question.options:
            letters = cut(", ".join(question.options))
            text, answer = cut(question.question), cut(question.answer)
            yield _error(MCQ_FILE, f"{text!r} has the answer {answer!r}, not one of {letters}")


def _windows(scene: LabelScene, frame_count: int | None) -> Iterator[Problem]:
    windows = scene.metadata.windows if scene.metadata else ()
    if not windows:
        if scene.config is not None and scene.config.mcq_generation.enabled:
            missing = "no window is in it" if scene.metadata else "it is missing"
            yield _error(METADATA_FILE, f"{missing}: nothing says what the answers were made from; label again")
        return
    failed = [window for window in windows if window.errors]
    if failed:
        first = failed[0]
        yield Problem(
            Severity.ERROR if len(failed) == len(windows) else Severity.WARNING,
            METADATA_FILE,
            f"{len(failed)} of {counted(len(windows), 'window')} failed, the first at frames {first.start_frame} to "
            f"{first.end_frame} ({cut(', '.join(first.errors))}); the answers do not cover them",
        )
    if frame_count is not None:
        yield from (_error(METADATA_FILE, message) for message in _uncovered(windows, frame_count))


def _uncovered(windows: tuple[Window, ...], frame_count: int) -> Iterator[str]:
    """Windows may overlap, and together show every frame; windows of seconds may end one frame behind the clip."""
    after = 0
    for window in sorted(windows, key=lambda one: (one.start_frame, one.end_frame)):
        if not 0 <= window.start_frame <= window.end_frame <= frame_count:
            yield f"a window of frames {window.start_frame} to {window.end_frame} is none of the clip's {frame_count}"
            return
        if window.start_frame > after:
            break
        after = max(after, window.end_frame + 1)
    if after < frame_count:
        yield f"no window covers frame {after}; the answers do not either"
