"""What `vda backfill` asks for of further augmentations: what lacks of the wanted distribution, or has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from vda_assets.base.counted import counted
from vda_assets.cookbooks.draw import Draw
from vda_assets.cookbooks.filling import MOST_CLIPS, MOST_INDEXES, Lacking
from vda_assets.datasets.clips import Clip, clip_key
from vda_assets.flows.selection import Selection
from vda_assets.project import Scope
from vda_assets.runs.covering import Cover, cover, further_selection, further_standing
from vda_assets.runs.standing import Stand

NAMED = 20


@dataclass(frozen=True)
class Wish:
    """What a run is asked for, said for people and for programs. `again` are keys to be asked for before, so that
    later runs know of it."""

    selection: Selection
    clips: Sequence[Clip]
    lines: Sequence[str]
    document: Mapping[str, object]
    again: Sequence[str] = ()


def cover_wish(
    instance: dg.DagsterInstance, scope: Scope, selection: Selection, clips: Sequence[Clip], *, limit: int | None
) -> Wish:
    """Further augmentations for what lacks, or what is left of those that were asked for before."""
    name, of_further = scope.dataset.name, further_selection(selection)
    found = cover(instance, scope, selection, clips, limit=limit)
    return Wish(
        of_further,
        found.clips,
        [*_lines(name, found)],
        _document(name, of_further, found),
        again=[clip.key for clip in found.clips] if found.is_new else (),
    )


def changed_wish(
    instance: dg.DagsterInstance, scope: Scope, selection: Selection, clips: Sequence[Clip], *, limit: int | None
) -> Wish:
    """The further augmentations of these clips that would be made of something else today."""
    name, of_further = scope.dataset.name, further_selection(selection)
    changed = further_standing(instance, scope, selection, clips, frozenset({Stand.CHANGED}))
    chosen = changed[:limit]
    lines = [f"{name}: {_told(chosen)} made of another clip or configuration", *_named([clip.key for clip in chosen])]
    document = {"outputs": list(of_further.outputs), "clips": [clip.key for clip in chosen]}
    return Wish(of_further, chosen, lines, document | {"left_out_by_limit": len(changed) - len(chosen)})


def _lines(name: str, found: Cover) -> Iterator[str]:
    if not found.is_new:
        yield f"{name}: {_told(found.clips)} asked for before; what else lacks is chosen once they are made"
    elif found.clips:
        yield f"{name}: {_told(found.clips)}, each counted as if it will be accepted"
    elif found.lacking and not found.sources:
        yield f"{name}: nothing is accepted of any clip, so none is augmented further; `vda status` says why"
        return
    elif found.lacking:
        yield f"{name}: no further augmentation has what lacks"
    else:
        yield f"{name}: nothing lacks"
    drawn = zip(found.clips, found.draws, strict=True)
    yield from _named([f"{clip.key}: {', '.join(draw.sampled_vars.values())}" for clip, draw in drawn])
    yield from _named([_lack(one) for one in found.lacking])


def _lack(one: Lacking) -> str:
    if one.chosen:
        return f"{one}, with these {one.accepted + one.chosen}"
    if one.is_drawn:
        return f"{one}, left out by --limit"
    return f"{one}; no draw has it, of {MOST_INDEXES} further ones of each clip ({MOST_CLIPS} clips at most)"


def _told(clips: Sequence[Clip]) -> str:
    of_clips = counted(len({clip_key(clip.key) for clip in clips}), "clip")
    return f"{counted(len(clips), 'further augmentation')} of {of_clips}"


def _named(texts: Sequence[str]) -> Iterator[str]:
    yield from (f"  {text}" for text in texts[:NAMED])
    if len(texts) > NAMED:
        yield f"  … and {len(texts) - NAMED} more"


def _document(name: str, selection: Selection, found: Cover) -> dict[str, object]:
    """`further` are the augmentations that would be asked for, `lacking` what they were chosen for."""
    return {
        "dataset": name,
        "flow": selection.flow,
        "outputs": list(selection.outputs),
        "is_new": found.is_new,
        "further": [_drawn(clip, draw) for clip, draw in zip(found.clips, found.draws, strict=True)],
        "lacking": [
            {
                "values": dict(one.values),
                "accepted": one.accepted,
                "wanted": round(one.wanted, 3),
                "chosen": one.chosen,
                "is_drawn": one.is_drawn,
            }
            for one in found.lacking
        ],
    }


def _drawn(clip: Clip, draw: Draw) -> dict[str, object]:
    return {"clip": clip_key(clip.key), "index": draw.index, "sampled_vars": dict(draw.sampled_vars)}
