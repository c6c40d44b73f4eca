"""A dataset's release: what Dagster's books know of its clips, for the room of releases, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.config.dataset import Dataset
from vda_assets.datasets.clips import Clip, clip_key
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import attempt_of
from vda_assets.project import Scope
from vda_assets.releases.candidates import UNMADE, Candidate, Made
from vda_assets.releases.choosing import Wanted
from vda_assets.releases.release import Order, Released
from vda_assets.runs.names import IMAGE, PARTS, RUN_ID, SAMPLED_VARS, STAND_IN, URI, WORKFLOW, asset_key
from vda_assets.runs.recording.finished import newest_materializations, text_of
from vda_assets.runs.standing import OutputBooks, Stand, Word, further_in_books

RELEASE = "release"


def candidates(instance: dg.DagsterInstance, scope: Scope, clips: Sequence[Clip]) -> list[Candidate]:
    """All clips, and their further augmentations, with the newest word on each output: a few queries for all of them.

    A further augmentation whose index is among those that the clip itself was made with is none any more.
    """
    further = further_in_books(instance, scope.dataset, clips)
    keys = [clip.key for clip in (*clips, *further)]
    made: dict[str, dict[Stage, Made]] = {key: {} for key in keys}
    for stage in Stage:
        books = OutputBooks(instance, scope.dataset, stage)
        words = {key: books.word(key) for key in keys}
        there = [key for key, word in words.items() if word.stand is Stand.MADE]
        with interrupts_delayed():
            newest = newest_materializations(instance, asset_key(scope.dataset, stage), there)
        for key, word in words.items():
            made[key][stage] = _made(word, newest.get(key))
    of_clips = {clip.key: Candidate(clip, made[clip.key]) for clip in clips}
    found = [*of_clips.values()]
    for one in further:
        own = of_clips[clip_key(one.key)]
        if str(one.further) not in own.of(Stage.AUGMENTED_VIDEOS).sampled_vars:
            found.append(Candidate(own.clip, made[one.key], one.further))
    return found


def order_of(scope: Scope, wanted: Wanted, version: str | None) -> Order:
    dataset = scope.dataset
    return Order(
        dataset=dataset.name,
        storage_url=dataset.storage_url,
        cookbook=scope.cookbook,
        wanted=wanted,
        description=dataset.description,
        licence=dataset.licence,
        version=version,
    )


def release_metadata(released: Released) -> dict[str, Any]:
    """What the materialization of a release says: its version, where it lies, and how much of what is in it."""
    counts = released.counts
    metadata: dict[str, Any] = {
        "version": dg.MetadataValue.text(released.version),
        URI: dg.MetadataValue.text(str(released.url)),
        "splits": dg.MetadataValue.json(counts["splits"]),
        "lineage": dg.MetadataValue.json(counts["lineage"]),
        "consistency": dg.MetadataValue.json(counts["consistency"]),
    }
    numbers = ("videos", "original", "augmented", "sources", "stand_ins", "boxes", "tracks", "questions")
    metadata |= {name: dg.MetadataValue.int(counts[name]) for name in numbers}
    if released.notes:
        metadata["notes"] = dg.MetadataValue.text("; ".join(released.notes))
    return metadata


def record_release(instance: dg.DagsterInstance, dataset: Dataset, released: Released) -> None:
    """In Dagster's books, of a release that no run of Dagster made."""
    with interrupts_delayed():
        instance.report_runless_asset_event(
            dg.AssetMaterialization(asset_key(dataset, RELEASE), metadata=release_metadata(released))
        )


def _made(word: Word, materialization: dg.AssetMaterialization | None) -> Made:
    if materialization is None:
        return Made(word.said) if word.stand is not Stand.MADE else UNMADE
    stand_in = materialization.metadata.get(STAND_IN)
    return Made(
        said=word.made.verdict or str(word.stand),
        is_made=True,
        parent=word.made.parent,
        has_doubts=word.made.has_doubts,
        stand_in=bool(stand_in and stand_in.value),
        run_id=text_of(materialization, RUN_ID),
        workflow=text_of(materialization, WORKFLOW),
        image=text_of(materialization, IMAGE),
        attempt=attempt_of(word.made.output_hash),
        made_from=_mapping(materialization, PARTS),
        sampled_vars=_mapping(materialization, SAMPLED_VARS),
    )


def _mapping(materialization: dg.AssetMaterialization, name: str) -> Mapping[str, Any]:
    value = materialization.metadata.get(name)
    content: Any = value.value if value is not None else None
    return content if isinstance(content, Mapping) else {}
