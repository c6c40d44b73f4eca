"""Opens a clip for reading, with its one picture track, and turns FFmpeg's complaints into the room's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vda_assets.media.errors import DamagedVideo, NotAVideo, NoVideoStream

Source = str | Path | BinaryIO


@contextmanager
def open_clip(source: Source, *, name: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Yields the container and its first picture track; a file object is read from its beginning and stays open.

    Raises NotAVideo, NoVideoStream, or the OSError of the storage.
    """
    if isinstance(source, (str, Path)):
        # An absolute path is never taken for a URL, whatever colons the clip's name has.
        file: str | BinaryIO = str(Path(source).absolute())
    else:
        file = source
        file.seek(0)
    try:
        container = av.open(file, "r")
    except OSError:
        raise
    except av.FFmpegError as error:
        raise NotAVideo(
            name,
            "it is not a video, or empty, or cut off. Upload the clip again or take it out of the dataset.",
        ) from error
    with container:
        pictures = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        # PyAV gives a track of an unknown codec no codec context, whatever its types say.
        decodable = [stream for stream in pictures if getattr(stream, "codec_context", None)]
        if not decodable:
            problem = "its video codec is unknown" if pictures else "it has no video stream"
            raise NoVideoStream(name, f"{problem}. Export the clip again, as H.264 in an .mp4 for instance.")
        yield container, decodable[0]


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Whatever FFmpeg refuses inside is raised as DamagedVideo; an OSError of the storage passes through."""
    try:
        yield
    except OSError:
        raise
    except av.FFmpegError as error:
        raise DamagedVideo(name, f"it does not decode ({error.strerror}). Upload the clip again.") from error


def clockwise_degrees(rotation: int) -> int:
    """0 to 359: how far a player turns a frame clockwise, from the counter-clockwise degrees that FFmpeg gives."""
    return -rotation % 360
