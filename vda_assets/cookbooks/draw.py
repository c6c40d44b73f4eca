"""What is drawn for one (video, index): sampled variables and seeds, from the pair alone.

Adding a clip, or asking on another machine, never changes the draw of another clip.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from vda_assets.cookbooks.cookbook import Distribution
from vda_assets.cookbooks.exclusions import weights_left


@dataclass(frozen=True)
class Draw:
    """`prompt_seed` is for the text, `generation_seed` for the video; both are below 2**31."""

    video: str
    index: int
    sampled_vars: Mapping[str, str]
    prompt_seed: int
    generation_seed: int

    @property
    def name(self) -> str:
        return f"{self.video}_aug{self.index}"


def draws_for(distribution: Distribution, video: str) -> tuple[Draw, ...]:
    """One draw per augmentation index of a video."""
    return tuple(
        Draw(
            video=video,
            index=index,
            sampled_vars=_sampled(distribution, f"{video}_{index}"),
            prompt_seed=seed(f"{video}_{index}"),
            generation_seed=seed(f"{video}_{index}_cosmos"),
        )
        for index in range(distribution.n_augmentations)
    )


def seed(text: str) -> int:
    """The reference's seed of a text: `int(sha256(text)) % 2**31`."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 2**31


def _sampled(distribution: Distribution, pair: str) -> dict[str, str]:
    drawn: dict[str, str] = {}
    for name in distribution.variables:
        weights = weights_left(distribution.variables, distribution.exclude, name, drawn)
        drawn[name] = _value(weights, f"{pair}:{name}")
    return drawn


def _value(weights: Mapping[str, float], text: str) -> str:
    """One value by its weight: the text's hash is the point in [0, 1) at which the running sum is looked up."""
    point = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
    reached = 0.0
    chosen = ""
    for value, weight in weights.items():
        if weight > 0:
            chosen = value
            reached += weight
        if point < reached:
            break
    return chosen
