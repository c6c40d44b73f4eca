"""The work that one clip still needs in a run, and the hashes by which finished work is known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vda_assets.config.deployment import Images
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.cookbooks.draw import Draw, draws_for
from vda_assets.datasets.clips import Clip
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Output, Rendered, Stage
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl

_ATTEMPT = "-try"


@dataclass(frozen=True)
class ClipWork:
    """What one workflow does. `selection` holds the stages that are still needed for this clip.

    `existing` says for finished stages which run left them: the others take their inputs from there.
    `remuxed` is where the clip lies as an MP4 when it is none itself.
    """

    clip: Clip
    selection: Selection
    draws: tuple[Draw, ...]
    output_hashes: Mapping[Output, str]
    existing: Mapping[Stage, RunLayout] = field(default_factory=dict)
    remuxed: StorageUrl | None = None

    @property
    def takes_clip(self) -> bool:
        """Whether a stage works on the clip itself, not on what another stage made of it."""
        return any(stage.row.upstream is None for stage in self.stages)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self.selection.ordered

    def workers(self, stage: Stage) -> int:
        """How many tasks the stage has: one per augmentation index, or one for the clip."""
        return len(self.draws) if stage.row.per_index else 1

    @property
    def work_hash(self) -> str:
        """Identifies this work among all that was ever submitted: what is made, and from what."""
        inputs = sorted([stage, layout.run_id] for stage, layout in self.existing.items())
        return digest([[stage, self.output_hashes[stage]] for stage in self.stages], inputs)[:32]


def remaining(work: ClipWork, done: Mapping[Stage, RunLayout]) -> ClipWork:
    """The work that is left once the stages in `done` are finished, each in the run that it lies in."""
    selection = work.selection.without(done)
    known = {**work.existing, **done}
    return replace(work, selection=selection, existing={one: known[one] for one in selection.taken_from_elsewhere()})


def without(work: ClipWork, stages: Collection[Stage]) -> ClipWork:
    """The work minus stages that nobody waits for any more."""
    return replace(work, selection=work.selection.without(stages))


def stage_outputs(layout: RunLayout, stage: Stage, draws: Sequence[Draw]) -> list[StorageUrl]:
    """Where a stage's results for a clip lie: one folder for the clip, or one per augmentation index."""
    names = [draw.name for draw in draws] if stage.row.per_index else [draws[0].video]
    return [layout.output(stage.row.folder, name) for name in names]


def output_hashes(
    clip: Clip, *, cookbook: Cookbook, images: Images, super_resolution: bool
) -> tuple[tuple[Draw, ...], dict[Output, str]]:
    """The clip's draws, and for each output the hash of everything that decides it.

    An output whose newest materialization carries the same hash is finished.
    """
    draws, parts = deciding_parts(clip, cookbook=cookbook, images=images, super_resolution=super_resolution)
    return draws, hashes_of(parts)


def deciding_parts(
    clip: Clip, *, cookbook: Cookbook, images: Images, super_resolution: bool, attempt: int = 1
) -> tuple[tuple[Draw, ...], dict[Output, dict[str, str]]]:
    """The clip's draws, and for each output everything that decides it, by the name that a person knows it by."""
    draws = draws_for(cookbook.distribution, clip.video, further=clip.further, attempt=attempt)
    source = {"path": str(clip.url), "clip": clip.version}
    labeling = {"container": images.auto_labeling, "cookbook": cookbook.auto_labeling_digest}
    drawn = [[draw.name, dict(draw.sampled_vars), draw.generation_seed] for draw in draws]
    augmented = source | {
        "container": images.augmentation,
        "cookbook": cookbook.augmentation_digest,
        "draw": digest(drawn),
    }
    # Whatever decides the augmented videos, by the same names: it decides what is made of them too.
    upstream = {f"{name} of {Stage.AUGMENTED_VIDEOS}": part for name, part in augmented.items()}
    return draws, {
        Stage.ORIGINAL_LABELS: source | labeling | {"super_resolution": str(super_resolution)},
        Stage.AUGMENTED_VIDEOS: augmented,
        Stage.AUGMENTED_LABELS: upstream | labeling,
        Rendered.COMPARISONS: upstream,
    }


def hashes_of(parts: Mapping[Output, Mapping[str, str]], *, attempt: int = 1) -> dict[Output, str]:
    """The hash of what follows from a further attempt ends with its number: it is the data version of the output, and
    so the one thing that can be read of all clips at once."""
    ending = f"{_ATTEMPT}{attempt}" if attempt > 1 else ""
    return {
        output: digest(output, deciding) + ("" if output is Stage.ORIGINAL_LABELS else ending)
        for output, deciding in parts.items()
    }


def attempt_of(output_hash: str) -> int:
    """Which attempt an output with that hash, or what is known of one, belongs to."""
    number = output_hash.partition(_ATTEMPT)[2]
    return int(number) if number.isdecimal() else 1


def digest(*content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
