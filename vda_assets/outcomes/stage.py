"""Judges all that one stage of one clip left: the place that knows what each kind of output is compared with."""

from __future__ import annotations

from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.cookbooks.draw import Draw
from vda_assets.flows.selection import Output
from vda_assets.flows.work import ClipWork
from vda_assets.flows.workflow import stage_outputs
from vda_assets.media.errors import MediaError
from vda_assets.media.probe import ClipInfo
from vda_assets.outcomes.augmented_video import judge_augmented_video
from vda_assets.outcomes.clips import probe_clip
from vda_assets.outcomes.doubts import Drawn
from vda_assets.outcomes.gates import excluded_variables
from vda_assets.outcomes.labels import judge_labels
from vda_assets.outcomes.verdict import Judgement, Verdict, named_by_index, of_labelled_clip
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout, enhanced_original


def judge_stage(
    storage: Storage,
    work: ClipWork,
    stage: Output,
    *,
    layout: RunLayout,
    seen: ClipInfo,
    cookbook: Cookbook,
    parent: Verdict | None = None,
) -> list[Judgement]:
    """One judgement for each of the stage's folders. `seen` is the clip as the containers saw it.

    `parent` is what the augmented videos were judged to be, now or by a former run, for the labels of them.
    """
    urls = stage_outputs(layout, stage, work.draws)
    if stage is not Output.AUGMENTED_VIDEOS:
        is_augmented = stage is Output.AUGMENTED_LABELS
        values = [_drawn(draw, cookbook) for draw in work.draws] if is_augmented else [{}]
        bank, frames = cookbook.question_bank, seen.frame_count
        judged = zip(urls, values, strict=True)
        judgements = [judge_labels(storage, url, frame_count=frames, bank=bank, drawn=drawn) for url, drawn in judged]
        if is_augmented and parent is not None:
            judgements = [of_labelled_clip(judgement, parent) for judgement in judgements]
        return named_by_index(judgements)
    source = seen
    if work.selection.super_resolution:
        enhanced = work.existing.get(Output.ORIGINAL_LABELS, layout).original_labels(work.clip.video)
        try:
            source = probe_clip(storage, enhanced / enhanced_original(work.clip.video))
        except (MediaError, OSError) as error:
            return [Judgement(Verdict.MISSING, (f"the enhanced original cannot be read: {error}",)) for _ in urls]
    excluded = excluded_variables(cookbook.augmentation)
    return named_by_index(
        [
            judge_augmented_video(storage, url, draw=draw, source=source, excluded=excluded)
            for url, draw in zip(urls, work.draws, strict=True)
        ]
    )


def _drawn(draw: Draw, cookbook: Cookbook) -> dict[str, Drawn]:
    variables = cookbook.distribution.variables
    return {name: Drawn(value, frozenset(variables[name])) for name, value in draw.sampled_vars.items()}
