"""The work that one clip still needs in a run, and the hashes by which finished work is known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from vda_assets.config.deployment import Images
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.cookbooks.draw import Draw, draws_for
from vda_assets.flows.selection import STAGES, Output, Selection
from vda_assets.storage.clips import Clip
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl


@dataclass(frozen=True)
class ClipWork:
    """What one workflow does. `selection` holds the stages that are still needed for this clip.

    `existing` says for finished stages which run left them: the others take their inputs from there.
    `remuxed` is where the clip lies as an MP4 when it is none itself.
    """

    clip: Clip
    selection: Selection
    draws: tuple[Draw, ...]
    hashes: Mapping[Output, str]
    existing: Mapping[Output, RunLayout] = field(default_factory=dict)
    remuxed: StorageUrl | None = None

    @property
    def takes_clip(self) -> bool:
        """Whether a stage works on the clip itself, not on what another stage made of it."""
        augments_clip = Output.AUGMENTED_VIDEOS in self.selection and not self.selection.super_resolution
        return Output.ORIGINAL_LABELS in self.selection or augments_clip

    @property
    def stages(self) -> tuple[Output, ...]:
        return tuple(stage for stage in STAGES if stage in self.selection)

    def workers(self, stage: Output) -> int:
        """How many tasks the stage has: one per augmentation index, one for the original."""
        return 1 if stage is Output.ORIGINAL_LABELS else len(self.draws)

    @property
    def hash(self) -> str:
        """Identifies this work among all that was ever submitted."""
        inputs = sorted([stage, layout.run_id] for stage, layout in self.existing.items())
        return digest([[stage, self.hashes[stage]] for stage in self.stages], inputs)[:32]


def inputs_from_elsewhere(selection: Selection) -> frozenset[Output]:
    """The stages whose results this selection takes in without making them itself."""
    inputs = set()
    if Output.AUGMENTED_LABELS in selection and Output.AUGMENTED_VIDEOS not in selection:
        inputs.add(Output.AUGMENTED_VIDEOS)
    if selection.super_resolution and Output.AUGMENTED_VIDEOS in selection:
        inputs |= {Output.ORIGINAL_LABELS} - selection.outputs
    return frozenset(inputs)


def remaining(work: ClipWork, done: Mapping[Output, RunLayout]) -> ClipWork:
    """The work that is left once the stages in `done` are finished, each in the run that it lies in."""
    selection = work.selection.only(set(work.stages) - set(done))
    known = {**work.existing, **done}
    return replace(
        work, selection=selection, existing={stage: known[stage] for stage in inputs_from_elsewhere(selection)}
    )


def without(work: ClipWork, stages: Collection[Output]) -> ClipWork:
    """The work minus stages that nobody waits for any more."""
    return replace(work, selection=work.selection.only(set(work.stages) - set(stages)))


def depending_on(stages: Collection[Output], selection: Selection) -> set[Output]:
    """The selected stages that take in, directly or not, what the given ones make."""
    dependants: set[Output] = set()
    if Output.ORIGINAL_LABELS in stages and selection.super_resolution:
        dependants.add(Output.AUGMENTED_VIDEOS)
    if Output.AUGMENTED_VIDEOS in {*stages, *dependants}:
        dependants.add(Output.AUGMENTED_LABELS)
    return dependants & selection.outputs


def output_hashes(
    clip: Clip, *, cookbook: Cookbook, images: Images, super_resolution: bool
) -> tuple[tuple[Draw, ...], dict[Output, str]]:
    """The clip's draws, and per output the hash of everything that decides it.

    An output whose newest materialization carries the same hash is finished.
    """
    draws = draws_for(cookbook.distribution, clip.video)
    content = [clip.key, clip.version]
    labeling = [images.auto_labeling, cookbook.auto_labeling_digest]
    originals = digest("original_labels", content, labeling, super_resolution)
    drawn = [[draw.name, dict(draw.sampled_vars), draw.generation_seed] for draw in draws]
    gate = originals if super_resolution else ""
    augmented = digest("augmented_videos", content, images.augmentation, cookbook.augmentation_digest, drawn, gate)
    labels = digest("augmented_labels", augmented, labeling)
    return draws, {
        Output.ORIGINAL_LABELS: originals,
        Output.AUGMENTED_VIDEOS: augmented,
        Output.AUGMENTED_LABELS: labels,
        Output.COMPARISONS: digest("comparisons", augmented),
    }


def digest(*content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
