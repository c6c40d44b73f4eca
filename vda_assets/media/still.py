"""Two clips beside each other in one picture, for where no video can be encoded."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import Image

from vda_assets.media.preview import evenly_spaced
from vda_assets.media.reading import Source

_FRAMES = 3
# Wide clips in fewer lines: both at 720 lines would be thousands of millions of pixels for some.
_MOST_WIDTH = 2048
_PREVIEW_PIXELS = (800, 240)


def still(left: Source, right: Source, output: Path, *, height: int = 720) -> bytes:
    """Writes a PNG: some frames under each other, the left clip's beside the right one's. Returns a small JPEG of it.

    Raises MediaError.
    """
    columns = [
        [_at_height(picture, height) for picture in evenly_spaced(source, name=name, count=_FRAMES)]
        for source, name in ((left, "left clip"), (right, "right clip"))
    ]
    rows = list(zip(*columns, strict=False))
    heights = [max(picture.height for picture in row) for row in rows]
    middle = max(row[0].width for row in rows)
    sheet = Image.new("RGB", (middle + max(row[1].width for row in rows), sum(heights)))
    for number, (one, other) in enumerate(rows):
        top = sum(heights[:number])
        sheet.paste(one, (0, top))
        sheet.paste(other, (middle, top))
    sheet.save(output, "PNG")
    sheet.thumbnail(_PREVIEW_PIXELS)
    jpeg = BytesIO()
    sheet.save(jpeg, "JPEG", quality=60)
    return jpeg.getvalue()


def _at_height(picture: Image.Image, height: int) -> Image.Image:
    factor = min(height / picture.height, _MOST_WIDTH / picture.width)
    return picture.resize((max(1, round(picture.width * factor)), max(1, round(picture.height * factor))))
