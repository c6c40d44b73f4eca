"""What can be wrong with a clip. Storage trouble is not in here: it passes through as the OSError that it is.

MediaError
├── NotAVideo       the content is of no video format that is taken (text, zero bytes, an MP4 that lost its index)
├── NoVideoStream   a media file without a picture track that can be decoded
├── UnsuitableVideo a video that this project reads, but the containers do not (codec, size, turned, too long)
├── DamagedVideo    begins well, but pictures are missing or do not decode
├── TooFewFrames    a picture, not a clip
├── TookTooLong     reading it did not end in time
└── CannotEncode    the clips are fine, but no video can be made of them here
"""

from __future__ import annotations

# Of whatever a player can show it makes what both containers take: turned upright, one size, one codec.
REENCODE = "ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p OUT.mp4"


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


class UnsuitableVideo(MediaError):
    """Fine as a video, but of a kind that the containers cannot take; it must be converted."""


class DamagedVideo(MediaError):
    """Truncated or broken inside; a new upload, or another encoding of what is left, is needed."""


class TooFewFrames(MediaError):
    """Fewer than two frames: there is no motion to label or to keep."""


class TookTooLong(MediaError):
    """Reading did not end within its limit: a header that promises without end, or a storage that hardly answers."""


class CannotEncode(MediaError):
    """The encoder is missing or refuses; the clips themselves decode."""
