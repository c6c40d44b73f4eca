"""Tiny real clips: a white square that wanders over red, with a green mark in the stored top left corner."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange

MakeClip = Callable[..., Path]
# Small files of others' making; each stands for a kind.
INPUTS = Path(__file__).parent / "inputs"
RED, GREEN = (200, 60, 40), (20, 220, 40)


def write_clip(
    path: Path,
    *,
    width: int = 96,
    height: int = 64,
    frame_count: int = 10,
    fps: int = 25,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    counter_clockwise_degrees: int = 0,
    with_sound: bool = False,
    faststart: bool = False,
) -> Path:
    os.environ.setdefault("SVT_LOG", "1")  # as the project does before it encodes: the encoder reads it once
    with av.open(str(path), "w", options={"movflags": "faststart"} if faststart else {}) as container:
        stream = container.add_stream(codec, rate=fps, options={"crf": "12"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.color_range = ColorRange.MPEG
        if counter_clockwise_degrees:
            stream.set_display_rotation(counter_clockwise_degrees)
        sound = container.add_stream("aac", rate=8000, layout="mono") if with_sound else None
        for number in range(frame_count):
            pixels = np.full((height, width, 3), RED, np.uint8)
            pixels[height // 2 : height // 2 + 8, number : number + 8] = 255
            pixels[: height // 4, : width // 4] = GREEN
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 8000
            container.mux([*sound.encode(silence), *sound.encode(None)])
    return path


def with_noise_for_frames(content: bytes) -> bytes:
    """The MP4 with its index as it was and nothing sensible in it."""
    begin, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    return content[:begin] + np.random.default_rng(0).bytes(end - begin) + content[end:]


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    def make(name: str = "clip.mp4", **how) -> Path:
        return write_clip(tmp_path / name, **how)

    return make
