"""Which try at augmenting a clip counts, and when another one, with another seed, is to follow a rejected one.

Both are read from the newest materialization of the clip's augmented videos, so that whoever takes up the work of a
killed run goes on where it was. Its data version tells the attempt that is taken, its metadata how many were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.config.dataset import Dataset
from vda_assets.datasets.clips import Clip
from vda_assets.flows.planning import Item, item_of
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import attempt_of
from vda_assets.outcomes.verdict import Verdict
from vda_assets.project import Scope
from vda_assets.runs.names import ATTEMPTS, VERDICT, asset_key
from vda_assets.runs.private import DATA_VERSION_TAG
from vda_assets.runs.recording.finished import hash_of, newest_records, text_of
from vda_assets.runs.recording.tries import ASKED_AGAIN


@dataclass(frozen=True)
class Attempts:
    """`taken` is what the books have of the attempt that counts: the first one when all that were `made` are rejected,
    else the last. `is_asked_again`: a person wants one more."""

    taken: dg.AssetMaterialization
    made: int
    is_asked_again: bool

    @property
    def taken_hash(self) -> str:
        return hash_of(self.taken)

    @property
    def is_rejected(self) -> bool:
        return text_of(self.taken, VERDICT) == Verdict.REJECTED

    def is_to_go_on(self, dataset: Dataset) -> bool:
        return self.is_rejected and (self.is_asked_again or self.made <= dataset.retry_rejected)


def attempts_in_books(instance: dg.DagsterInstance, dataset: Dataset, keys: Sequence[str]) -> dict[str, Attempts]:
    """By clip key, for those of the clips that were ever augmented."""
    asset = asset_key(dataset, Stage.AUGMENTED_VIDEOS)
    with interrupts_delayed():
        made = newest_records(instance.fetch_materializations, asset, keys)
        observed = newest_records(instance.fetch_observations, asset, list(made))
    return {
        key: Attempts(one.asset_materialization, _made(one.asset_materialization), _asks(observed.get(key), one))
        for key, one in made.items()
        if one.asset_materialization
    }


def rejected_clips(instance: dg.DagsterInstance, dataset: Dataset, keys: Sequence[str]) -> list[str]:
    """Those of the clips whose augmented videos are rejected."""
    attempts = attempts_in_books(instance, dataset, keys)
    return [key for key in keys if key in attempts and attempts[key].is_rejected]


def item_to_make(
    clip: Clip, scope: Scope, attempts: Attempts | None, *, super_resolution: bool, may_augment: bool = True
) -> Item:
    """The clip with the attempt that is taken, or that is to be made now."""
    taken = item_taken(clip, scope, attempts.taken_hash if attempts else None, super_resolution=super_resolution)
    if not (attempts and may_augment and attempts.is_to_go_on(scope.dataset)):
        return taken
    if taken.output_hashes[Stage.AUGMENTED_VIDEOS] != attempts.taken_hash:
        return taken  # the tries were of another clip or configuration
    return item_at(clip, scope, attempts.made + 1, super_resolution=super_resolution)


def item_taken(clip: Clip, scope: Scope, taken_hash: str | None, *, super_resolution: bool) -> Item:
    """The clip with the attempt whose videos there are, by their hash: the first one when there are none, or
    none of today's clip and configuration."""
    item = item_at(clip, scope, attempt_of(taken_hash or ""), super_resolution=super_resolution)
    if item.attempt == 1 or item.output_hashes[Stage.AUGMENTED_VIDEOS] == taken_hash:
        return item
    return item_at(clip, scope, 1, super_resolution=super_resolution)


def item_at(clip: Clip, scope: Scope, attempt: int, *, super_resolution: bool) -> Item:
    images = scope.deployment.images
    return item_of(clip, cookbook=scope.cookbook, images=images, super_resolution=super_resolution, attempt=attempt)


def _made(taken: dg.AssetMaterialization) -> int:
    value = taken.metadata.get(ATTEMPTS)
    return value.value if isinstance(value, dg.IntMetadataValue) and value.value else 1


def _asks(observed: dg.EventLogRecord | None, made: dg.EventLogRecord) -> bool:
    if observed is None or observed.asset_observation is None or observed.storage_id < made.storage_id:
        return False
    return (observed.asset_observation.tags or {}).get(DATA_VERSION_TAG) == ASKED_AGAIN
