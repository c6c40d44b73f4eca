"""What a clip is, found out by reading it: sizes, rate, and frames that are counted, not believed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from vda_assets.media.errors import DamagedVideo, TooFewFrames
from vda_assets.media.pictures import Pictures, check_whole, pictures_of
from vda_assets.media.reading import OpenClip, Source, clockwise_degrees, open_clip
from vda_assets.media.samples import decode_samples

PROBE_SECONDS = 120.0
# Headers round rates; what is further off than this was never the rate of the pictures.
_TOLERATED_RATE_ERROR = Fraction(2, 100)


@dataclass(frozen=True)
class ClipInfo:
    """`width` and `height` are pixels as stored; phones store a portrait clip lying down and note its rotation."""

    width: int
    height: int
    rotation_degrees: int  # clockwise, as a player turns it: 0, 90, 180 or 270
    fps: Fraction  # on average, when the rate varies
    is_variable_rate: bool  # frame number / fps is not where on the clip's clock the frame stands
    frame_count: int
    duration_seconds: float
    codec: str
    pixel_format: str
    has_audio: bool
    format: str  # of the container: mp4 (QuickTime, too), avi or matroska (WebM, too)

    @property
    def display_width(self) -> int:
        return self.height if self.rotation_degrees in (90, 270) else self.width

    @property
    def display_height(self) -> int:
        return self.width if self.rotation_degrees in (90, 270) else self.height


def probe(source: Source, *, name: str) -> ClipInfo:
    """Counts the frames by the index that an MP4 has, in other files by reading everything, and decodes a few.

    Raises a MediaError: NotAVideo, NoVideoStream, DamagedVideo, UnsuitableVideo (sizes that change), TooFewFrames
    (fewer than 2), TookTooLong; or the OSError of the storage.
    """
    with open_clip(source, name=name, seconds=PROBE_SECONDS) as clip, clip.decoding():
        pictures = pictures_of(clip)
        if not pictures.count:
            raise DamagedVideo(name, "it holds no picture. Upload the clip again.")
        fps = _fps(clip, pictures)
        seconds = float((len(pictures.times) if pictures.is_cut_off else pictures.count) / fps)
        check_whole(clip, pictures, seconds=seconds)
        first_frame = decode_samples(clip, pictures)
        if pictures.count < 2:
            raise TooFewFrames(
                name,
                f"it has {pictures.count} frame; at least 2 are needed, because motion is what is labelled and "
                "augmented. Take it out of the dataset.",
            )
        return ClipInfo(
            width=clip.stream.width,
            height=clip.stream.height,
            rotation_degrees=clockwise_degrees(first_frame.rotation),
            fps=fps,
            is_variable_rate=pictures.is_variable_rate,
            frame_count=pictures.count,
            duration_seconds=seconds,
            codec=clip.stream.codec.canonical_name,
            pixel_format=first_frame.format.name,
            has_audio=bool(clip.container.streams.audio),
            format=clip.container.format.name,
        )


def _fps(clip: OpenClip, pictures: Pictures) -> Fraction:
    """What the header says, unless the pictures say otherwise: FFmpeg doubles the rate of H.264 that it copies into an
    AVI, and notes every second place as empty."""
    told = clip.stream.average_rate or clip.stream.guessed_rate
    measured = pictures.measured_fps()
    if measured and (not told or abs(measured / told - 1) > _TOLERATED_RATE_ERROR):
        return measured if pictures.is_variable_rate else _nearest_usual(measured)
    if not told:
        raise DamagedVideo(clip.name, "it does not say how many frames a second it has. Upload the clip again.")
    return told


def _nearest_usual(fps: Fraction) -> Fraction:
    whole = Fraction(max(1, round(fps)))
    usual = min(whole, whole * 1000 / 1001, key=lambda rate: abs(rate - fps))
    return usual if abs(usual / fps - 1) < Fraction(1, 200) else fps.limit_denominator(1001)
