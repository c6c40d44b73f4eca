"""What the containers take of the videos that there are.

The FFmpeg of paidf-augmentation 1.0.x and paidf-auto-labeling 1.0.0 has the decoders h264_cuvid, which knows 8-bit
4:2:0 only, mpeg4 and mjpeg, whatever the clip's name or container format says; neither turns pictures upright.
"""

from __future__ import annotations

from vda_assets.base.counted import counted
from vda_assets.media.errors import REENCODE, UnsuitableVideo
from vda_assets.media.probe import ClipInfo
from vda_assets.media.sniff import MP4

_DECODED = {
    "h264": {"yuv420p", "yuvj420p"},
    "mpeg4": {"yuv420p"},
    "mjpeg": {f"{family}{pattern}p" for family in ("yuv", "yuvj") for pattern in ("420", "422", "444", "440")},
}


def is_mp4(info: ClipInfo) -> bool:
    """Whether the containers' demuxer reads the clip as it is, whatever its name."""
    return info.format == MP4


def check_pictures(info: ClipInfo, *, name: str) -> None:
    """Raises UnsuitableVideo for a clip that the containers cannot decode, or would see lying on its side."""
    if info.pixel_format not in _DECODED.get(info.codec, set()):
        raise UnsuitableVideo(
            name,
            f"its pictures are {info.codec} in {info.pixel_format}; the containers take H.264 in 8-bit 4:2:0, mpeg4 "
            f"and mjpeg. Convert it: {REENCODE}",
        )
    if info.rotation_degrees:
        raise UnsuitableVideo(
            name,
            f"a player turns its pictures by {info.rotation_degrees} degrees; the containers do not, and would label "
            f"and augment it lying. Encode it upright: {REENCODE}",
        )


def check_length(info: ClipInfo, *, name: str, most_frames: int) -> None:
    """Raises UnsuitableVideo for a clip of more than so many frames."""
    if info.frame_count > most_frames:
        seconds = int(most_frames / info.fps)
        raise UnsuitableVideo(
            name,
            f"it has {counted(info.frame_count, 'frame')}; augmentation takes {most_frames} at most. Cut it into "
            f"pieces: ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p -f segment -segment_time {seconds} "
            "-reset_timestamps 1 OUT%03d.mp4",
        )
