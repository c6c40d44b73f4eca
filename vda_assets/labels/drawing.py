"""Labels drawn on the frames that they are of: a box with class and track id, each track in a colour of its own."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping
from zlib import crc32

from PIL import Image, ImageDraw, ImageFont

from vda_assets.base.cut import cut
from vda_assets.labels.scene import Box, Detection, LabelScene
from vda_assets.media.captions import FONT_PIXELS, fitted

# More cover each other, and the picture.
_BOXES = 100
_NAME_CHARACTERS = 30
# Neighbouring numbers get hues that are far apart.
_HUE_STEP = 0.618034


def draw_labels(scene: LabelScene, frames: Mapping[int, Image.Image]) -> dict[int, Image.Image]:
    """The frames, small enough for a page, with their detections; `frames` by their numbers, as the scene counts."""
    detections = {frame.frame_number: frame.detections for frame in scene.frames}
    return {
        number: _drawn(scene, picture.convert("RGB"), detections.get(number, ())) for number, picture in frames.items()
    }


def colour_of(object_id: str) -> tuple[int, int, int]:
    """Bright, and the same for a track in every frame and picture."""
    red, green, blue = colorsys.hsv_to_rgb(crc32(object_id.encode()) * _HUE_STEP % 1, 0.85, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def _drawn(scene: LabelScene, picture: Image.Image, detections: tuple[Detection, ...]) -> Image.Image:
    # Boxes count the pixels of the clip that the container saw.
    seen = (scene.metadata.width, scene.metadata.height) if scene.metadata else picture.size
    small = fitted(picture)
    pen, font = ImageDraw.Draw(small), ImageFont.load_default(FONT_PIXELS)
    for detection in detections[:_BOXES]:
        box = _shown(detection.tight, seen=seen, size=small.size)
        if box is None:
            continue
        colour = colour_of(detection.object_id)
        pen.rectangle(box, outline=colour, width=2)
        name = _name(scene, detection.object_id)
        width = round(pen.textlength(name, font)) + 4
        left = max(0, min(box[0], small.width - width))
        top = box[1] - FONT_PIXELS - 3 if box[1] > FONT_PIXELS + 3 else box[1]
        pen.rectangle((left, top, left + width, top + FONT_PIXELS + 3), fill=colour)
        pen.text((left + 2, top), name, fill="black", font=font)
    return small


def _name(scene: LabelScene, object_id: str) -> str:
    """The container's own ids begin with the class."""
    instance = scene.instances.instances.get(object_id) if scene.instances else None
    kind = instance.object_type if instance else ""
    text = object_id if object_id.startswith(kind) else f"{kind} {object_id}"
    return cut(text, characters=_NAME_CHARACTERS)


def _shown(box: Box, *, seen: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The box in the small picture, cut where that ends; None for one that lies nowhere in it."""
    if not all(map(math.isfinite, box)) or min(seen) < 1:
        return None
    (width, height), (right, bottom) = size, (size[0] / seen[0], size[1] / seen[1])
    xs = sorted((box[0] * right, box[2] * right))
    ys = sorted((box[1] * bottom, box[3] * bottom))
    if xs[0] >= width or ys[0] >= height or xs[1] < 0 or ys[1] < 0:
        return None
    left, top = max(0, int(xs[0])), max(0, int(ys[0]))
    return left, top, max(left, min(width - 1, int(xs[1]))), max(top, min(height - 1, int(ys[1])))
