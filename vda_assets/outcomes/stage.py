"""Judges all that one stage of one clip left: the place that knows what each kind of output is compared with."""

from __future__ import annotations

from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.cookbooks.draw import Draw
from vda_assets.flows.stages import Leaves, Stage
from vda_assets.flows.work import ClipWork, stage_outputs
from vda_assets.media.probe import ClipInfo
from vda_assets.outcomes.augmented_video import judge_augmented_video
from vda_assets.outcomes.doubts import Drawn
from vda_assets.outcomes.gates import excluded_variables
from vda_assets.outcomes.labels import judge_labels
from vda_assets.outcomes.verdict import Judgement, Verdict, named_by_index, of_labelled_clip, of_variable_rate
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout


def judge_stage(
    storage: Storage,
    work: ClipWork,
    stage: Stage,
    *,
    layout: RunLayout,
    seen: ClipInfo,
    cookbook: Cookbook,
    parent: Verdict | None = None,
) -> list[Judgement]:
    """One judgement for each of the stage's folders. `seen` is the clip as the containers saw it.

    `parent` is the verdict on the stage's upstream, of this run or of a former one; None where nothing is known of it.
    """
    urls = stage_outputs(layout, stage, work.draws)
    if stage.row.leaves is Leaves.VIDEO:
        excluded = excluded_variables(cookbook.augmentation)
        made = zip(urls, work.draws, strict=True)
        return named_by_index(
            [judge_augmented_video(storage, url, draw=draw, source=seen, excluded=excluded) for url, draw in made]
        )
    drawn = [_drawn(draw, cookbook) for draw in work.draws] if stage.row.per_index else [{}]
    bank, frames = cookbook.question_bank, seen.frame_count
    labelled = zip(urls, drawn, strict=True)
    judgements = [judge_labels(storage, url, frame_count=frames, bank=bank, drawn=one) for url, one in labelled]
    if stage is Stage.ORIGINAL_LABELS and seen.is_variable_rate:
        judgements = [of_variable_rate(judgement) for judgement in judgements]
    if stage.row.upstream is not None and parent is not None:
        judgements = [of_labelled_clip(judgement, parent) for judgement in judgements]
    return named_by_index(judgements)


def _drawn(draw: Draw, cookbook: Cookbook) -> dict[str, Drawn]:
    variables = cookbook.distribution.variables
    return {name: Drawn(value, frozenset(variables[name])) for name, value in draw.sampled_vars.items()}
