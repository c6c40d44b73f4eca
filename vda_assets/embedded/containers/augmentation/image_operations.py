"""Weather, time of day, light and surface as image operations on the Y, U, V planes of every frame.

A value of a variable is a Look; the looks of a prompt are combined into one Renderer, which is fast since tone and
colour become one lookup table per plane. Same looks, size and seed give the same picture.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vda_assets.embedded.containers.video import Plane, Planes

STREAK_LAYERS = 7
CROWDED_STREAKS = 7.0  # grey levels after the blur of the check, whose threshold is 10
Image = NDArray[Any]  # what OpenCV gives back; `__call__` returns it as planes
GROUND_FROM = 0.55  # of the height: below it lies what counts as ground


@dataclass(frozen=True)
class Look:
    """How one value changes the picture; the defaults change nothing.

    `contrast` works around mid grey, `gain` and `lift` on the luma, `saturation` and the shifts on the chroma
    (U is blue, V is red). `split_tone` colours bright parts orange and dark parts blue. `side_light` lights from one
    side, `vignette` darkens the edges, `reflection` mirrors the scene on the ground, `ground_gain` darkens it.
    """

    gain: float = 1.0
    lift: float = 0.0
    gamma: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    u_shift: float = 0.0
    v_shift: float = 0.0
    split_tone: float = 0.0
    blur_sigma: float = 0.0
    streaks: float = 0.0
    side_light: float = 0.0
    vignette: float = 0.0
    reflection: float = 0.0
    ground_gain: float = 1.0


LOOKS = {
    "clear": Look(contrast=1.18, saturation=1.3, gain=1.04, u_shift=-1, v_shift=1),
    "overcast": Look(contrast=0.68, saturation=0.5, lift=6, u_shift=4, v_shift=-3),
    "rain": Look(
        contrast=0.8, gain=0.78, saturation=0.4, u_shift=4, v_shift=-3, blur_sigma=0.7, streaks=30, reflection=0.2
    ),
    "morning": Look(gain=0.95, lift=8, u_shift=-9, v_shift=7, side_light=0.3),
    "midday": Look(gain=1.16, lift=6, contrast=1.06),
    "evening": Look(gain=0.68, gamma=1.1, u_shift=-3, v_shift=5, split_tone=14, vignette=0.35),
    "bright": Look(gain=1.25, lift=8, gamma=0.9),
    "moderate": Look(contrast=0.9, gain=0.95),
    "dim": Look(gain=0.5, saturation=0.8, vignette=0.25),
    "dry": Look(saturation=0.95, ground_gain=1.08),
    "wet": Look(ground_gain=0.72, reflection=0.3),
    "dusty": Look(contrast=0.8, lift=12, saturation=0.7, u_shift=-7, v_shift=3),
}


def looks_for(values: Iterable[str]) -> tuple[list[Look], list[str]]:
    """The looks of the values that have one, and the values that have none."""
    names = [value.strip().lower() for value in values]
    return [LOOKS[name] for name in names if name in LOOKS], [name for name in names if name not in LOOKS]


class Renderer:
    """Applies looks to frames of one size; call it with the planes and the frame's number."""

    def __init__(self, looks: list[Look], *, width: int, height: int, seed: int) -> None:
        self._luma_table = _luma_table(looks)
        saturation = float(np.prod([look.saturation for look in looks]))
        self._u_table = _chroma_table(saturation, sum(look.u_shift for look in looks))
        self._v_table = _chroma_table(saturation, sum(look.v_shift for look in looks))
        self._tone_tables = _tone_tables(max((look.split_tone for look in looks), default=0.0))
        self._blur_sigma = max((look.blur_sigma for look in looks), default=0.0)
        self._reflection = max((look.reflection for look in looks), default=0.0)
        self._light = _light_map(looks, width=width, height=height)
        self._streaks = _streak_layers(
            max((look.streaks for look in looks), default=0.0), width=width, height=height, seed=seed
        )

    def __call__(self, planes: Planes, frame_number: int) -> Planes:
        """The picture under the looks, of the same size."""
        y: Image
        u: Image
        v: Image
        y, u, v = planes
        if self._reflection:
            y, u, v = (_reflect(plane, self._reflection) for plane in (y, u, v))
        y = cv2.LUT(y, self._luma_table)
        if self._light is not None:
            y = cv2.multiply(y, self._light, scale=1 / 128, dtype=cv2.CV_8U)
        u, v = cv2.LUT(u, self._u_table), cv2.LUT(v, self._v_table)
        if self._tone_tables:
            tone = cv2.resize(y, (u.shape[1], u.shape[0]), interpolation=cv2.INTER_AREA)
            blue, red = self._tone_tables
            u = cv2.add(cv2.subtract(u, cv2.LUT(tone, red)), cv2.LUT(tone, blue))
            v = cv2.subtract(cv2.add(v, cv2.LUT(tone, red)), cv2.LUT(tone, blue))
        if self._blur_sigma:
            y = cv2.GaussianBlur(y, (0, 0), self._blur_sigma)
        if self._streaks:
            y = cv2.add(y, self._streaks[frame_number % len(self._streaks)])
        return _plane(y), _plane(u), _plane(v)


def _plane(image: Image) -> Plane:
    return np.ascontiguousarray(image, dtype=np.uint8)


def _table(values: NDArray[np.float64]) -> Plane:
    return np.clip(np.rint(values), 16, 240).astype(np.uint8)


def _luma_table(looks: list[Look]) -> Plane:
    level = (np.arange(256, dtype=np.float64) - 16) / 219
    for look in looks:
        level = np.clip(level, 0, 1) ** look.gamma
        level = ((level - 0.5) * look.contrast + 0.5) * look.gain + look.lift / 219
    return _table(level * 219 + 16)


def _chroma_table(saturation: float, shift: float) -> Plane:
    return _table((np.arange(256, dtype=np.float64) - 128) * saturation + 128 + shift)


def _tone_tables(strength: float) -> tuple[Plane, Plane] | None:
    if not strength:
        return None
    level = np.linspace(-0.8, 2.4, 256)
    blue = np.clip(-level, 0, 1) * strength
    red = np.clip(level, 0, 1) * strength
    return blue.astype(np.uint8), red.astype(np.uint8)


def _light_map(looks: list[Look], *, width: int, height: int) -> Plane | None:
    x = np.linspace(-1, 1, width)[np.newaxis, :]
    y = np.linspace(-1, 1, height)[:, np.newaxis]
    light = np.ones((height, width))
    for look in looks:
        light *= 1 - look.side_light * x
        light *= 1 - look.vignette * (x**2 + y**2) / 2
        rise = np.clip((y + 1) / 2 - GROUND_FROM, 0, None) / (1 - GROUND_FROM)
        light *= 1 + (look.ground_gain - 1) * np.clip(rise * 4, 0, 1)
    if np.allclose(light, 1):
        return None
    return np.clip(light * 128, 0, 255).astype(np.uint8)


def _reflect(plane: Image, strength: float) -> Image:
    """The plane with what stands above the ground line mirrored, smeared, on the ground."""
    height = plane.shape[0]
    line = int(height * GROUND_FROM)
    ground = plane[line:]
    rows = min(ground.shape[0], line)
    if rows < 2:
        return plane
    mirror = cv2.blur(cv2.flip(plane[line - rows : line], 0), (5, max(3, rows // 4) | 1))
    weight = (np.linspace(1, 0.3, rows, dtype=np.float32)[:, np.newaxis] * strength).repeat(plane.shape[1], axis=1)
    result = plane.copy()
    result[line : line + rows] = cv2.blendLinear(ground[:rows], mirror, 1 - weight, weight)
    return result


def _streak_layers(strength: float, *, width: int, height: int, seed: int) -> list[Plane]:
    """Layers of slanted thin streaks to be added to the luma in turn; empty without rain."""
    if not strength:
        return []
    random = np.random.default_rng(seed)
    layers = []
    for _ in range(STREAK_LAYERS):
        layer = np.zeros((height, width), dtype=np.uint8)
        for _ in range(max(4, width * height // 900)):
            x, y = int(random.integers(0, width)), int(random.integers(-height // 10, height))
            length = max(4, int(height * random.uniform(0.03, 0.09)))
            end = (x - length // 5, y + length)
            cv2.line(layer, (x, y), end, int(strength * random.uniform(0.5, 1)), 1, cv2.LINE_AA)
        # Where streaks crowd, they are thinned out: the hallucination check would take them for things that move.
        density = cv2.GaussianBlur(layer.astype(np.float32), (7, 7), 0)
        layers.append(_plane(layer * np.minimum(1, CROWDED_STREAKS / np.maximum(density, 1))))
    return layers
