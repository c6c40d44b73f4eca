"""The pictures of a clip in the order in which they are stored: from an MP4's index, else by reading all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import av
from av.index import IndexEntry

from vda_assets.media.errors import REENCODE, DamagedVideo, UnsuitableVideo
from vda_assets.media.reading import OpenClip
from vda_assets.media.sniff import AVI

# 9 hours at 60 per second. An index of a few bytes can promise thousands of millions.
MOST_PICTURES = 500_000
# Durations in headers are rounded; a cut-off upload misses more than this.
_TOLERATED_GAP_SECONDS = 0.25
# Whatever these codecs begin a picture with, it is not a row of zeros.
_NEVER_ZEROS = {"h264", "hevc", "mpeg4", "mjpeg"}
_HEAD_BYTES = 64
_SAMPLES = 12


@dataclass(frozen=True)
class Pictures:
    """`times` are in order, of all pictures that are there, in ticks of `tick` seconds. `keys` are the places of the
    key frames in the order of storage, with their times as FFmpeg's seeking wants them; `leading` pictures come before.

    An MP4's edit list may leave out pictures that others are made of: they are in no count, but can be keys.
    """

    count: int
    times: Sequence[int]
    tick: Fraction
    keys: Sequence[tuple[int, int]]
    leading: int
    is_cut_off: bool
    rubbish_from: float | None  # the share of the clip before something lies where a picture should be

    @property
    def is_variable_rate(self) -> bool:
        """Whether some picture stands further than half a picture from where a constant rate would put it."""
        steps = len(self.times) - 1
        if steps < 2:
            return False
        first, span = self.times[0], self.times[-1] - self.times[0]
        return any(2 * abs((time - first) * steps - number * span) > span for number, time in enumerate(self.times))

    def measured_fps(self) -> Fraction | None:
        """Pictures per second by their times; None when these say nothing."""
        span = self.times[-1] - self.times[0] if self.times else 0
        return Fraction(len(self.times) - 1) / (span * self.tick) if span > 0 else None


def pictures_of(clip: OpenClip) -> Pictures:
    """Raises DamagedVideo, UnsuitableVideo for too many, TookTooLong; reads on from where the clip was opened."""
    return _by_index(clip) or _by_packets(clip)


def _by_index(clip: OpenClip) -> Pictures | None:
    """From the places of all samples that an MP4 notes in one table; None when there is no complete one."""
    stream = clip.stream
    count = len(stream.index_entries)
    if not stream.frames or stream.frames > count or not stream.duration or not stream.time_base:
        return None
    _check_count(clip, count)
    entries = list(stream.index_entries)
    shown = [entry for entry in entries if not entry.is_discard]
    is_cut_off = any(entry.pos + entry.size > clip.file.size_bytes for entry in shown)
    before = list(accumulate((not entry.is_discard for entry in entries), initial=0))
    keys = [(number, entry.timestamp) for number, entry in zip(before, entries, strict=False) if entry.is_keyframe]
    every = [*range(len(shown))]
    among_shown = [number for number, _ in keys if number < len(shown)]
    samples = [] if is_cut_off else sorted({*_spread(every), *_spread(among_shown)})
    rubbish = (
        number / len(shown) for number in samples if _is_rubbish(clip, _head(clip, shown[number]), shown[number].size)
    )
    # The index says when a picture is decoded, seeking wants to know when it is shown; for key frames that is always as
    # much later as for the first.
    later = (stream.start_time or 0) - shown[0].timestamp if shown else 0
    return Pictures(
        count=len(shown),
        times=sorted(entry.timestamp for entry in entries if entry.pos + entry.size <= clip.file.size_bytes),
        tick=Fraction(stream.time_base),
        keys=[(number, time + later) for number, time in keys],
        leading=keys[0][0] if keys else 0,
        is_cut_off=is_cut_off,
        rubbish_from=next(rubbish, None),
    )


def _by_packets(clip: OpenClip) -> Pictures:
    """Reads the whole clip once."""
    stream, container = clip.stream, clip.container
    # AVI numbers pictures as they are stored; what FFmpeg says of their times of showing is a guess.
    is_avi = container.format.name == AVI
    times: list[int] = []
    keys: list[tuple[int, int]] = []
    count, duration = 0, 0
    is_cut_off = False
    rubbish_at: int | None = None
    for packet in container.demux(stream):
        # The last packet is PyAV's own, to flush decoders.
        if not packet.size:
            continue
        clip.file.check_time()
        _check_count(clip, count)
        is_cut_off |= packet.is_corrupt
        time = packet.dts if is_avi else packet.pts
        if time is not None and packet.is_keyframe:
            keys.append((count, time))
        if packet.is_discard:
            continue
        if time is not None:
            times.append(time)
            duration = packet.duration or 0
        if rubbish_at is None and _is_rubbish(clip, bytes(memoryview(packet)[:_HEAD_BYTES]), packet.size):
            rubbish_at = count
        count += 1
    tick = Fraction(stream.time_base or Fraction(1, av.time_base))
    times.sort()
    if times:
        seconds = float((times[-1] - times[0] + duration) * tick)
        is_cut_off |= _promised_seconds(clip, tick) - seconds > _TOLERATED_GAP_SECONDS
    share = None if rubbish_at is None else rubbish_at / count
    leading = keys[0][0] if keys else 0
    return Pictures(count, times, tick, keys, leading, is_cut_off=is_cut_off, rubbish_from=share)


def _promised_seconds(clip: OpenClip, tick: Fraction) -> float:
    if not clip.stream.duration and len(clip.container.streams) == 1:
        # Matroska notes a track's duration at the file's end, the file's own at its beginning.
        return ((clip.container.duration or 0) - (clip.container.start_time or 0)) / av.time_base
    return float((clip.stream.duration or 0) * tick)


def _spread(numbers: Sequence[int]) -> list[int]:
    """Some of them, evenly, and the last."""
    return [*numbers[:: max(1, len(numbers) // _SAMPLES)], *numbers[-1:]]


def _head(clip: OpenClip, entry: IndexEntry) -> bytes:
    return clip.file.peek_at(entry.pos, min(entry.size, _HEAD_BYTES))


def _is_rubbish(clip: OpenClip, head: bytes, size: int) -> bool:
    """Whether a picture certainly does not begin so."""
    codec = clip.stream.codec.canonical_name
    if codec not in _NEVER_ZEROS:
        return False
    configuration = clip.stream.codec_context.extradata
    if codec == "h264" and configuration and len(configuration) > 4 and configuration[0] == 1:
        # Pieces of H.264 as MP4 and Matroska store them: a length, and a byte whose highest bit is 0 and kind is not.
        prefix = (configuration[4] & 3) + 1
        length = int.from_bytes(head[:prefix], "big")
        return not 0 < length <= size - prefix or head[prefix] & 0x80 != 0 or head[prefix] & 0x1F == 0
    return not any(head)


def _check_count(clip: OpenClip, count: int) -> None:
    if count > MOST_PICTURES:
        raise UnsuitableVideo(clip.name, f"it has more than {MOST_PICTURES} pictures. Cut it into shorter clips.")


def check_whole(clip: OpenClip, pictures: Pictures, *, seconds: float) -> None:
    """Raises DamagedVideo for a clip whose end is missing or empty; `seconds` is how long its pictures are."""
    if pictures.is_cut_off:
        raise DamagedVideo(clip.name, f"it is cut off after {seconds:.1f} seconds. Upload the clip again.")
    if pictures.rubbish_from is not None:
        at = seconds * pictures.rubbish_from
        raise DamagedVideo(
            clip.name,
            f"at second {at:.1f} something else lies where a picture should be: a copy broke off or was overwritten. "
            f"Upload the clip again; if it is so where it comes from, encode what can be shown: {REENCODE}",
        )
