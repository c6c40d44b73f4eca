"""Upscales a clip by interpolation, in place of the generative model."""

from pathlib import Path

import cv2
import numpy as np

from vda_assets.embedded.containers.auto_labeling.schema import SuperResolution
from vda_assets.embedded.containers.stand_in import NOTE
from vda_assets.embedded.containers.video import Plane, Planes, frames, join, probe, split, writing

MULTIPLE = 16
SUFFIXES = (".mp4", ".mov", ".m4v")


def upscale(source: Path, target: Path, settings: SuperResolution) -> None:
    """Writes the clip with the area of `res_h` times `res_w` and its own aspect, cut to sides of whole 16 pixels.

    Raises ValueError or av.FFmpegError.
    """
    if source.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{source}: super-resolution takes {', '.join(SUFFIXES)}")
    clip = probe(source)
    scale = (settings.res_h * settings.res_w / (clip.width * clip.height)) ** 0.5
    scaled = max(MULTIPLE, round(clip.width * scale)), max(MULTIPLE, round(clip.height * scale))
    width, height = (side - side % MULTIPLE for side in scaled)
    with writing(target, width=width, height=height, rate=clip.rate, comment=NOTE, preset="superfast") as append:
        for frame in frames(source):
            append(join(_resized(split(frame), scaled=scaled, width=width, height=height)))


def _resized(planes: Planes, *, scaled: tuple[int, int], width: int, height: int) -> Planes:
    """Scaled, and cut to the middle of `width` x `height`; chroma has half of everything."""

    def plane(source: Plane, part: int) -> Plane:
        size = scaled[0] // part, scaled[1] // part
        large = np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
        left, top = (size[0] - width // part) // 2, (size[1] - height // part) // 2
        return large[top : top + height // part, left : left + width // part]

    return plane(planes[0], 1), plane(planes[1], 2), plane(planes[2], 2)
