"""What can be wrong with a clip. Storage trouble is not in here: it passes through as the OSError that it is.

MediaError
├── NotAVideo       the content is of no video format (text, zero bytes, an MP4 that lost its index)
├── NoVideoStream   a media file without a picture track that can be decoded
├── UnsuitableCodec pictures that this project reads, but the containers do not
├── DamagedVideo    begins well, but frames are missing or do not decode
└── TooFewFrames    a picture, not a clip
"""

from __future__ import annotations


class MediaError(Exception):
    """A clip that cannot be used as it is; `name` is the clip as the caller called it."""

    # Exception.__init__ gets both values, so that the error can be pickled on its way back from a process pool.
    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem)
        self.name = name
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}"


class NotAVideo(MediaError):
    """No video format is recognised; a new upload is needed."""


class NoVideoStream(MediaError):
    """There is no picture track, or one of an unknown codec; another export is needed."""


class UnsuitableCodec(MediaError):
    """Fine as a video, but of a codec or pixel format that the containers cannot take; it must be converted."""


class DamagedVideo(MediaError):
    """Truncated or broken inside; a new upload is needed."""


class TooFewFrames(MediaError):
    """Fewer than two frames: there is no motion to label or to keep."""
