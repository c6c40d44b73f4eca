"""Judges frames and boxes: frames are counted from 0, every one is listed once, and a track is in it once at most."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from math import isfinite

from vda_assets.base.counted import counted
from vda_assets.base.cut import cut
from vda_assets.base.problem import Problem, Severity
from vda_assets.labels.scene import OBJECTS_FILE, Box, Frame, LabelScene

# `yardcam07_frame_000003`, and after super-resolution `sr_output_frame_000003`.
_NUMBER_IN_KEY = re.compile(r"(?<![0-9])[0-9]{1,9}$")


def track_problems(scene: LabelScene, *, frame_count: int | None, size: tuple[int, int] | None) -> Iterator[Problem]:
    """`frame_count` and `size` are the labelled clip's; what is None is not compared."""
    if scene.objects is None:
        return
    if frame_count is not None:
        yield from map(_error, _frames(scene.objects.frames.values(), frame_count))
    yield from map(_error, _keys(scene.objects.frames))
    yield from map(_error, _repeated(scene.frames))
    yield from map(_error, _strangers(scene))
    yield from map(_error, _boxes(scene.frames, size))


def _error(message: str) -> Problem:
    return Problem(Severity.ERROR, OBJECTS_FILE, message)


def _frames(frames: Iterable[Frame], frame_count: int) -> Iterator[str]:
    times = Counter(frame.frame_number for frame in frames)
    outside = [number for number in times if not 0 <= number < frame_count]
    repeated = [number for number, count in times.items() if count > 1]
    found = len(times) - len(outside)
    if found < frame_count:
        missing = next(number for number in range(found + 1) if number not in times)
        listed = f"it lists {counted(found, 'frame')}, the clip has {frame_count}"
        yield f"{listed}; label the clip again (frame {missing} is missing)"
    if repeated:
        yield f"{counted(len(repeated), 'frame is', 'frames are')} listed more than once, such as frame {min(repeated)}"
    if outside:
        strange = counted(len(outside), "frame is", "frames are")
        yield f"{strange} none of the clip's 0 to {frame_count - 1}, such as frame {outside[0]}"


def _keys(frames: dict[str, Frame]) -> Iterator[str]:
    wrong = []
    for key, frame in frames.items():
        number = _NUMBER_IN_KEY.search(key)
        if number is None or int(number[0]) != frame.frame_number:
            wrong.append(f"{cut(key)} has frame_number {frame.frame_number}")
    if wrong:
        yield f"{counted(len(wrong), 'frame has', 'frames have')} another number than their key, the first: {wrong[0]}"


def _repeated(frames: tuple[Frame, ...]) -> Iterator[str]:
    repeated = []
    for frame in frames:
        times = Counter(found.object_id for found in frame.detections)
        repeated += [f"{cut(one)} in frame {frame.frame_number}" for one, count in times.items() if count > 1]
    if repeated:
        yield f"{counted(len(repeated), 'time')} an object is more than once in a frame, the first: {repeated[0]}"


def _strangers(scene: LabelScene) -> Iterator[str]:
    known = scene.instances.instances if scene.instances else {}
    strangers = {found.object_id for frame in scene.frames for found in frame.detections} - known.keys()
    if strangers:
        yield f"{counted(len(strangers), 'object is', 'objects are')} no known instance, such as {cut(min(strangers))}"


def _boxes(frames: tuple[Frame, ...], size: tuple[int, int] | None) -> Iterator[str]:
    reversed_boxes: list[str] = []
    outside: list[str] = []
    for frame in frames:
        for found in frame.detections:
            for box in (found.tight, found.loose):
                if box is None:
                    continue
                fault = reversed_boxes if _is_reversed(box) else outside if size and _is_outside(box, size) else None
                if fault is not None:
                    fault.append(f"{cut(found.object_id)} in frame {frame.frame_number} {list(box)}")
    if reversed_boxes:
        yield f"{counted(len(reversed_boxes), 'box is', 'boxes are')} reversed or empty, the first: {reversed_boxes[0]}"
    if outside and size:
        yield f"{counted(len(outside), 'box lies', 'boxes lie')} outside {size[0]}x{size[1]}, the first: {outside[0]}"


def _is_reversed(box: Box) -> bool:
    x_min, y_min, x_max, y_max = box
    return not (x_min < x_max and y_min < y_max and all(map(isfinite, box)))


def _is_outside(box: Box, size: tuple[int, int]) -> bool:
    x_min, y_min, x_max, y_max = box
    return not (x_min >= 0 and y_min >= 0 and x_max <= size[0] and y_max <= size[1])
