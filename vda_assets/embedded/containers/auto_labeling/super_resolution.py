"""Upscales a clip by interpolation, in place of the generative model."""

from pathlib import Path

import cv2
import numpy as np

from vda_assets.embedded.containers.auto_labeling.schema import SuperResolution
from vda_assets.embedded.containers.stand_in import NOTE
from vda_assets.embedded.containers.video import Plane, Planes, frames, join, probe, split, writing

SUFFIXES = (".mp4", ".mov", ".m4v")


def upscale(source: Path, target: Path, settings: SuperResolution) -> None:
    """Writes the clip with `res_h` lines and its own aspect, both sides even; raises ValueError or av.FFmpegError."""
    if source.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{source}: super-resolution takes {', '.join(SUFFIXES)}")
    clip = probe(source)
    height = settings.res_h - settings.res_h % 2
    width = max(2, round(clip.width * height / clip.height / 2) * 2)
    with writing(target, width=width, height=height, rate=clip.rate, comment=NOTE, preset="superfast") as append:
        for frame in frames(source):
            append(join(_resized(split(frame), width=width, height=height)))


def _resized(planes: Planes, *, width: int, height: int) -> Planes:
    def scaled(plane: Plane, size: tuple[int, int]) -> Plane:
        return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)

    half = (width // 2, height // 2)
    return scaled(planes[0], (width, height)), scaled(planes[1], half), scaled(planes[2], half)
