"""A look at what a stage left, as a small moving picture for the page of its output: labels drawn on frames of the clip
that they are of, augmented frames beside the original ones."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from vda_assets.base.counted import counted
from vda_assets.cookbooks.draw import Draw
from vda_assets.flows.comparisons import local_copy
from vda_assets.flows.stages import Leaves, Stage
from vda_assets.flows.work import ClipWork
from vda_assets.labels.drawing import draw_labels
from vda_assets.labels.errors import LabelError
from vda_assets.labels.scene import INSTANCES_FILE, METADATA_FILE, OBJECTS_FILE, RAW_FOLDER, read_scene
from vda_assets.media.captions import beside, captioned
from vda_assets.media.errors import MediaError
from vda_assets.media.preview import animation_of, evenly_spaced_frames
from vda_assets.outcomes.labels import local_scene
from vda_assets.outcomes.limits import LOOK_BYTES
from vda_assets.outcomes.marker import OutputMissing, read_marker
from vda_assets.outcomes.verdict import Judgement, Verdict
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import StorageError
from vda_assets.storage.layout import AUGMENTED_VIDEO_FILE, RunLayout
from vda_assets.storage.url import StorageUrl

# Facts of a judgement: where its picture lies, or why there is none.
LOOK, NO_LOOK = "look", "no_look"
_FRAMES = 4
_MILLISECONDS = 900
_TROUBLE = (MediaError, LabelError, OutputMissing, StorageError, OSError, ValueError, MemoryError)


def look_at_stage(
    storage: Storage, work: ClipWork, stage: Stage, judgements: Sequence[Judgement], *, layout: RunLayout
) -> list[Judgement]:
    """The judgements, in the order of the stage's folders, each with the fact `LOOK` or `NO_LOOK`; with neither where
    nothing was left. A picture lies there before it is named."""
    draws: Sequence[Draw | None] = work.draws if stage.row.per_index else [None]
    looker = _Looker(storage, work, stage, layout)
    return [
        judgement if judgement.verdict is Verdict.MISSING else looker.look(judgement, draw)
        for judgement, draw in zip(judgements, draws, strict=True)
    ]


def without_looks(judgements: Sequence[Judgement], reason: str) -> list[Judgement]:
    return [
        judgement if judgement.verdict is Verdict.MISSING else _with(judgement, {NO_LOOK: reason})
        for judgement in judgements
    ]


@dataclass(frozen=True)
class _Looker:
    storage: Storage
    work: ClipWork
    stage: Stage
    layout: RunLayout

    def look(self, judgement: Judgement, draw: Draw | None) -> Judgement:
        name = draw.name if draw else self.work.clip.video
        folder, url = self.layout.output(self.stage.row.folder, name), self.layout.look(self.stage.row.folder, name)
        drawn = [", ".join(f"{name} {value}" for name, value in draw.sampled_vars.items())] if draw else []
        said = f"{judgement.verdict}: {self.stage.replace('_', ' ')} of {self.work.clip.path}"
        try:
            frames = self._frames(folder)
            pictures = [captioned(one, [f"{said}, frame {number}", *drawn]) for number, one in frames.items()]
            self.storage.write_bytes(url, animation_of(pictures, milliseconds=_MILLISECONDS))
        except _TROUBLE as error:
            return _with(judgement, {NO_LOOK: str(error) or type(error).__name__})
        return _with(judgement, {LOOK: str(url)})

    def _frames(self, folder: StorageUrl) -> dict[int, Image.Image]:
        if self.stage.row.leaves is Leaves.VIDEO:
            return _augmented_frames(self.storage, self.work.clip.url, folder / AUGMENTED_VIDEO_FILE)
        return _labelled_frames(self.storage, folder)


def _with(judgement: Judgement, facts: Mapping[str, str]) -> Judgement:
    return replace(judgement, facts={**judgement.facts, **facts})


def _augmented_frames(storage: Storage, source: StorageUrl, augmented: StorageUrl) -> dict[int, Image.Image]:
    """By the numbers of the augmented ones; a rejected clip may have fewer frames than its source."""
    sides = [_frames(storage, url, name=url.name) for url in (source, augmented)]
    pairs = zip(sides[0].values(), sides[1].items(), strict=False)
    return {number: beside(original, one) for original, (number, one) in pairs}


def _labelled_frames(storage: Storage, folder: StorageUrl) -> dict[int, Image.Image]:
    marker = read_marker(storage, folder)
    raw = [file.path for file in marker.files if file.path.startswith(f"{RAW_FOLDER}/")]
    if len(raw) != 1:
        held = counted(len(raw), "file")
        raise OutputMissing(f"{RAW_FOLDER} holds {held}; the labelled clip alone lies there")
    with local_scene(storage, folder, marker, names=(INSTANCES_FILE, OBJECTS_FILE, METADATA_FILE)) as local:
        scene = read_scene(local)
    return draw_labels(scene, _frames(storage, folder / raw[0], name=raw[0]))


def _frames(storage: Storage, url: StorageUrl, *, name: str) -> dict[int, Image.Image]:
    size_bytes = storage.info(url).size_bytes
    if size_bytes > LOOK_BYTES:
        raise OutputMissing(f"{name} has {size_bytes:,} bytes; for a picture at most {LOOK_BYTES:,} are read")
    with tempfile.TemporaryDirectory(prefix="vda-look-") as scratch:
        return evenly_spaced_frames(local_copy(storage, url, Path(scratch, "clip")), name=name, count=_FRAMES)
