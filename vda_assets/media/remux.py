"""Puts the pictures of a clip into an MP4 as they are, for containers that read no other format.

paidf-augmentation 1.0.0 goes by the extension, paidf-auto-labeling 1.0.0 has no demuxer but FFmpeg's mov, and both
decode H.264 on the GPU, which knows 8-bit 4:2:0 only.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet
from av.video.stream import VideoStream

from vda_assets.media.errors import DamagedVideo, UnsuitableCodec
from vda_assets.media.probe import ClipInfo, probe
from vda_assets.media.reading import Source, decoding, open_clip

_DECODED = ("yuv420p", "yuvj420p")
# Matroska notes times in milliseconds; what is so near to the beat of the clip's rate was on it.
_MATROSKA_TICK = Fraction(1, 1000)
_LEAST_CLOCK_HZ = 10_000


def is_mp4(info: ClipInfo) -> bool:
    """Whether the containers' demuxer reads the clip as it is, whatever its name."""
    return "mp4" in info.format.split(",")


def check_pictures(info: ClipInfo, *, name: str) -> None:
    """Raises UnsuitableCodec for a clip that the containers cannot decode, not even out of an MP4.

    Of codecs other than H.264 nothing is known: those are left to the containers when they come in an MP4.
    """
    known_good = info.codec == "h264" and info.pixel_format in _DECODED
    if not known_good and (info.codec == "h264" or not is_mp4(info)):
        raise UnsuitableCodec(
            name,
            f"its pictures are {info.codec} in {info.pixel_format}; the containers take 8-bit 4:2:0 H.264. "
            "Convert it, for instance: ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p OUT.mp4",
        )


def remux(source: Source, target: Path, *, name: str, info: ClipInfo) -> ClipInfo:
    """Copies the picture track into a new MP4 and returns what that is; `info` is what `probe` said of the source.

    Times stay as they are, but count from 0, and those that Matroska rounded are exact again. Sound is left out:
    nothing listens to it. Raises UnsuitableCodec, or DamagedVideo when the copy would not be the same clip.
    """
    check_pictures(info, name=name)
    is_avi = info.format == "avi"
    shown = _shown_in_avi(source, name=name) if is_avi else {}
    if shown and len(shown) != info.frame_count:
        raise DamagedVideo(name, f"{info.frame_count - len(shown)} frames of it do not decode. Upload the clip again.")
    # A picture is decoded before it is shown, and so before those that are stored behind it and shown first.
    delay = max((number - time for number, time in shown.items()), default=0)
    with (
        open_clip(source, name=name) as (container, stream),
        decoding(name),
        av.open(str(target), "w", format="mp4") as mp4,
    ):
        beat = _Beat(info.fps, rounded="matroska" in info.format)
        track = mp4.add_stream_from_template(stream)
        track.time_base = beat.tick
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if is_avi and packet.dts is not None:
                packet.pts, packet.dts = shown.get(packet.dts, packet.dts), packet.dts - delay
            beat.set(packet, since=stream.start_time or 0)
            packet.stream = track
            mp4.mux(packet)
    made = probe(target, name=name)
    if _shape(made) != _shape(info):
        raise DamagedVideo(
            name,
            f"as an MP4 it would be {_shape(made)} instead of {_shape(info)}. Export it again, as an .mp4.",
        )
    return made


def _shown_in_avi(source: Source, *, name: str) -> dict[int, int]:
    """AVI numbers pictures as they are stored: number -> when it is shown; empty where that is the same."""
    stored: list[int] = []
    with open_clip(source, name=name) as (container, stream), decoding(name):
        if not stream.codec_context.has_b_frames:
            return {}
        stream.thread_type = "AUTO"
        for packet in container.demux(stream):
            packet.pts = packet.dts
            stored += [frame.pts for frame in packet.decode() if frame.pts is not None]
    return dict(zip(stored, sorted(stored), strict=True))


@dataclass(frozen=True)
class _Beat:
    """A clock that has a tick for every frame at a constant rate. `rounded`: the source's own had none."""

    fps: Fraction
    rounded: bool

    @property
    def tick(self) -> Fraction:
        """Seconds."""
        return Fraction(1, self.fps.numerator * -(-_LEAST_CLOCK_HZ // self.fps.numerator))

    def set(self, packet: Packet[VideoStream], *, since: int) -> None:
        """Gives the packet's times in this clock; `since` is what its own clock shows at 0."""
        own = packet.time_base
        pts, dts, duration = packet.pts, packet.dts, packet.duration
        packet.time_base = self.tick
        packet.pts = None if pts is None else self._ticks((pts - since) * own)
        packet.dts = None if dts is None else self._ticks((dts - since) * own)
        packet.duration = self._ticks((duration or 0) * own)

    def _ticks(self, seconds: Fraction) -> int:
        on_beat = round(seconds * self.fps) / self.fps
        near = self.rounded and abs(seconds - on_beat) <= _MATROSKA_TICK
        return round((on_beat if near else seconds) / self.tick)


def _shape(info: ClipInfo) -> str:
    turned = f", turned by {info.rotation_degrees} degrees" if info.rotation_degrees else ""
    return f"{info.frame_count} frames of {info.width}x{info.height}{turned}"
