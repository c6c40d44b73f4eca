"""What is known of a clip and its outputs before it is decided whether they are released, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vda_assets.cookbooks.draw import Draw, draw_of
from vda_assets.datasets.clips import Clip
from vda_assets.flows.stages import Stage


@dataclass(frozen=True)
class Made:
    """The newest word on an output. `said` is its verdict, or why it is not there, such as `missing` or `failed`.

    `parent` is the verdict on the clip that labels are of. `made_from` are the parts that decided it, by name, and
    `sampled_vars` the values that were drawn, by augmentation index and variable.
    """

    said: str
    is_made: bool = False
    parent: str = ""
    has_doubts: bool = False
    stand_in: bool = False
    run_id: str = ""
    workflow: str = ""
    image: str = ""
    attempt: int = 1
    made_from: Mapping[str, str] = field(default_factory=dict)
    sampled_vars: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


UNMADE = Made("missing")


@dataclass(frozen=True)
class Candidate:
    """A clip with its outputs or, `further`, with those of one further augmentation of it."""

    clip: Clip
    made: Mapping[Stage, Made]
    further: int | None = None

    def of(self, stage: Stage) -> Made:
        return self.made.get(stage, UNMADE)

    def draws(self) -> list[Draw]:
        """Of the augmented videos that there are, by index."""
        videos = self.of(Stage.AUGMENTED_VIDEOS)
        return [
            draw_of(self.clip.video, int(index), drawn, attempt=videos.attempt)
            for index, drawn in sorted(videos.sampled_vars.items(), key=lambda one: int(one[0]))
        ]
