"""Where each clip of a dataset stands, from Dagster's books alone: a few queries for all of its clips together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum

import dagster as dg

from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.config.dataset import Dataset
from vda_assets.datasets.clips import Clip, path_of
from vda_assets.flows.planning import item_of
from vda_assets.flows.stages import Output
from vda_assets.project import Scope
from vda_assets.runs.names import SOURCE_VIDEOS, asset_key
from vda_assets.runs.private import newest_ids, observed_versions, reported_versions
from vda_assets.runs.recording.tries import ASKED_AGAIN, FailedTry


class Stand(StrEnum):
    """What may be left to do for an output of a clip, from the most to the least pressing word on the clip itself."""

    QUARANTINED = "quarantined"  # failed alike so often that it is not asked for again by itself
    FAILED = "failed"  # the last try to make it failed
    MISSING = "missing"  # never made, or asked for again by a person
    CHANGED = "changed"  # made of another clip or configuration than it would be made of today
    MADE = "made"  # there, and still what would be made today


Standings = Mapping[str, Mapping[Output, Stand]]


def standings(
    instance: dg.DagsterInstance,
    scope: Scope,
    outputs: Collection[Output],
    clips: Iterable[Clip],
    *,
    super_resolution: bool = False,
) -> dict[str, dict[Output, Stand]]:
    """By clip key and output."""
    books = {output: _Books(instance, scope.dataset, output) for output in outputs}
    found: dict[str, dict[Output, Stand]] = {}
    for clip in clips:
        item = item_of(
            clip,
            cookbook=scope.cookbook,
            images=scope.deployment.images,
            super_resolution=super_resolution,
        )
        hashes = item.output_hashes
        found[clip.key] = {output: book.stand(clip.key, hashes[output]) for output, book in books.items()}
    return found


def worst_of(stands: Mapping[Output, Stand]) -> Stand:
    """The word on the clip as a whole."""
    order = list(Stand)
    return min(stands.values(), key=order.index, default=Stand.MADE)


def clips_in_books(instance: dg.DagsterInstance, dataset: Dataset) -> list[Clip]:
    """The dataset's partitions as its upload sensor last reported them, the last reported first.

    Without size and time, which nothing decides by. A clip that was never reported is not among them.
    """
    source = asset_key(dataset, SOURCE_VIDEOS)
    with interrupts_delayed():
        known = set(instance.get_dynamic_partitions(f"{dataset.slug}_videos"))
        versions = reported_versions(instance, source)
        ids = newest_ids(instance, dg.DagsterEventType.ASSET_MATERIALIZATION, source)
    keys = sorted((key for key in versions if key in known), key=lambda key: -ids.get(key, 0))
    url = dataset.dataset_url
    return [Clip(key, url / path_of(key), size_bytes=0, version=versions[key], modified=0.0) for key in keys]


class _Books:
    """What Dagster knows of one output, of all partitions at once."""

    def __init__(self, instance: dg.DagsterInstance, dataset: Dataset, output: Output) -> None:
        key = asset_key(dataset, output)
        with interrupts_delayed():
            self._made = reported_versions(instance, key)
            self._observed = observed_versions(instance, key)
            self._made_at, self._observed_at = (
                newest_ids(instance, kind, key) if self._observed else {}
                for kind in (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION)
            )

    def stand(self, key: str, output_hash: str) -> Stand:
        if key in self._observed and self._observed_at.get(key, 0) > self._made_at.get(key, 0):
            text = self._observed[key]
            if text == ASKED_AGAIN:
                return Stand.MISSING
            failed = FailedTry.parse(text)
            if failed and failed.is_of(output_hash):
                return Stand.QUARANTINED if failed.is_last else Stand.FAILED
        made = self._made.get(key)
        if made is None:
            return Stand.MISSING
        return Stand.MADE if made == output_hash else Stand.CHANGED
