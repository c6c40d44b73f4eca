"""Tiny clips made on the spot: bright rectangles that move over a textured street."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def make_clip(
    path: Path,
    *,
    width: int = 160,
    height: int = 96,
    frame_count: int = 30,
    rate: Fraction = Fraction(25),
    moving: bool = True,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
) -> Path:
    """Writes a clip; one rectangle crosses from the left and a smaller one from the right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texture = np.random.default_rng(1).integers(60, 130, (height // 4 + 1, width // 4 + 1, 3)).astype(np.uint8)
    street = texture.repeat(4, axis=0).repeat(4, axis=1)[:height, :width]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        for number in range(frame_count):
            picture = street.copy()
            if moving:
                left = 4 + number * (width - 60) // frame_count
                picture[height // 2 : height // 2 + 22, left : left + 44] = (230, 210, 190)
                right = width - 16 - number * (width - 40) // frame_count
                picture[8:30, right : right + 12] = (20, 20, 160)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def facts(path: Path) -> tuple[int, int, Fraction, int]:
    """Width, height, frames per second and number of decoded frames."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        return frames[0].width, frames[0].height, Fraction(stream.average_rate), len(frames)


def mean_luma(path: Path) -> list[float]:
    """The mean brightness of every frame."""
    with av.open(str(path)) as container:
        return [float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
