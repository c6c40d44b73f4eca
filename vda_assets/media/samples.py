"""Whether the pictures that a clip promises decode: a few after some key frames, not all."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vda_assets.base.counted import counted
from vda_assets.media.errors import REENCODE, DamagedVideo, UnsuitableVideo
from vda_assets.media.pictures import Pictures
from vda_assets.media.reading import OpenClip
from vda_assets.media.sniff import MP4

# At the beginning as many as may wait for one that is missing; elsewhere a look.
_FIRST, _LATER = 12, 3
_PLACES = 5
# A packet holds one picture, always. Others hide pictures (VP8), or put two into one packet and none into the next.
_ONE_PICTURE_A_PACKET = {"h264", "mjpeg"}


def decode_samples(clip: OpenClip, pictures: Pictures) -> VideoFrame:
    """The first picture. Raises DamagedVideo when the clip begins without a key frame or a sample does not decode,
    UnsuitableVideo when the pictures change their size.
    """
    # Not every AVI says which frames are keys: then the first may be one.
    keys = pictures.keys or [(0, pictures.times[0] if pictures.times else 0)]
    if pictures.leading:
        raise DamagedVideo(
            clip.name,
            f"it begins without a key frame: the first {pictures.leading} of its {counted(pictures.count, 'picture')} "
            f"cannot be shown. Encode what can be shown: {REENCODE}",
        )
    first_frames, first_packets = _decoded(clip, keys[0][1], _FIRST, is_first=True)
    if not first_frames:
        raise DamagedVideo(clip.name, "no frame of it decodes. Upload the clip again.")
    missing = first_packets - len(first_frames)
    if missing > 0 and _is_counted(clip, first_frames[0]):
        raise DamagedVideo(
            clip.name,
            f"{missing} of its first {counted(first_packets, 'picture')} cannot be shown: they need others that are "
            f"not there. Encode what can be shown: {REENCODE}",
        )
    # Other formats also call a frame a key from which on a decoder only begins to recover.
    is_exact = clip.container.format.name == MP4 and _is_counted(clip, first_frames[0])
    for number, at in _places(pictures):
        clip.file.check_time()
        share = number / pictures.count
        try:
            frames, packets = _decoded(clip, at, _LATER, is_first=False)
        except av.InvalidDataError as error:
            raise _undecodable(clip, share) from error
        if is_exact and len(frames) < packets:
            raise _undecodable(clip, share)
        _check_size(clip, frames, first=first_frames[0], share=share)
    return first_frames[0]


def _undecodable(clip: OpenClip, share: float) -> DamagedVideo:
    return DamagedVideo(
        clip.name,
        f"pictures after {share:.0%} of it do not decode. Upload the clip again; if it is so where it comes from, "
        f"encode what can be shown: {REENCODE}",
    )


def _check_size(clip: OpenClip, frames: list[VideoFrame], *, first: VideoFrame, share: float) -> None:
    for frame in frames:
        if (frame.width, frame.height) != (first.width, first.height):
            raise UnsuitableVideo(
                clip.name,
                f"its pictures change from {first.width}x{first.height} to {frame.width}x{frame.height} after "
                f"{share:.0%} of it; the containers take one size. Encode it in one: {REENCODE}",
            )


def _is_counted(clip: OpenClip, frame: VideoFrame) -> bool:
    """Interlaced video may store the two halves of a picture in a packet each."""
    return clip.stream.codec.canonical_name in _ONE_PICTURE_A_PACKET and not frame.interlaced_frame


def _places(pictures: Pictures) -> list[tuple[int, int]]:
    """Some key frames behind the first, evenly spread, the last among them."""
    later = list(pictures.keys[1:])
    step = max(1, len(later) // _PLACES)
    return list({*later[::-1][::step][:_PLACES]})


def _decoded(clip: OpenClip, at: int, count: int, *, is_first: bool) -> tuple[list[VideoFrame], int]:
    """What `count` packets from the key frame on decode to, and how many of them should be a picture."""
    codec = clip.stream.codec_context
    clip.container.seek(at, stream=clip.stream)
    fed = 0
    frames: list[VideoFrame] = []
    for packet in _from_key_frame(clip, count, is_first=is_first):
        fed += not packet.is_discard
        frames += codec.decode(packet)
    frames += codec.decode(None)
    return [frame for frame in frames if not frame.is_corrupt], fed


def _from_key_frame(clip: OpenClip, count: int, *, is_first: bool) -> Iterator[Packet[VideoStream]]:
    """Without the pictures that are stored behind a later key frame, shown before it, and made of those before both."""
    key: Packet[VideoStream] | None = None
    for packet in clip.container.demux(clip.stream):
        if not packet.size:
            return
        if key is None:
            if not (is_first or packet.is_keyframe):
                return  # it was sought by a time that others have, too
            key = packet
        is_leading = packet.pts is not None and key.pts is not None and packet.pts < key.pts
        if is_first or not is_leading:
            yield packet
            count -= not packet.is_discard
        if not count:
            return
