"""Reading and writing clips frame by frame (PyAV), on 8-bit Y, U and V planes.

The decoded size counts: rotation metadata is neither applied nor copied.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
# With its macroblock tree, x264 encodes the same small frames differently from run to run.
REPEATABLE = {"x264-params": "mbtree=0"}
FALLBACK_RATE = Fraction(25)
# What FFmpeg in both images can decode: H.264 goes through NVDEC, which takes 8-bit 4:2:0 alone.
DECODERS = {"h264": ("yuv420p", "yuvj420p"), "mpeg4": None, "mjpeg": None}


@dataclass(frozen=True)
class Clip:
    """What is known of a clip before it is decoded; `rate` in frames per second, `frame_count` as its index says."""

    path: Path
    width: int
    height: int
    rate: Fraction
    frame_count: int
    codec: str
    pixel_format: str
    demuxer: str


def probe(path: Path) -> Clip:
    """The clip's facts; raises av.FFmpegError when it cannot be opened, ValueError when it holds no video."""
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError(f"{path}: no video stream in it; give a clip that has one")
        stream = container.streams.video[0]
        context = stream.codec_context
        return Clip(
            path=path,
            width=context.width,
            height=context.height,
            rate=_rate(stream),
            frame_count=stream.frames,
            codec=context.name,
            pixel_format=context.pix_fmt or "",
            demuxer=container.format.name,
        )


def require_decodable(clip: Clip) -> None:
    """Raises ValueError for pictures that the images of 1.0 have no decoder for, whatever this machine can read."""
    formats = DECODERS.get(clip.codec, ())
    if formats is not None and clip.pixel_format not in formats:
        raise ValueError(f"{clip.path}: no decoder takes {clip.codec} in {clip.pixel_format}; use 8-bit 4:2:0 H.264")


def _rate(stream: VideoStream) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate or FALLBACK_RATE
    return rate.limit_denominator(1001)


def frames(path: Path) -> Iterator[av.VideoFrame]:
    """Every frame in display order, as decoded; raises av.FFmpegError on a broken clip."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield from container.decode(stream)


def pixel_format(width: int, height: int) -> str:
    """How planes are kept in memory: `yuv420p`, or `yuv444p` for odd sizes."""
    return "yuv444p" if width % 2 or height % 2 else "yuv420p"


def split(frame: av.VideoFrame) -> Planes:
    """The frame's Y, U, V planes; chroma at half size unless width or height is odd."""
    width, height = frame.width, frame.height
    flat: Plane = np.asarray(frame.to_ndarray(format=pixel_format(width, height)), dtype=np.uint8).reshape(-1)
    luma_size = width * height
    chroma_size = (flat.size - luma_size) // 2
    chroma_shape = (height, width) if chroma_size == luma_size else (height // 2, width // 2)
    return (
        flat[:luma_size].reshape(height, width),
        flat[luma_size : luma_size + chroma_size].reshape(chroma_shape),
        flat[luma_size + chroma_size :].reshape(chroma_shape),
    )


def join(planes: Planes) -> av.VideoFrame:
    """The frame made of Y, U, V planes as `split` gives them."""
    height, width = planes[0].shape
    flat = np.concatenate([plane.reshape(-1) for plane in planes])
    layout = pixel_format(width, height)
    shape = (3, height, width) if layout == "yuv444p" else (height * 3 // 2, width)
    return av.VideoFrame.from_ndarray(flat.reshape(shape), format=layout)


@contextmanager
def writing(
    path: Path, *, width: int, height: int, rate: Fraction, comment: str, preset: str = "veryfast"
) -> Iterator[Callable[[av.VideoFrame], None]]:
    """Opens an MP4 for writing and gives the function that appends a frame at the constant `rate`.

    It holds H.264, or MPEG-4 where the size is odd, which 4:2:0 H.264 cannot be. It appears under its name only when it
    is complete. `comment` goes to the container's metadata.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        with av.open(str(partial), "w", format="mp4") as container:
            container.metadata["comment"] = comment
            if width % 2 or height % 2:
                stream = container.add_stream("mpeg4", rate=rate, options={"qmax": "4"})
                stream.bit_rate = int(width * height * rate) // 2
            else:
                x264 = {"preset": preset, "crf": "21", **REPEATABLE}
                stream = container.add_stream("libx264", rate=rate, options=x264)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.time_base = 1 / rate
            count = 0

            def append(frame: av.VideoFrame) -> None:
                nonlocal count
                frame.pts, frame.time_base = count, 1 / rate
                container.mux(stream.encode(frame))
                count += 1

            yield append
            container.mux(stream.encode(None))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
