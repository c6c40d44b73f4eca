"""Whether outputs lie whole in storage: every marker is there, with all the files that it lists."""

from __future__ import annotations

from collections.abc import Sequence

from vda_assets.cookbooks.draw import Draw
from vda_assets.flows.planning import Item
from vda_assets.flows.stages import Output, Stage
from vda_assets.flows.work import stage_outputs
from vda_assets.outcomes.marker import Marker, OutputMissing, read_marker
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout, still_of


def is_whole(storage: Storage, item: Item, output: Output, *, layout: RunLayout) -> bool:
    """Whether all that belongs to the clip's output lies in that run's folder."""
    if not isinstance(output, Stage):
        videos = [layout.comparison(draw.name) for draw in item.draws]
        return all(storage.exists(video) or storage.exists(still_of(video)) for video in videos)
    return _markers(storage, output, layout, item.draws) is not None


def was_left_by(storage: Storage, stage: Stage, *, layout: RunLayout, draws: Sequence[Draw], work_hash: str) -> bool:
    """Whether the stage's results are whole, and left by the work whose hash begins so."""
    markers = _markers(storage, stage, layout, draws)
    return markers is not None and all(marker.work.startswith(work_hash) for marker in markers)


def _markers(storage: Storage, stage: Stage, layout: RunLayout, draws: Sequence[Draw]) -> list[Marker] | None:
    """None when one of them, or a file that it lists, is missing."""
    try:
        return [read_marker(storage, url) for url in stage_outputs(layout, stage, draws)]
    except OutputMissing:
        return None
