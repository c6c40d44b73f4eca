"""Opens a clip for reading, with its one picture track, and turns FFmpeg's complaints into the room's errors.

FFmpeg sees the bytes of this one file and nothing else: the demuxer is chosen here, and no other file or address that
the content names is opened. What it may take in memory, streams and seconds is bounded as far as FFmpeg has limits;
what has none there (tables that a header of a few bytes fills) is bounded by a process, see flows/processes.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO, NoReturn

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vda_assets.media.errors import DamagedVideo, NotAVideo, NoVideoStream, TookTooLong, UnsuitableVideo
from vda_assets.media.sniff import HEAD_BYTES, demuxer_of, looks_like

Source = str | Path | BinaryIO
# 8192x4320 and what its lines are padded to. A header alone can ask for pictures of 65535x65535.
MOST_PIXELS = 8192 * 4352
MOST_STREAMS = 32
_OPTIONS = {"protocol_whitelist": "", "max_streams": str(MOST_STREAMS + 1), "max_pixels": str(MOST_PIXELS)}
# FFmpeg's own, and what PyAV raises when numbers from a header do not fit its types.
_REFUSALS = (av.FFmpegError, ValueError, ArithmeticError, LookupError, MemoryError)
_NO_VIDEO = "it is not a video, or cut off. Upload the clip again or take it out of the dataset."


class BoundedFile:
    """The clip's bytes for FFmpeg, until the time is over. Keeps the storage's own error, to tell it from FFmpeg's."""

    def __init__(self, file: BinaryIO, *, name: str, seconds: float | None) -> None:
        self._file = file
        self._name = name
        self._seconds = seconds
        self._end = time.monotonic() + seconds if seconds is not None else float("inf")
        self.size_bytes = file.seek(0, 2)
        file.seek(0)
        self.trouble: Exception | None = None

    def check_time(self) -> None:
        """Raises TookTooLong."""
        if time.monotonic() > self._end:
            raise TookTooLong(
                self._name,
                f"reading it did not end within {self._seconds:.0f} seconds: it is broken in a way that promises "
                "more than there is, or the storage hardly answers. Try again, or upload the clip again.",
            )

    def read(self, size: int) -> bytes:
        try:
            self.check_time()
            return self._file.read(size)
        except Exception as error:
            self.trouble = error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0 and offset < 0:
            raise ValueError("a broken header names a place before the beginning")
        try:
            self.check_time()
            return self._file.seek(offset, whence)
        except Exception as error:
            self.trouble = error
            raise

    def tell(self) -> int:
        return self._file.tell()

    def peek_at(self, position: int, size: int) -> bytes:
        """Bytes from elsewhere, unnoticed by FFmpeg."""
        here = self.tell()
        self.seek(position)
        try:
            return self.read(size)
        finally:
            self.seek(here)


@dataclass(frozen=True)
class OpenClip:
    name: str
    container: InputContainer
    stream: VideoStream
    file: BoundedFile

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Whatever FFmpeg refuses inside is raised as DamagedVideo; the storage's own error passes through."""
        try:
            yield
        except _REFUSALS as error:
            what = getattr(error, "strerror", None) or str(error) or type(error).__name__
            damaged = DamagedVideo(self.name, f"it does not decode ({what}). Upload the clip again.")
            raise (self.file.trouble or damaged) from error


@contextmanager
def open_clip(source: Source, *, name: str, seconds: float | None = None) -> Iterator[OpenClip]:
    """Yields the container, its first picture track, and the file; a file object is read from its beginning and stays
    open. All reading must end within `seconds`.

    Raises NotAVideo, NoVideoStream, UnsuitableVideo, TookTooLong, or the error of the storage.
    """
    with ExitStack() as stack:
        file = BoundedFile(stack.enter_context(_opened(source, name=name)), name=name, seconds=seconds)
        head = b""
        while len(head) < HEAD_BYTES and (more := file.read(HEAD_BYTES - len(head))):
            head += more
        demuxer = demuxer_of(head)
        if demuxer is None:
            raise NotAVideo(name, looks_like(head) or _NO_VIDEO)
        file.seek(0)
        try:
            container = av.open(
                file, "r", format=demuxer, options=_OPTIONS, metadata_errors="replace", io_open=_nothing_else
            )
        except _REFUSALS as error:
            raise (file.trouble or NotAVideo(name, _NO_VIDEO)) from error
        stack.enter_context(container)
        if len(container.streams) > MOST_STREAMS:
            raise UnsuitableVideo(
                name,
                f"it has more than {MOST_STREAMS} streams. Keep its pictures alone: "
                "ffmpeg -i IN -map 0:v:0 -c copy OUT.mp4",
            )
        pictures = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        # PyAV gives a track of an unknown codec no codec context, whatever its types say.
        decodable = [stream for stream in pictures if getattr(stream, "codec_context", None)]
        if not decodable:
            problem = "its video codec is unknown" if pictures else "it has no video stream"
            raise NoVideoStream(name, f"{problem}. Export the clip again, as H.264 in an .mp4 for instance.")
        decodable[0].codec_context.options = {"max_pixels": str(MOST_PIXELS)}
        yield OpenClip(name, container, decodable[0], file)


@contextmanager
def _opened(source: Source, *, name: str) -> Iterator[BinaryIO]:
    if not isinstance(source, (str, Path)):
        yield source
        return
    path = Path(source)
    if not S_ISREG(path.stat().st_mode):
        raise NotAVideo(name, "it is not a file. Take it out of the dataset.")
    with path.open("rb") as file:
        yield file


def _nothing_else(url: str, *_: Any) -> NoReturn:
    raise PermissionError(f"a clip may not open {url}")


def clockwise_degrees(rotation: int) -> int:
    """0 to 359: how far a player turns a frame clockwise, from the counter-clockwise degrees that FFmpeg gives."""
    return -rotation % 360
