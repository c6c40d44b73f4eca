"""Where each clip of a dataset stands, from Dagster's books alone: a few queries for all of its clips together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import dagster as dg

from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.config.dataset import Dataset
from vda_assets.datasets.clips import Clip, clip_key, further_of, path_of
from vda_assets.flows.planning import Item
from vda_assets.flows.stages import Output, Stage
from vda_assets.project import Scope
from vda_assets.runs.attempts import item_at, item_taken
from vda_assets.runs.names import SOURCE_VIDEOS, asset_key, videos_partitions
from vda_assets.runs.private import newest_ids, observed_versions, reported_versions
from vda_assets.runs.recording.tries import ASKED_AGAIN, FailedTry
from vda_assets.runs.recording.versions import OutputVersion


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
    books = {output: OutputBooks(instance, scope.dataset, output) for output in outputs}
    hashes = augmented_hashes(instance, scope.dataset)
    found: dict[str, dict[Output, Stand]] = {}
    for clip in clips:
        if not any(book.knows(clip.key) for book in books.values()):
            # Hashes take most of the time, and of what was never made there is nothing to compare.
            found[clip.key] = dict.fromkeys(books, Stand.MISSING)
            continue
        item = item_taken(clip, scope, hashes.get(clip.key), super_resolution=super_resolution)
        at = partial(item_at, clip, scope, super_resolution=super_resolution)
        found[clip.key] = {output: book.stand(item, at) for output, book in books.items()}
    return found


def augmented_hashes(instance: dg.DagsterInstance, dataset: Dataset) -> dict[str, str]:
    """By clip key the hash of the augmented videos that are taken."""
    with interrupts_delayed():
        versions = reported_versions(instance, asset_key(dataset, Stage.AUGMENTED_VIDEOS))
    return {key: OutputVersion.parse(text).output_hash for key, text in versions.items()}


def worst_of(stands: Mapping[Output, Stand]) -> Stand:
    """The word on the clip as a whole."""
    order = list(Stand)
    return min(stands.values(), key=order.index, default=Stand.MADE)


def clips_in_books(instance: dg.DagsterInstance, dataset: Dataset) -> list[Clip]:
    """The dataset's partitions as its upload sensor last reported them, the last reported first.

    Without size and time, which nothing decides by. A clip that was never reported is not among them.
    """
    source, partitions = asset_key(dataset, SOURCE_VIDEOS), videos_partitions(dataset).name
    assert partitions is not None
    with interrupts_delayed():
        known = set(instance.get_dynamic_partitions(partitions))
        versions = reported_versions(instance, source)
        ids = newest_ids(instance, dg.DagsterEventType.ASSET_MATERIALIZATION, source)
    keys = sorted((key for key in versions if key in known), key=lambda key: -ids.get(key, 0))
    url = dataset.dataset_url
    return [Clip(key, url / path_of(key), size_bytes=0, version=versions[key], modified=0.0) for key in keys]


def further_in_books(instance: dg.DagsterInstance, dataset: Dataset, clips: Sequence[Clip]) -> list[Clip]:
    """Every further augmentation of these clips that was ever asked for, as a clip of its own key; by index."""
    asset = asset_key(dataset, Stage.AUGMENTED_VIDEOS)
    with interrupts_delayed():
        keys = {*reported_versions(instance, asset), *observed_versions(instance, asset)}
    indexes: dict[str, list[int]] = {}
    for key in keys:
        index = further_of(key)
        if index is not None:
            indexes.setdefault(clip_key(key), []).append(index)
    return [clip.augmented_further(index) for clip in clips for index in sorted(indexes.get(clip.key, ()))]


_NO_VERSION = OutputVersion("")


@dataclass(frozen=True)
class Word:
    """The newest word on an output of a clip, whatever it would be made of today: FAILED, QUARANTINED, MISSING, or MADE
    with what its version says."""

    stand: Stand
    made: OutputVersion = _NO_VERSION

    @property
    def said(self) -> str:
        return self.made.verdict or str(self.stand)


class OutputBooks:
    """What Dagster knows of one output, of all partitions at once."""

    def __init__(self, instance: dg.DagsterInstance, dataset: Dataset, output: Output) -> None:
        self._output, key = output, asset_key(dataset, output)
        with interrupts_delayed():
            made = reported_versions(instance, key)
            self._observed = observed_versions(instance, key)
            self._made_at, self._observed_at = (
                newest_ids(instance, kind, key) if self._observed else {}
                for kind in (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION)
            )
        self._made = {name: OutputVersion.parse(text) for name, text in made.items()}

    def knows(self, key: str) -> bool:
        return key in self._made or key in self._observed

    def stand(self, item: Item, at: Callable[[int], Item]) -> Stand:
        """`at` gives the same clip with another attempt: what failed may have been one that would have followed."""
        key = item.clip.key
        if self._is_asked_again(key):
            return Stand.MISSING
        if (failed := self._failed(key)) and failed.is_of(at(failed.attempt).output_hashes[self._output]):
            return _stand_of(failed)
        made = self._made.get(key)
        if made is None:
            return Stand.MISSING
        return Stand.MADE if made.output_hash == item.output_hashes[self._output] else Stand.CHANGED

    def word(self, key: str) -> Word:
        if self._is_asked_again(key):
            return Word(Stand.MISSING)
        if failed := self._failed(key):
            return Word(_stand_of(failed))
        made = self._made.get(key)
        return Word(Stand.MADE, made) if made else Word(Stand.MISSING)

    def _is_asked_again(self, key: str) -> bool:
        return self._observed.get(key) == ASKED_AGAIN and self._is_newer(key)

    def _failed(self, key: str) -> FailedTry | None:
        """The failure that is the newest word on the output."""
        return FailedTry.parse(self._observed[key]) if key in self._observed and self._is_newer(key) else None

    def _is_newer(self, key: str) -> bool:
        """Whether the newest observation is newer than the newest materialization."""
        return self._observed_at.get(key, 0) > self._made_at.get(key, 0)


def _stand_of(failed: FailedTry) -> Stand:
    return Stand.QUARANTINED if failed.is_last else Stand.FAILED
