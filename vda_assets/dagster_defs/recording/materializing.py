"""Judgements as Dagster events: one materialization per partition, its metadata typed and small."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from vda_assets.base.cut import cut_lines
from vda_assets.cookbooks.draw import Draw
from vda_assets.dagster_defs import names
from vda_assets.flows.comparisons import Comparison
from vda_assets.flows.stages import Stage
from vda_assets.outcomes.verdict import Judgement, parent_verdict, worst
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl


def stage_materialization(
    key: dg.AssetKey,
    partition: str,
    *,
    output_hash: str,
    layout: RunLayout,
    urls: Sequence[StorageUrl],
    judgements: Sequence[Judgement],
    draws: Sequence[Draw],
    workflow_id: str,
) -> dg.AssetMaterialization:
    """One output of one clip; with several augmentation indexes it is worth what the worst of them is."""
    metadata: dict[str, Any] = {
        names.VERDICT: dg.MetadataValue.text(worst(judgements).value),
        names.REASONS: dg.MetadataValue.text(_joined(reason for one in judgements for reason in one.reasons)),
        names.DOUBTS: dg.MetadataValue.text(_joined(doubt for one in judgements for doubt in one.doubts)),
        names.RUN_ID: dg.MetadataValue.text(layout.run_id),
        names.WORKFLOW: dg.MetadataValue.text(workflow_id),
        names.URI: dg.MetadataValue.text(str(urls[0])),
        names.STAND_IN: dg.MetadataValue.bool(any(one.stand_in for one in judgements)),
        names.SIZE_BYTES: dg.MetadataValue.int(_total(judgements, "size_bytes")),
        names.FILES: dg.MetadataValue.int(_total(judgements, "files")),
        names.SECONDS: dg.MetadataValue.float(float(sum(one.facts.get("seconds", 0.0) for one in judgements))),
    }
    if parent := parent_verdict(judgements):
        metadata[names.PARENT_VERDICT] = dg.MetadataValue.text(parent.value)
    if draws:
        metadata[names.SAMPLED_VARS] = dg.MetadataValue.json(
            {str(draw.index): dict(draw.sampled_vars) for draw in draws}
        )
    summaries = [str(one.facts["summary"]) for one in judgements if one.facts.get("summary")]
    if summaries:
        metadata[names.SUMMARY] = dg.MetadataValue.md("\n\n".join(summaries))
    return _materialization(key, partition, output_hash=output_hash, metadata=metadata)


def stage_checks(
    key: dg.AssetKey, partition: str, judgements: Sequence[Judgement], *, flagged: bool
) -> list[dg.AssetCheckEvaluation]:
    """The clip's verdict, and for augmented labels whether they say what was drawn, as checks of its partition.

    `flagged`: the dataset's policy flags the verdict, or that of the clip that is labelled.
    """
    reasons = [reason for one in judgements for reason in one.reasons]
    parent = parent_verdict(judgements)
    told = {names.PARENT_VERDICT: dg.MetadataValue.text(parent.value)} if parent else {}
    checks = [_check(key, names.VERDICT_CHECK, partition, not flagged, reasons, **told)]
    if key.path[-1] == Stage.AUGMENTED_LABELS:
        doubts = [doubt for one in judgements for doubt in one.doubts]
        checks.append(_check(key, names.LOOK_CHECK, partition, not doubts, doubts))
    return checks


def _check(
    key: dg.AssetKey, name: str, partition: str, passed: bool, reasons: Sequence[str], **told: dg.MetadataValue[Any]
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=name,
        partition=partition,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={names.REASONS: dg.MetadataValue.text(_joined(reasons)), **told},
    )


def comparison_materialization(
    key: dg.AssetKey, partition: str, *, output_hash: str, layout: RunLayout, comparisons: Sequence[Comparison]
) -> dg.AssetMaterialization:
    """The side-by-side videos of a clip, with a small picture of the first."""
    first = comparisons[0]
    picture = base64.b64encode(first.preview_jpeg).decode()
    metadata: dict[str, Any] = {
        names.RUN_ID: dg.MetadataValue.text(layout.run_id),
        names.URI: dg.MetadataValue.text(str(first.url)),
        names.FRAMES: dg.MetadataValue.int(first.video.frame_count),
        names.SIZE_BYTES: dg.MetadataValue.int(sum(one.video.size_bytes for one in comparisons)),
        names.PREVIEW: dg.MetadataValue.md(f"![source and augmented](data:image/jpeg;base64,{picture})"),
    }
    return _materialization(key, partition, output_hash=output_hash, metadata=metadata)


def reused(materialization: dg.AssetMaterialization) -> dg.AssetMaterialization:
    """A finished output logged once more: a backfill counts only what its own runs materialized."""
    return dg.AssetMaterialization(
        asset_key=materialization.asset_key,
        partition=materialization.partition,
        metadata={**materialization.metadata, names.REUSED: dg.MetadataValue.bool(True)},
        tags=materialization.tags,
    )


def _materialization(
    key: dg.AssetKey, partition: str, *, output_hash: str, metadata: Mapping[str, Any]
) -> dg.AssetMaterialization:
    tags = {names.DATA_VERSION_TAG: output_hash}
    return dg.AssetMaterialization(asset_key=key, partition=partition, metadata=metadata, tags=tags)


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(cut_lines(texts)) or "-"


def _total(judgements: Sequence[Judgement], fact: str) -> int:
    return sum(int(judgement.facts.get(fact, 0)) for judgement in judgements)
