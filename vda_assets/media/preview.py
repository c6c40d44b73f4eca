"""A clip in one small picture: a few frames, evenly spaced in time, small enough to be carried along in a page."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from itertools import product

from PIL import Image

from vda_assets.base.counted import counted
from vda_assets.media.errors import DamagedVideo
from vda_assets.media.pictures import pictures_of
from vda_assets.media.reading import Source, clockwise_degrees, open_clip

# Tried in this order: first the quality gives way, then the size.
_FRAME_PIXELS = (240 * 135, 160 * 90, 80 * 45, 40 * 24)
_QUALITIES = (80, 70, 60, 50, 40, 30)
# Two clips side by side are so wide that a row of them would be a ribbon.
_WIDEST_ASPECT_IN_A_ROW = 2.5
_POSTER_SIZE, _POSTER_QUALITY = (480, 480), 70
_ANIMATION_WIDTH, _ANIMATION_MILLISECONDS = 640, 250


def preview(source: Source, *, name: str, max_bytes: int = 15_000, frames: int = 4) -> bytes:
    """A JPEG of `frames` frames in a row (very wide ones in a column), turned as a player does, `max_bytes` at most.

    Raises MediaError, and ValueError when nothing can be as small as `max_bytes`.
    """
    return sheet_of(evenly_spaced(source, name=name, count=frames), name=name, max_bytes=max_bytes)


def animation_of(pictures: Sequence[Image.Image], *, milliseconds: int = _ANIMATION_MILLISECONDS) -> bytes:
    """The pictures one after the other as an animated WebP, at most `_ANIMATION_WIDTH` pixels wide, for ever again.

    Each is seen for so many milliseconds.
    """
    width, height = pictures[0].size
    shown = (min(width, _ANIMATION_WIDTH), max(1, round(height * min(1.0, _ANIMATION_WIDTH / width))))
    first, *others = [picture.resize(shown, reducing_gap=2.0) for picture in pictures]
    webp = BytesIO()
    first.save(
        webp,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=milliseconds,
        loop=0,
        quality=60,
        method=2,
    )
    return webp.getvalue()


def poster_of(picture: bytes, *, name: str) -> bytes:
    """A small JPEG of a picture, of a moving one's first. Raises DamagedVideo for what is no picture."""
    try:
        with Image.open(BytesIO(picture)) as opened:
            small = opened.convert("RGB")
        small.thumbnail(_POSTER_SIZE)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DamagedVideo(name, f"it is no picture that can be shown: {error}") from None
    jpeg = BytesIO()
    small.save(jpeg, "JPEG", quality=_POSTER_QUALITY, optimize=True)
    return jpeg.getvalue()


def sheet_of(pictures: Sequence[Image.Image], *, name: str, max_bytes: int = 15_000) -> bytes:
    """What `preview` makes, of pictures that are there. Raises ValueError when nothing can be as small."""
    frames = len(pictures)
    width, height = pictures[0].size
    aspect = width / height
    for pixels, quality in product(_FRAME_PIXELS, _QUALITIES):
        shown = (max(1, round((pixels * aspect) ** 0.5)), max(1, round((pixels / aspect) ** 0.5)))
        jpeg = BytesIO()
        _sheet(
            [picture.resize(shown, reducing_gap=2.0) for picture in pictures],
            in_a_row=aspect <= _WIDEST_ASPECT_IN_A_ROW,
        ).save(jpeg, "JPEG", quality=quality, optimize=True)
        if jpeg.tell() <= max_bytes:
            return jpeg.getvalue()
    raise ValueError(
        f"{name}: no preview of {counted(frames, 'frame')} fits into {max_bytes} bytes; allow more or show fewer"
    )


def evenly_spaced(source: Source, *, name: str, count: int) -> list[Image.Image]:
    """The middles of `count` equal parts, upright; at least one. Raises MediaError."""
    return list(evenly_spaced_frames(source, name=name, count=count).values())


def evenly_spaced_frames(source: Source, *, name: str, count: int) -> dict[int, Image.Image]:
    """The same by the numbers of the frames, from 0. Decodes all before the last one: not every format can be sought
    exactly.
    """
    with open_clip(source, name=name) as clip, clip.decoding():
        frame_count = pictures_of(clip).count
    wanted = {frame_count * (2 * part + 1) // (2 * count) for part in range(count)}
    pictures: dict[int, Image.Image] = {}
    with open_clip(source, name=name) as clip, clip.decoding():
        clip.stream.thread_type = "AUTO"
        for number, frame in zip(range(max(wanted) + 1), clip.container.decode(clip.stream), strict=False):
            if number in wanted:
                image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]  # PyAV left it out
                pictures[number] = image.rotate(-clockwise_degrees(frame.rotation), expand=True)
    if not pictures:
        raise DamagedVideo(name, "no frame of it decodes. Upload the clip again.")
    return pictures


def _sheet(pictures: list[Image.Image], *, in_a_row: bool) -> Image.Image:
    width, height = pictures[0].size
    step_x, step_y = (width, 0) if in_a_row else (0, height)
    last = len(pictures) - 1
    sheet = Image.new("RGB", (width + step_x * last, height + step_y * last))
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number * step_x, number * step_y))
    return sheet
