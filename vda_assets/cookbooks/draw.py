"""What is drawn for one (video, index): sampled variables and seeds, from the pair alone.

Adding a clip, or asking on another machine, never changes the draw of another clip. What is drawn for a second try
differs in the seed of the video alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from vda_assets.cookbooks.cookbook import Distribution
from vda_assets.cookbooks.exclusions import weights_left


@dataclass(frozen=True)
class Draw:
    """`prompt_seed` is for the text, `generation_seed` for the video; both are below 2**31. `attempt` counts from 1."""

    video: str
    index: int
    sampled_vars: Mapping[str, str]
    prompt_seed: int
    generation_seed: int
    attempt: int = 1

    @property
    def name(self) -> str:
        return draw_name(self.video, self.index, self.attempt)


def draw_name(video: str, index: int, attempt: int) -> str:
    """`<video>_aug<i>`, for a further attempt `<video>_aug<i>_try<n>`: each is kept under a name of its own."""
    return f"{video}_aug{index}{_ending(attempt)}"


def draws_for(
    distribution: Distribution, video: str, *, further: int | None = None, attempt: int = 1
) -> tuple[Draw, ...]:
    """One draw per augmentation index of a video; with `further` that of this index alone, by the same rule."""
    indexes = range(distribution.n_augmentations) if further is None else (further,)
    return tuple(
        draw_of(video, index, _sampled(distribution, f"{video}_{index}"), attempt=attempt) for index in indexes
    )


def draw_of(video: str, index: int, sampled_vars: Mapping[str, str], *, attempt: int = 1) -> Draw:
    """The draw that had these values: its seeds come from the pair and the attempt alone."""
    return Draw(
        video=video,
        index=index,
        sampled_vars=sampled_vars,
        prompt_seed=seed(f"{video}_{index}"),
        generation_seed=seed(f"{video}_{index}_cosmos{_ending(attempt)}"),
        attempt=attempt,
    )


def _ending(attempt: int) -> str:
    return f"_try{attempt}" if attempt > 1 else ""


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
