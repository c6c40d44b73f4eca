"""Finds what moves in a fixed view: background subtraction, then boxes around what also differs between frames.

The clip is looked at twice. The first time gives the shots and pictures of each; with these the background is known
before the first frame of the shot is judged, so that objects are found from their first frame on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from vda_assets.embedded.containers.video import Plane

WORKING_WIDTH = 480
SMALLEST_AREA_FRACTION = 0.0015
LARGEST_BOX_FRACTION = 0.6
GROUPING_PIXELS = 15  # parts of an object that are nearer than this, as behind a fence, belong together
CUT_FRACTION = 0.5  # of the picture changing at once: a cut or a moving camera, not an object
LEAST_MOVING_FRACTION = 0.06  # of a box that has to change between two frames; what stands still again does not
STEP_THRESHOLD = 14
SAMPLE_EVERY_FRAMES = 4
SAMPLES_PER_SHOT = 75
LEARNING_RATE = 0.001

Boxes = NDArray[np.float32]


@dataclass(frozen=True)
class Detections:
    """Boxes (n x 4: xmin, ymin, xmax, ymax in pixels) with the share of each that is foreground."""

    boxes: Boxes
    confidences: NDArray[np.float32]


@dataclass(frozen=True)
class Shot:
    """Frames without a cut between them: the number of the first, and some of them in working size."""

    start: int
    samples: list[Plane] = field(default_factory=list)


def find_shots(lumas: Iterable[Plane]) -> list[Shot]:
    """The shots of a clip, from the luma of all its frames."""
    shots: list[Shot] = []
    previous: Plane | None = None
    for number, luma in enumerate(lumas):
        small = _working_size(luma)
        if previous is None or _step(small, previous).mean() > CUT_FRACTION:
            shots.append(Shot(start=number))
        shot = shots[-1]
        if (number - shot.start) % SAMPLE_EVERY_FRAMES == 0 and len(shot.samples) < SAMPLES_PER_SHOT:
            shot.samples.append(small)
        previous = small
    return shots


class MotionDetector:
    """Call it with the number and luma of each frame in turn."""

    def __init__(self, shots: Iterable[Shot], *, width: int, height: int) -> None:
        self._shots = {shot.start: shot for shot in shots}
        self._width, self._height = width, height
        self._previous: Plane | None = None
        self._background = cv2.createBackgroundSubtractorMOG2()
        self._grouping = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (GROUPING_PIXELS, GROUPING_PIXELS))
        self._opening = np.ones((3, 3), dtype=np.uint8)

    def __call__(self, number: int, luma: Plane) -> Detections:
        """What moves in this frame; nothing in the first of a shot."""
        small = _working_size(luma)
        if number in self._shots:
            self._background = _learned_background(self._shots[number].samples)
            self._previous = None
        previous, self._previous = self._previous, small
        foreground = (self._background.apply(small, learningRate=LEARNING_RATE) == 255).astype(np.uint8)
        if previous is None or foreground.mean() > CUT_FRACTION:
            return _detections([], [])
        foreground = np.asarray(cv2.morphologyEx(foreground, cv2.MORPH_OPEN, self._opening), dtype=np.uint8)
        return self._boxes(foreground, _step(small, previous))

    def _boxes(self, mask: Plane, step: NDArray[np.bool_]) -> Detections:
        count, groups = cv2.connectedComponents(cv2.dilate(mask, self._grouping), connectivity=8)
        groups[mask == 0] = 0
        to_x, to_y = self._width / mask.shape[1], self._height / mask.shape[0]
        boxes, confidences = [], []
        for group in range(1, count):
            part = (groups == group).astype(np.uint8)
            x, y, width, height = cv2.boundingRect(part)
            area = int(cv2.countNonZero(part))
            if area < SMALLEST_AREA_FRACTION * mask.size or width * height > LARGEST_BOX_FRACTION * mask.size:
                continue
            if float(step[y : y + height, x : x + width].mean()) < LEAST_MOVING_FRACTION:
                continue
            boxes.append([x * to_x, y * to_y, (x + width) * to_x, (y + height) * to_y])
            confidences.append(min(0.95, 0.5 + area / (width * height) / 2))
        return _detections(boxes, confidences)


def _working_size(luma: Plane) -> Plane:
    height, width = luma.shape
    scale = min(1.0, WORKING_WIDTH / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (5, 5), 0), dtype=np.uint8)


def _step(current: Plane, previous: Plane) -> NDArray[np.bool_]:
    return cv2.absdiff(current, previous) > STEP_THRESHOLD


def _learned_background(samples: list[Plane]) -> cv2.BackgroundSubtractorMOG2:
    background = cv2.createBackgroundSubtractorMOG2(history=200, varThreshold=24, detectShadows=True)
    # Only what is there most of the time is background; by default what passes often would be, too.
    background.setBackgroundRatio(0.5)
    for count, sample in enumerate(samples, start=1):
        background.apply(sample, learningRate=1 / count)
    return background


def _detections(boxes: list[list[float]], confidences: list[float]) -> Detections:
    return Detections(
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4), confidences=np.array(confidences, dtype=np.float32)
    )
