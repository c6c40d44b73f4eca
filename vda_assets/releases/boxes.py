"""The boxes and answers of a released video, in the numbers that every format is made from.

Frames count from 0, tracks from 1, boxes are pixels of the labelled clip. A format that counts otherwise says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from vda_assets.labels.scene import Box, LabelScene, read_scene
from vda_assets.media.probe import ClipInfo

UNKNOWN = "unknown"
# A thousandth of a pixel: what lies below is noise of the detector's arithmetic.
_DECIMALS = 3


@dataclass(frozen=True)
class Shape:
    """What the video is: size in pixels, frames per second and their number."""

    width: int
    height: int
    fps: float
    frame_count: int


@dataclass(frozen=True)
class Track:
    """`number` counts from 1 within a video; `object_id` is the label scene's own."""

    number: int
    object_id: str
    category: str


@dataclass(frozen=True)
class Labels:
    """`frames` has for each frame with objects their boxes by track. `enhanced`: the labelled clip is what
    super-resolution made of the one that was uploaded."""

    shape: Shape
    tracks: tuple[Track, ...]
    frames: Mapping[int, tuple[tuple[Track, Box], ...]]
    captions: tuple[str, ...]
    questions: int
    enhanced: bool = False

    @cached_property
    def by_track(self) -> Mapping[int, Mapping[int, Box]]:
        """By track's number and frame."""
        boxes: dict[int, dict[int, Box]] = {track.number: {} for track in self.tracks}
        for frame, found in sorted(self.frames.items()):
            for track, box in found:
                boxes[track.number][frame] = box
        return boxes


class Categories:
    """Ids of categories, from 1, in the order in which they come."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def id_of(self, name: str) -> int:
        return self._ids.setdefault(name, len(self._ids) + 1)

    @property
    def names(self) -> list[str]:
        return list(self._ids)


@dataclass
class _Numbering:
    scene: LabelScene
    found: dict[str, Track] = field(default_factory=dict)

    def track(self, object_id: str) -> Track:
        if object_id not in self.found:
            known = self.scene.instances.instances if self.scene.instances else {}
            category = known[object_id].object_type if object_id in known else UNKNOWN
            self.found[object_id] = Track(len(self.found) + 1, object_id, category)
        return self.found[object_id]


def read_labels(folder: Path, *, probe: Callable[[], ClipInfo]) -> Labels:
    """The labels of a local scene. `probe` looks at the labelled clip, where the scene does not describe it.

    Raises a LabelError.
    """
    scene = read_scene(folder)
    numbering = _Numbering(scene)
    frames = {
        frame.frame_number: tuple((numbering.track(one.object_id), _rounded(one.tight)) for one in frame.detections)
        for frame in scene.frames
        if frame.detections
    }
    seen = scene.metadata
    if seen:
        shape = Shape(seen.width, seen.height, seen.framerate, seen.num_frames)
    else:
        clip = probe()
        shape = Shape(clip.display_width, clip.display_height, float(clip.fps), clip.frame_count)
    enhanced = scene.config is not None and scene.config.super_resolution.enabled
    captions = tuple(window.vlm_caption.strip() for window in (seen.windows if seen else ()) if window.vlm_caption)
    return Labels(shape, tuple(numbering.found.values()), frames, captions, len(scene.questions), enhanced)


def _rounded(box: Box) -> Box:
    x_min, y_min, x_max, y_max = (round(side, _DECIMALS) for side in box)
    return x_min, y_min, x_max, y_max
