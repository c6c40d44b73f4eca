"""What a clip is, found out by reading it: sizes, rate, and frames that are counted, not believed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vda_assets.media.errors import DamagedVideo, TooFewFrames
from vda_assets.media.reading import Source, clockwise_degrees, decoding, open_clip

# Durations in headers are rounded; a cut-off upload misses more than this.
_TOLERATED_GAP_SECONDS = 0.25


@dataclass(frozen=True)
class ClipInfo:
    """`width` and `height` are pixels as stored; phones store a portrait clip lying down and note its rotation."""

    width: int
    height: int
    rotation_degrees: int  # clockwise, as a player turns it: 0, 90, 180 or 270
    fps: Fraction
    frame_count: int
    duration_seconds: float
    codec: str
    pixel_format: str
    has_audio: bool
    format: str  # FFmpeg's name of the container, such as "mov,mp4,m4a,3gp,3g2,mj2"

    @property
    def display_width(self) -> int:
        return self.height if self.rotation_degrees in (90, 270) else self.width

    @property
    def display_height(self) -> int:
        return self.width if self.rotation_degrees in (90, 270) else self.height


@dataclass(frozen=True)
class _Extent:
    """How much picture there is, and whether the file ends before all of it was there."""

    frame_count: int
    duration_seconds: float
    is_cut_off: bool


def probe(source: Source, *, name: str) -> ClipInfo:
    """Decodes the first frame and counts all: by the index that an MP4 has, in other files by reading everything.

    Raises NotAVideo, NoVideoStream, DamagedVideo, TooFewFrames (fewer than 2), or the OSError of the storage.
    """
    with open_clip(source, name=name) as (container, stream), decoding(name):
        fps = stream.average_rate or stream.guessed_rate
        first_frame = next(container.decode(stream), None)
        if first_frame is None or not fps:
            raise DamagedVideo(name, "no frame of it decodes. Upload the clip again.")
        extent = _by_index(container, stream) or _by_packets(container, stream, fps)
        if extent.is_cut_off:
            raise DamagedVideo(
                name, f"it is cut off after {extent.duration_seconds:.1f} seconds. Upload the clip again."
            )
        if extent.frame_count < 2:
            raise TooFewFrames(
                name,
                f"it has {extent.frame_count} frame; at least 2 are needed, because motion is what is labelled and "
                "augmented. Take it out of the dataset.",
            )
        return ClipInfo(
            width=stream.width,
            height=stream.height,
            rotation_degrees=clockwise_degrees(first_frame.rotation),
            fps=fps,
            frame_count=extent.frame_count,
            duration_seconds=extent.duration_seconds,
            codec=stream.codec.canonical_name,
            pixel_format=first_frame.format.name,
            has_audio=bool(container.streams.audio),
            format=container.format.name,
        )


def _by_index(container: InputContainer, stream: VideoStream) -> _Extent | None:
    """From the places of all samples that an MP4 notes in one table; None when there is no complete one."""
    entries = list(stream.index_entries)
    if not stream.frames or stream.frames > len(entries) or not stream.duration or not stream.time_base:
        return None
    # Discarded ones lie outside the clip's edit list.
    shown = [entry for entry in entries if not entry.is_discard]
    whole = [entry for entry in shown if entry.pos + entry.size <= container.size]
    promised_seconds = float(stream.duration * stream.time_base)
    seconds = promised_seconds * len(whole) / len(shown) if shown else 0.0
    return _Extent(len(shown), seconds, is_cut_off=len(whole) < len(shown))


def _by_packets(container: InputContainer, stream: VideoStream, fps: Fraction) -> _Extent:
    """Reads the whole clip once."""
    container.seek(0)
    frame_count = 0
    is_cut_off = False
    starts: list[int] = []
    ends: list[int] = []
    for packet in container.demux(stream):
        # The last packet is PyAV's own, to flush decoders.
        if not packet.size or packet.is_discard:
            continue
        frame_count += 1
        is_cut_off |= packet.is_corrupt
        if packet.pts is not None:
            starts.append(packet.pts)
            ends.append(packet.pts + (packet.duration or 0))
    tick = stream.time_base or 1 / fps
    seconds = float((max(ends) - min(starts)) * tick if starts else frame_count / fps)
    promised_seconds = float((stream.duration or 0) * tick)
    if not stream.duration and len(container.streams) == 1:
        # Matroska notes a track's duration at the file's end, the file's own at its beginning.
        promised_seconds = ((container.duration or 0) - (container.start_time or 0)) / av.time_base
    return _Extent(frame_count, seconds, is_cut_off or promised_seconds - seconds > _TOLERATED_GAP_SECONDS)
