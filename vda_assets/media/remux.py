"""Puts the pictures of a clip into an MP4 as they are, for containers that read no other format.

paidf-augmentation 1.0.0 goes by the extension, paidf-auto-labeling 1.0.0 has no demuxer but FFmpeg's mov.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.video.stream import VideoStream

from vda_assets.base.counted import counted
from vda_assets.media.errors import DamagedVideo
from vda_assets.media.probe import PROBE_SECONDS, ClipInfo, probe
from vda_assets.media.reading import OpenClip, Source, open_clip
from vda_assets.media.sniff import AVI
from vda_assets.media.suitability import check_pictures

# Matroska notes times in milliseconds.
_MATROSKA_TICK = Fraction(1, 1000)
_APART = Fraction(1, 10**9)
_LEAST_CLOCK_HZ = 10_000


def remux(source: Source, target: Path, *, name: str, info: ClipInfo) -> ClipInfo:
    """Copies the picture track into a new MP4 and returns what that is; `info` is what `probe` said of the source.

    Times stay as they are, but count from 0, and those of a constant rate are exact. Sound is left out: nothing listens
    to it. Raises UnsuitableVideo, or DamagedVideo when the copy would not be the same clip.
    """
    check_pictures(info, name=name)
    shown = _shown_at(source, name=name, info=info)
    visible = sum(time >= 0 for time in shown)
    if visible != info.frame_count:
        raise DamagedVideo(
            name, f"{counted(info.frame_count - visible, 'frame')} of it cannot be decoded. Upload the clip again."
        )
    tick = Fraction(1, info.fps.numerator * -(-_LEAST_CLOCK_HZ // info.fps.numerator))
    times = _in_ticks(shown, tick=tick, info=info)
    # A picture is decoded before it is shown, and so before those that are stored behind it and shown first.
    decoded = sorted(times)
    delay = max(at - time for at, time in zip(decoded, times, strict=True))
    with (
        open_clip(source, name=name, seconds=PROBE_SECONDS) as clip,
        clip.decoding(),
        av.open(str(target), "w", format="mp4") as mp4,
    ):
        track = mp4.add_stream_from_template(clip.stream)
        track.time_base = tick
        for number, packet in enumerate(_pictures(clip)):
            packet.time_base, packet.stream = tick, track
            packet.pts, packet.dts = times[number], decoded[number] - delay
            packet.duration = round(1 / (info.fps * tick))
            mp4.mux(packet)
    made = probe(target, name=name)
    if _shape(made) != _shape(info):
        raise DamagedVideo(
            name,
            f"as an MP4 it would be {_shape(made)} instead of {_shape(info)}. Export it again, as an .mp4.",
        )
    return made


def _pictures(clip: OpenClip) -> Iterator[Packet[VideoStream]]:
    """One packet for each picture, in the order of storage."""
    packets = (packet for packet in clip.container.demux(clip.stream) if packet.size)
    if clip.stream.codec.canonical_name != "mpeg4":
        yield from packets
        return
    # Old AVI files store two pictures in one packet, and none in the next.
    unpack = BitStreamFilterContext("mpeg4_unpack_bframes", clip.stream)
    for packet in packets:
        yield from (one for one in unpack.filter(packet) if one.size)
    yield from (one for one in unpack.filter(None) if one.size)


def _shown_at(source: Source, *, name: str, info: ClipInfo) -> list[Fraction]:
    """For each picture in the order of storage, when it is shown, in seconds; shorter when some do not decode.

    Before 0 for what an edit list leaves out, but others are made of.
    """
    is_avi = info.format == AVI
    noted: list[int] = []
    visible: list[int] = []
    with open_clip(source, name=name, seconds=PROBE_SECONDS) as clip, clip.decoding():
        tick = Fraction(clip.stream.time_base or 1)
        for packet in _pictures(clip):
            # AVI numbers pictures as they are stored.
            time = packet.dts if is_avi else packet.pts
            if time is not None:
                noted.append(time)
                visible += [] if packet.is_discard else [time]
        reorders = clip.stream.codec_context.has_b_frames
    begin = min(visible, default=0)
    times = [(time - begin) * tick for time in noted]
    if not reorders or not (is_avi or len(set(times)) < len(times)):
        return times
    order = _order_of_showing(source, name=name)
    # So that two of the same time keep their order.
    apart = [time + number * _APART for number, time in enumerate(sorted(times))]
    shown = dict(zip(order, apart, strict=False))
    return [shown[number] for number in range(len(times)) if number in shown]


def _order_of_showing(source: Source, *, name: str) -> list[int]:
    """The pictures' places in the storage, as a decoder shows them: where times do not tell."""
    order: list[int] = []
    with open_clip(source, name=name, seconds=PROBE_SECONDS) as clip, clip.decoding():
        clip.stream.thread_type = "AUTO"
        for number, packet in enumerate(_pictures(clip)):
            clip.file.check_time()
            packet.pts = packet.dts = number
            order += [frame.pts for frame in clip.stream.codec_context.decode(packet) if frame.pts is not None]
        order += [frame.pts for frame in clip.stream.codec_context.decode(None) if frame.pts is not None]
    return order


def _in_ticks(shown: Sequence[Fraction], *, tick: Fraction, info: ClipInfo) -> list[int]:
    """The times in ticks, no two alike; on the beat of the rate where they only miss it by Matroska's rounding."""
    times = [0] * len(shown)
    before: int | None = None
    for number in sorted(range(len(shown)), key=lambda number: shown[number]):
        seconds = shown[number]
        on_beat = round(seconds * info.fps) / info.fps
        if not info.is_variable_rate and abs(seconds - on_beat) <= _MATROSKA_TICK:
            seconds = on_beat
        at = round(seconds / tick)
        before = times[number] = at if before is None else max(before + 1, at)
    return times


def _shape(info: ClipInfo) -> str:
    turned = f", turned by {info.rotation_degrees} degrees" if info.rotation_degrees else ""
    return f"{counted(info.frame_count, 'frame')} of {info.width}x{info.height}{turned}"
