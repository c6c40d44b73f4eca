"""Makes a release: what the policy accepts, read from storage, written once in every format under one version."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from vda_assets.base.counted import counted
from vda_assets.base.patience import say_nothing
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.cookbooks.filling import Covered
from vda_assets.releases import layout
from vda_assets.releases.candidates import Candidate
from vda_assets.releases.card import About
from vda_assets.releases.choosing import LeftOut, Pick, Wanted, choose
from vda_assets.releases.coverage import coverage
from vda_assets.releases.entries import Entry, content_of, read_entries
from vda_assets.releases.errors import NothingToRelease
from vda_assets.releases.formats import Formats
from vda_assets.releases.layout import FORMAT_VERSION, MANIFEST_FILE, check_version, dataset_releases
from vda_assets.releases.rows import Origin, arrow, cookbook_of
from vda_assets.releases.writing import ReleaseWriter
from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl

_VERSION_DIGITS = 12
# Clips whose labels are at hand at once, and of which as many videos are being copied.
_CLIPS_AT_ONCE = 8
_TOLD_KINDS = 10


@dataclass(frozen=True)
class Order:
    """What is to be released. `version` is None for the one that the content decides."""

    dataset: str
    storage_url: StorageUrl
    cookbook: Cookbook
    wanted: Wanted
    description: str = ""
    licence: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Draft:
    """What would be released: entries in the order of their names, why the rest is not, and the hash of the content."""

    order: Order
    entries: Sequence[Entry]
    left_out: Sequence[LeftOut]
    clips: int
    content: str

    @property
    def version(self) -> str:
        return self.order.version or self.content[:_VERSION_DIGITS]

    @property
    def url(self) -> StorageUrl:
        return dataset_releases(self.order.storage_url, self.order.dataset) / self.version

    @property
    def coverage(self) -> list[Covered]:
        """Beside what all clips of the dataset would give."""
        distribution = self.order.cookbook.distribution
        return coverage(distribution, self.clips * distribution.n_augmentations, self._accepted)

    @property
    def own_coverage(self) -> list[Covered]:
        """Beside what so many draws would give: it depends on what is released alone."""
        return coverage(self.order.cookbook.distribution, len(self._accepted), self._accepted)

    @property
    def _accepted(self) -> list[Mapping[str, str]]:
        return [one.pick.draw.sampled_vars for one in self.entries if one.pick.draw]

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why videos are left out, the most frequent reason first."""
        return Counter(one.reason for one in self.left_out).most_common()

    @property
    def about(self) -> About:
        order = self.order
        return About(
            dataset=order.dataset,
            version=self.version,
            url=str(self.url),
            description=order.description,
            licence=order.licence,
            has_generated=any(one.generated for one in self.entries),
            has_stand_ins=any(one.stand_in for one in self.entries),
            cookbook=order.cookbook.name,
        )


@dataclass(frozen=True)
class Released:
    """`was_there`: the version was whole before. `counts` are those of `card.counts_of`."""

    version: str
    url: StorageUrl
    counts: Mapping[str, Any]
    was_there: bool = False
    notes: Sequence[str] = field(default_factory=list)


def draft(storage: Storage, candidates: Sequence[Candidate], order: Order) -> Draft:
    """What the policy accepts and is whole in storage; nothing is written. Raises ReleaseError for a bad version."""
    if order.version is not None:
        check_version(order.version)
    chosen = [one for candidate in candidates for one in choose(candidate, order.wanted)]
    left_out = [one for one in chosen if isinstance(one, LeftOut)]
    picks = sorted((one for one in chosen if isinstance(one, Pick)), key=lambda pick: _order_of(pick))
    found = list(
        read_entries(
            storage,
            picks,
            storage_url=order.storage_url,
            dataset=order.dataset,
            with_stand_ins=order.wanted.with_stand_ins,
        )
    )
    entries = [one for one in found if isinstance(one, Entry)]
    left_out += [one for one in found if isinstance(one, LeftOut)]
    origin = _origin(order)
    cookbooks = [cookbook_of(entry, origin) for entry in entries]
    settings = [order.dataset, order.description, order.licence, order.cookbook.name, cookbooks]
    content = content_of(entries, [*settings, order.cookbook.distribution.model_dump(mode="json")])
    clips = sum(one.further is None for one in candidates)
    return Draft(order, _placed(entries), left_out, clips, content)


def release(storage: Storage, made: Draft, *, log: Callable[[str], None] = say_nothing) -> Released:
    """Writes the version, unless it is there whole, and points CURRENT at it.

    Raises NothingToRelease, VersionTaken, MissingLibrary and Changed.
    """
    if not made.entries:
        told = "; ".join(f"{count} x {reason}" for reason, count in made.reasons[:_TOLD_KINDS])
        raise NothingToRelease(f"nothing of {made.order.dataset} is accepted: {told or 'it has no clips'}")
    arrow()
    with tempfile.TemporaryDirectory(prefix="vda-release-") as temporary, ExitStack() as kept:
        writer = kept.enter_context(ReleaseWriter(storage, made.url, Path(temporary), content=made.content))
        if writer.is_there():
            counts = read_manifest(storage, made.url)["counts"]
            writer.point_here()
            return Released(made.version, made.url, counts, was_there=True)
        writer.claim()
        formats = Formats(storage, writer, Path(temporary), made.about, _origin(made.order))
        clips = _sources(made.entries)
        for number, entries in enumerate(_batches(made.entries), start=1):
            formats.add(entries)
            log(f"written: {min(number * _CLIPS_AT_ONCE, clips)} of {counted(clips, 'clip')}")
        counts = formats.finish([str(one) for one in made.own_coverage])
        writer.finish({"format_version": FORMAT_VERSION, **made.about.fields, "counts": counts})
        writer.point_here()
    return Released(made.version, made.url, counts, notes=formats.notes)


def read_manifest(storage: Storage, root: StorageUrl) -> dict[str, Any]:
    """Raises FileNotFoundError where no release is whole."""
    content: dict[str, Any] = from_json(storage.read_bytes(root / MANIFEST_FILE))
    return content


def _placed(entries: Sequence[Entry]) -> list[Entry]:
    counts = Counter(entry.pick.split for entry in entries)
    return [
        replace(entry, folder=layout.released_folder(entry.pick.candidate.clip.key))
        if counts[entry.pick.split] > layout.MOST_IN_FOLDER
        else entry
        for entry in entries
    ]


def _order_of(pick: Pick) -> tuple[str, int]:
    return pick.candidate.clip.key, pick.draw.index if pick.draw else -1


def _batches(entries: Sequence[Entry]) -> Iterator[list[list[Entry]]]:
    """Lots of clips, each with all that is released of it."""
    clips = [list(group) for _, group in groupby(entries, key=lambda one: one.pick.candidate.clip.key)]
    for first in range(0, len(clips), _CLIPS_AT_ONCE):
        yield clips[first : first + _CLIPS_AT_ONCE]


def _sources(entries: Sequence[Entry]) -> int:
    return len({one.pick.candidate.clip.key for one in entries})


def _origin(order: Order) -> Origin:
    digests = frozenset({order.cookbook.augmentation_digest, order.cookbook.auto_labeling_digest})
    return Origin(order.dataset, order.cookbook.name, digests, order.licence)
