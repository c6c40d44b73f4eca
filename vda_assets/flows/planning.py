"""From what is wanted and what is finished to the work that is left: values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from vda_assets.base.failed import Failed
from vda_assets.config.deployment import Images
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.cookbooks.draw import Draw
from vda_assets.datasets.clips import Clip
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Output, Rendered, Stage
from vda_assets.flows.work import ClipWork, deciding_parts, hashes_of
from vda_assets.storage.layout import RunLayout


@dataclass(frozen=True)
class Item:
    """One clip of a run with everything that is known before it is worked on. `parts` are what decides each output.

    `attempt` says which try it is to augment the clip, from 1: each has draws of its own.
    """

    clip: Clip
    draws: tuple[Draw, ...]
    parts: Mapping[Output, Mapping[str, str]]
    attempt: int = 1

    @cached_property
    def output_hashes(self) -> Mapping[Output, str]:
        return hashes_of(self.parts, attempt=self.attempt)


def item_of(clip: Clip, *, cookbook: Cookbook, images: Images, super_resolution: bool, attempt: int = 1) -> Item:
    """The clip with its draws, and with what decides each of its outputs."""
    draws, parts = deciding_parts(
        clip, cookbook=cookbook, images=images, super_resolution=super_resolution, attempt=attempt
    )
    return Item(clip, draws, parts, attempt)


@dataclass(frozen=True)
class Plan:
    """`work` is what OSMO has to do for a clip, without any stage when nothing is left. `failed` are the outputs that
    cannot be made.

    `compare_with` is the run whose augmented clip lies there already to be compared; None when there is nothing to
    compare, or when `work` makes the augmented clip first.
    """

    work: ClipWork
    failed: Mapping[Output, Failed]
    compare_with: RunLayout | None


def plan(item: Item, selection: Selection, finished: Mapping[Output, RunLayout]) -> Plan:
    """`finished`: for each output of the clip that is whole in storage, the run whose folder holds it."""
    failed: dict[Output, Failed] = {}
    needed = selection.without(stage for stage in Stage if stage in finished)
    for lacking in needed.taken_from_elsewhere() - finished.keys():
        dependants = needed.depending_on({lacking})
        reason = f"there are no {lacking} of this clip yet; select {lacking} as well"
        failed.update(dict.fromkeys(sorted(dependants), Failed(reason, is_own=False)))
        needed = needed.without(dependants)
    existing = {
        stage: run for stage in needed.taken_from_elsewhere() if (run := finished.get(stage))
    }  # all of them are there: what lacked one was taken out
    compare_with = None
    if selection.comparisons and Rendered.COMPARISONS not in finished:
        compare_with = finished.get(Stage.AUGMENTED_VIDEOS)
        if Stage.AUGMENTED_VIDEOS in failed:
            failed[Rendered.COMPARISONS] = Failed("there is no augmented clip to compare with", is_own=False)
        elif compare_with is None and Stage.AUGMENTED_VIDEOS not in needed:
            reason = "there are no augmented_videos of this clip yet; select them too"
            failed[Rendered.COMPARISONS] = Failed(reason, is_own=False)
    return Plan(ClipWork(item.clip, needed, item.draws, item.output_hashes, existing), failed, compare_with)
