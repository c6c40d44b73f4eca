"""Judges all that one stage of one clip left: the place that knows what each kind of output is compared with."""

from __future__ import annotations

from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.cookbooks.draw import Draw
from vda_assets.flows.stages import Leaves, Stage
from vda_assets.flows.work import ClipWork, stage_outputs
from vda_assets.media.probe import ClipInfo
from vda_assets.outcomes.augmented_video import judge_augmented_video
from vda_assets.outcomes.doubts import Drawn
from vda_assets.outcomes.labels import judge_labels
from vda_assets.outcomes.verdict import Judgement, named_by_index
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout


def judge_stage(
    storage: Storage, work: ClipWork, stage: Stage, *, layout: RunLayout, seen: ClipInfo, cookbook: Cookbook
) -> list[Judgement]:
    """One judgement for each of the stage's folders. `seen` is the clip as the containers saw it."""
    urls = stage_outputs(layout, stage, work.draws)
    if stage.row.leaves is Leaves.VIDEO:
        made = zip(urls, work.draws, strict=True)
        return named_by_index([judge_augmented_video(storage, url, draw=draw, source=seen) for url, draw in made])
    drawn = [_drawn(draw, cookbook) for draw in work.draws] if stage.row.per_index else [{}]
    bank, frames = cookbook.question_bank, seen.frame_count
    labelled = zip(urls, drawn, strict=True)
    return named_by_index(
        [judge_labels(storage, url, frame_count=frames, bank=bank, drawn=one) for url, one in labelled]
    )


def _drawn(draw: Draw, cookbook: Cookbook) -> dict[str, Drawn]:
    variables = cookbook.distribution.variables
    return {name: Drawn(value, frozenset(variables[name])) for name, value in draw.sampled_vars.items()}
