"""The table of stages: what runs on GPUs, and everything in which one stage differs from another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from vda_assets.config.deployment import Container
from vda_assets.storage.layout import AUGMENTED, PSEUDO_LABELED, PSEUDO_LABELED_AUGMENTED


class Stage(StrEnum):
    """What GPU workers make of a clip, in the order of the work."""

    ORIGINAL_LABELS = "original_labels"
    AUGMENTED_VIDEOS = "augmented_videos"
    AUGMENTED_LABELS = "augmented_labels"

    @property
    def row(self) -> StageRow:
        return _TABLE[self]


class Rendered(StrEnum):
    """What the pipeline renders itself, without a GPU."""

    COMPARISONS = "comparisons"


Output = Stage | Rendered
OUTPUTS: tuple[Output, ...] = (*Stage, *Rendered)


class Leaves(StrEnum):
    """What a stage leaves in its folder, and so by what rules it is judged."""

    LABEL_SCENE = "label scene"
    VIDEO = "video"


@dataclass(frozen=True)
class StageRow:
    """`task` and `group` are the names on OSMO, `task` with the worker's number and `group_alone` for a workflow that
    holds no other stage. `folder` lies below a run's root.

    `upstream` is the stage whose result it works on, None for the clip itself. `gate` is the stage whose end it waits
    for when super-resolution is on. `per_index`: one worker and one folder per augmentation index, else one per clip.
    """

    task: str
    group: str
    group_alone: str
    container: Container
    folder: str
    leaves: Leaves
    upstream: Stage | None = None
    gate: Stage | None = None
    per_index: bool = True

    def task_name(self, worker: int) -> str:
        return self.task.format(worker)


_TABLE: Mapping[Stage, StageRow] = {
    Stage.ORIGINAL_LABELS: StageRow(
        task="pl_original_worker_{}",
        group="auto_labeling_original_group",
        group_alone="auto_labeling_group",
        container=Container.AUTO_LABELING,
        folder=PSEUDO_LABELED,
        leaves=Leaves.LABEL_SCENE,
        per_index=False,
    ),
    Stage.AUGMENTED_VIDEOS: StageRow(
        task="cosmos_worker_{}",
        group="augmentation_group",
        group_alone="augmentation_group",
        container=Container.AUGMENTATION,
        folder=AUGMENTED,
        leaves=Leaves.VIDEO,
        gate=Stage.ORIGINAL_LABELS,
    ),
    Stage.AUGMENTED_LABELS: StageRow(
        task="pl_augmented_worker_{}",
        group="auto_labeling_augmented_group",
        group_alone="auto_labeling_augmented_group",
        container=Container.AUTO_LABELING,
        folder=PSEUDO_LABELED_AUGMENTED,
        leaves=Leaves.LABEL_SCENE,
        upstream=Stage.AUGMENTED_VIDEOS,
    ),
}


def stage_of_task(task: str) -> Stage | None:
    """The stage that a task of one of our workflows belongs to; None for any other task."""
    return next((stage for stage in Stage if re.fullmatch(stage.row.task.format(r"\d+"), task)), None)
