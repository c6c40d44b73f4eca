"""Follows what moves through the clip (ByteTrack) and gives every track one of the configured classes."""

import warnings
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import supervision as sv

from vda_assets.embedded.containers.auto_labeling.coco import SEMANTIC_IDS, guess_class
from vda_assets.embedded.containers.auto_labeling.detection import Detections
from vda_assets.embedded.containers.auto_labeling.schema import DetectionAndTracking

Box = tuple[float, float, float, float]
LOOSE_FRACTION = 0.1


@dataclass(frozen=True)
class Track:
    """One object: its class, its id over all classes, and its box (xmin, ymin, xmax, ymax in pixels) per frame."""

    track_id: int
    object_type: str
    boxes: dict[int, Box]

    @property
    def object_id(self) -> str:
        """The name under which the scene's files refer to it."""
        return f"{self.object_type}_{self.track_id}"

    @property
    def semantic_id(self) -> int:
        """The COCO id of the class."""
        return SEMANTIC_IDS[self.object_type.replace("_", " ")]


class Tracker:
    """Collects one clip's tracks: call `cut` where a shot starts, `update` once per frame, `tracks` at the end."""

    def __init__(self, settings: DetectionAndTracking) -> None:
        self._settings = settings
        self._finished: list[dict[int, Box]] = []
        self._boxes: dict[int, dict[int, Box]] = defaultdict(dict)
        self.cut()

    def cut(self) -> None:
        """Ends all tracks."""
        self._finished += self._boxes.values()
        self._boxes = defaultdict(dict)
        with warnings.catch_warnings():
            # supervision 0.30 announces that ByteTrack moves to another package in 0.31; the version is pinned.
            warnings.filterwarnings("ignore", message=".*ByteTrack", category=FutureWarning)
            self._byte_track = sv.ByteTrack(
                track_activation_threshold=self._settings.threshold,
                lost_track_buffer=self._settings.max_age,
                minimum_matching_threshold=0.9,
                minimum_consecutive_frames=self._settings.min_hits,
            )

    def update(self, frame_number: int, detections: Detections) -> None:
        """Takes the detections of the next frame."""
        tracked = self._byte_track.update_with_detections(
            sv.Detections(
                xyxy=detections.boxes,
                confidence=detections.confidences,
                class_id=np.zeros(len(detections.boxes), dtype=int),
            )
        )
        if tracked.tracker_id is None:
            return
        for track_id, box in zip(tracked.tracker_id.tolist(), tracked.xyxy.tolist(), strict=True):
            self._boxes[track_id][frame_number] = (box[0], box[1], box[2], box[3])

    def tracks(self, *, width: int, height: int) -> list[Track]:
        """The tracks that are long enough, in the order of their first frame."""
        everything = [*self._finished, *self._boxes.values()]
        kept = [boxes for boxes in everything if len(boxes) >= self._settings.min_track_frames]
        kept.sort(key=min)
        return [
            Track(number, self._object_type(boxes, frame_area=width * height), boxes)
            for number, boxes in enumerate(kept, start=1)
        ]

    def _object_type(self, boxes: dict[int, Box], *, frame_area: int) -> str:
        sides = np.array([(right - left, bottom - top) for left, top, right, bottom in boxes.values()])
        width, height = np.median(sides, axis=0)
        name = guess_class(
            self._settings.classes, aspect=float(width / height), area_fraction=float(width * height / frame_area)
        )
        return name.replace(" ", "_")


def loose(box: Box, *, width: int, height: int) -> Box:
    """The box grown by a tenth of its size on every side, inside the frame."""
    left, top, right, bottom = box
    x, y = (right - left) * LOOSE_FRACTION, (bottom - top) * LOOSE_FRACTION
    return max(0.0, left - x), max(0.0, top - y), min(float(width), right + x), min(float(height), bottom + y)
