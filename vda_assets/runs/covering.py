"""Further augmentations of clips, beyond those of the cookbook: which are left to make, and which to ask for next.

One is asked for by the key of its own that it has in Dagster's books, as another try of a rejected clip is
(`tries.ask_again`), and is found there by every later run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import dagster as dg

from vda_assets.cookbooks.draw import Draw, draws_for
from vda_assets.cookbooks.filling import Lacking, fill
from vda_assets.datasets.clips import Clip
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Stage
from vda_assets.project import Scope
from vda_assets.releases.choosing import Pick, Wanted, choose
from vda_assets.runs.asking import UNFINISHED
from vda_assets.runs.releasing import candidates
from vda_assets.runs.standing import Stand, further_in_books, standings, worst_of


@dataclass(frozen=True)
class Cover:
    """`clips` are the further augmentations to make, by their keys, and `draws` what is drawn for each.

    `is_new`: they are to be asked for. Otherwise they were before, and are not finished: then nothing else is chosen.
    `sources` is how many clips could be augmented further.
    """

    clips: Sequence[Clip]
    draws: Sequence[Draw]
    is_new: bool
    lacking: Sequence[Lacking] = ()
    sources: int = 0


def further_selection(selection: Selection) -> Selection:
    """What of the selection is made of a further augmentation. The clip itself is labelled already."""
    return replace(selection.without({Stage.ORIGINAL_LABELS}), super_resolution=False)


def further_standing(
    instance: dg.DagsterInstance,
    scope: Scope,
    selection: Selection,
    clips: Sequence[Clip],
    stands: frozenset[Stand],
) -> list[Clip]:
    """The further augmentations of these clips whose stages stand so. Those that the cookbook has come to ask for of
    every clip are left out: they are the clip's own."""
    first = scope.cookbook.distribution.n_augmentations
    known = [one for one in further_in_books(instance, scope.dataset, clips) if (one.further or 0) >= first]
    found = standings(instance, scope, further_selection(selection).ordered, known)
    return [one for one in known if worst_of(found[one.key]) in stands]


def cover(
    instance: dg.DagsterInstance, scope: Scope, selection: Selection, clips: Sequence[Clip], *, limit: int | None
) -> Cover:
    """What to make now, so that what is accepted of these clips, all of the dataset, comes closer to what is wanted.

    Clips of which nothing is accepted are not augmented further.
    """
    distribution = scope.cookbook.distribution
    if left := further_standing(instance, scope, selection, clips, UNFINISHED)[:limit]:
        draws = [draw for one in left for draw in draws_for(distribution, one.video, further=one.further)]
        return Cover(left, draws, is_new=False)
    # What stand-ins make is good enough where nothing else is made.
    wanted = Wanted(with_stand_ins=scope.deployment.is_stand_in, policy=scope.dataset.verdicts)
    known = candidates(instance, scope, clips)
    picks = [pick for one in known for pick in choose(one, wanted) if isinstance(pick, Pick)]
    by_video = {one.candidate.clip.video: one.candidate.clip for one in picks}
    asked: dict[str, list[int]] = {video: [] for video in by_video}
    for one in further_in_books(instance, scope.dataset, list(by_video.values())):
        asked[one.video].append(one.further or 0)
    filling = fill(
        distribution,
        accepted=[one.draw.sampled_vars for one in picks if one.draw],
        draws=len(clips) * distribution.n_augmentations,
        asked=asked,
        limit=limit,
    )
    chosen = [by_video[draw.video].augmented_further(draw.index) for draw in filling.draws]
    return Cover(chosen, filling.draws, is_new=True, lacking=filling.lacking, sources=len(by_video))
