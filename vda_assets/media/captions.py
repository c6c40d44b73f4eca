"""Small pictures with words: fitted into a page, and a few lines below that say what is seen."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from vda_assets.base.cut import cut

SHOWN_PIXELS = 640
FONT_PIXELS = 14
_LINE_PIXELS = 20
_LEFT_PIXELS = 6
# What a page has room for beside the picture is more than a narrow one is wide.
_LEAST_WIDTH = 320
_GROUND, _WORDS = (24, 24, 24), (240, 240, 240)


def fitted(picture: Image.Image, *, width: int = SHOWN_PIXELS) -> Image.Image:
    """The picture, made smaller where it is wider than `width` or higher than `SHOWN_PIXELS`."""
    factor = min(1.0, width / picture.width, SHOWN_PIXELS / picture.height)
    return picture.resize(
        (max(1, round(picture.width * factor)), max(1, round(picture.height * factor))), reducing_gap=2.0
    )


def captioned(picture: Image.Image, lines: Sequence[str]) -> Image.Image:
    """The picture above the lines, each cut where the picture ends."""
    width = max(picture.width, _LEAST_WIDTH)
    page = Image.new("RGB", (width, picture.height + _LINE_PIXELS * len(lines)), _GROUND)
    page.paste(picture, ((width - picture.width) // 2, 0))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(FONT_PIXELS)
    for number, line in enumerate(lines):
        text, characters = cut(line), len(line)
        while characters > 1 and pen.textlength(text, font) > width - 2 * _LEFT_PIXELS:
            characters = min(characters, len(text)) - 1
            text = cut(line, characters=characters)
        pen.text((_LEFT_PIXELS, picture.height + _LINE_PIXELS * number + 2), text, fill=_WORDS, font=font)
    return page


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two pictures in a row, together as wide as a page shows them."""
    one, other = (fitted(picture, width=SHOWN_PIXELS // 2) for picture in (left, right))
    row = Image.new("RGB", (one.width + other.width, max(one.height, other.height)))
    row.paste(one, (0, 0))
    row.paste(other, (one.width, 0))
    return row
