"""What a clip is, found out by reading it: sizes, rate, and frames that are counted, not believed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av

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


def probe(source: Source, *, name: str) -> ClipInfo:
    """Reads the whole clip once, decodes its first frame, counts the packets of its picture track.

    Raises NotAVideo, NoVideoStream, DamagedVideo, TooFewFrames (fewer than 2), or the OSError of the storage.
    """
    with open_clip(source, name=name) as (container, stream), decoding(name):
        first_frame = None
        frame_count = 0
        is_cut_off = False
        starts: list[int] = []
        ends: list[int] = []
        for packet in container.demux(stream):
            if first_frame is None:
                first_frame = next(iter(packet.decode()), None)
            # The last packet is PyAV's own, to flush decoders; discarded ones lie outside the clip's edit list.
            if not packet.size or packet.is_discard:
                continue
            frame_count += 1
            is_cut_off |= packet.is_corrupt
            if packet.pts is not None:
                starts.append(packet.pts)
                ends.append(packet.pts + (packet.duration or 0))

        fps = stream.average_rate or stream.guessed_rate
        if first_frame is None or not fps:
            raise DamagedVideo(name, "no frame of it decodes. Upload the clip again.")
        tick = stream.time_base or 1 / fps
        duration_seconds = float((max(ends) - min(starts)) * tick if starts else frame_count / fps)
        promised_seconds = float((stream.duration or 0) * tick)
        if not stream.duration and len(container.streams) == 1:
            # Matroska notes a track's duration at the file's end, the file's own at its beginning.
            promised_seconds = (container.duration or 0) / av.time_base
        if is_cut_off or promised_seconds - duration_seconds > _TOLERATED_GAP_SECONDS:
            raise DamagedVideo(name, f"it is cut off after {duration_seconds:.1f} seconds. Upload the clip again.")
        if frame_count < 2:
            raise TooFewFrames(
                name,
                f"it has {frame_count} frame; at least 2 are needed, because motion is what is labelled and augmented. "
                "Take it out of the dataset.",
            )
        return ClipInfo(
            width=stream.width,
            height=stream.height,
            rotation_degrees=clockwise_degrees(first_frame.rotation),
            fps=fps,
            frame_count=frame_count,
            duration_seconds=duration_seconds,
            codec=stream.codec.canonical_name,
            pixel_format=first_frame.format.name,
            has_audio=bool(container.streams.audio),
            format=container.format.name,
        )
