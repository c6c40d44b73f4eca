"""Looks at every frame of a clip once: what moves, and simple statistics of the picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from vda_assets.embedded.containers.auto_labeling.detection import MotionDetector, find_shots
from vda_assets.embedded.containers.auto_labeling.schema import DetectionAndTracking
from vda_assets.embedded.containers.auto_labeling.tracking import Track, Tracker
from vda_assets.embedded.containers.video import Plane, Planes, frames, probe, split

APPEARANCES_PER_SECOND = 3


@dataclass(frozen=True)
class Appearance:
    """The picture of one frame: luma 0-255, colour as distance from grey, all averages over the frame.

    `warmth` is red minus blue; `tone_warmth` is how much warmer the bright half is than the dark half; `streaks` is
    the share of pixels on thin bright lines that the frame before did not have; `ground_gain` is the ground's luma
    over the rest's.
    """

    luma: float
    contrast: float
    saturation: float
    warmth: float
    tone_warmth: float
    streaks: float
    ground_gain: float


@dataclass(frozen=True)
class Observation:
    """What was seen in a clip; `detections` holds each frame's boxes before tracking, `rate` is in frames/s."""

    path: Path
    width: int
    height: int
    rate: Fraction
    frame_count: int
    detections: Sequence[Sequence[Sequence[float]]]
    tracks: Sequence[Track]
    appearances: dict[int, Appearance]

    @property
    def duration_seconds(self) -> float:
        """The length of the clip."""
        return float(self.frame_count / self.rate)


def observe(path: Path, tracking: DetectionAndTracking | None) -> Observation:
    """Decodes the clip; raises av.FFmpegError or ValueError when it cannot be read or holds no frame."""
    clip = probe(path)
    shots = find_shots(split(frame)[0] for frame in frames(path)) if tracking else []
    cuts = {shot.start for shot in shots}
    detector = MotionDetector(shots, width=clip.width, height=clip.height)
    tracker = Tracker(tracking) if tracking else None
    every = max(1, round(clip.rate / APPEARANCES_PER_SECOND))
    previous: Plane | None = None
    detections: list[list[list[float]]] = []
    appearances: dict[int, Appearance] = {}
    for number, frame in enumerate(frames(path)):
        planes = split(frame)
        detections.append([])
        if tracker:
            if number in cuts:
                tracker.cut()
            found = detector(number, planes[0])
            detections[number] = found.boxes.tolist()
            tracker.update(number, found)
        if number == 0 or number % every == every // 2:
            appearances[number] = appearance(planes, previous)
        previous = planes[0]
    if len(appearances) > 1:
        del appearances[0]  # the first frame has none before it, which some statistics need
    if not detections:
        raise ValueError(f"{path}: no frame could be decoded")
    return Observation(
        path=path,
        width=clip.width,
        height=clip.height,
        rate=clip.rate,
        frame_count=len(detections),
        detections=detections,
        tracks=tracker.tracks(width=clip.width, height=clip.height) if tracker else [],
        appearances=appearances,
    )


def appearance(planes: Planes, previous: Plane | None) -> Appearance:
    """The statistics of one frame; `previous` is the luma of the frame before, if there is one."""
    luma, blue, red = planes
    small = cv2.resize(luma, (blue.shape[1], blue.shape[0]), interpolation=cv2.INTER_AREA)
    warmth = red.astype(np.float32) - blue.astype(np.float32)
    bright = small >= np.median(small)
    ground = int(small.shape[0] * 0.6)
    return Appearance(
        luma=float(small.mean()),
        contrast=float(small.std()),
        saturation=float(np.hypot(red.astype(np.float32) - 128, blue.astype(np.float32) - 128).mean()),
        warmth=float(warmth.mean()),
        tone_warmth=float(warmth[bright].mean() - warmth[~bright].mean()) if (~bright).any() else 0.0,
        streaks=0.0 if previous is None else _new_thin_lines(luma, previous),
        ground_gain=float(small[ground:].mean() / max(1.0, small[:ground].mean())),
    )


def _new_thin_lines(luma: Plane, previous: Plane) -> float:
    width, around = np.ones((1, 5), dtype=np.uint8), np.ones((5, 5), dtype=np.uint8)
    thin = cv2.morphologyEx(luma, cv2.MORPH_TOPHAT, width)
    before = cv2.dilate(cv2.morphologyEx(previous, cv2.MORPH_TOPHAT, width), around)
    return float((cv2.subtract(thin, before) > 6).mean())
