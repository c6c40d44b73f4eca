"""Judgements as Dagster events: one materialization per partition, its metadata typed and small."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import dagster as dg

from vda_assets.base.cut import cut, cut_lines
from vda_assets.config.deployment import Price
from vda_assets.dispatch.accounting import Usage
from vda_assets.flows.comparisons import Comparison
from vda_assets.flows.planning import Item
from vda_assets.flows.stages import Leaves, Output, Rendered, Stage
from vda_assets.outcomes.looks import LOOK
from vda_assets.outcomes.verdict import Judgement, parent_verdict, worst
from vda_assets.runs import names
from vda_assets.runs.private import DATA_VERSION_TAG
from vda_assets.runs.recording.tries import FailedTry
from vda_assets.runs.recording.versions import OutputVersion
from vda_assets.storage.layout import AUGMENTED_VIDEO_FILE, RunLayout
from vda_assets.storage.url import StorageUrl

_INLINE_CHARACTERS = 1000
_HASH, _HASH_DIGITS = re.compile("[0-9a-f]{64}"), 12


def stage_materialization(
    key: dg.AssetKey,
    item: Item,
    stage: Stage,
    *,
    layout: RunLayout,
    urls: Sequence[StorageUrl],
    judgements: Sequence[Judgement],
    workflow_id: str,
    made_with: Mapping[str, str],
    taken: Mapping[str, dg.MetadataValue[Any]],
    link: Callable[[StorageUrl], str | None],
) -> dg.AssetMaterialization:
    """One output of one clip; with several augmentation indexes it is worth what the worst of them is.

    `taken` is what `usage_metadata` says; `link` says where a browser finds an object, if it can.
    """
    videos = [url / AUGMENTED_VIDEO_FILE for url in urls] if stage.row.leaves is Leaves.VIDEO else []
    looks = [StorageUrl.parse(str(one.facts[LOOK])) for one in judgements if LOOK in one.facts]
    metadata = _to_look_at(stage.replace("_", " "), videos, looks, link=link)
    metadata[names.VERDICT] = dg.MetadataValue.text(worst(judgements).value)
    reasons = {
        names.REASONS: [reason for one in judgements for reason in one.reasons],
        names.DOUBTS: [doubt for one in judgements for doubt in one.doubts],
    }
    metadata |= {name: dg.MetadataValue.text("; ".join(cut_lines(said))) for name, said in reasons.items() if said}
    metadata |= {
        names.RUN_ID: dg.MetadataValue.text(layout.run_id),
        names.WORKFLOW: dg.MetadataValue.text(workflow_id),
        names.URI: dg.MetadataValue.text(str(urls[0])),
        names.MEDIA: dg.MetadataValue.json([str(one) for one in (*videos, *looks)]),
        names.STAND_IN: dg.MetadataValue.bool(any(one.stand_in for one in judgements)),
        names.SIZE_BYTES: dg.MetadataValue.int(_total(judgements, "size_bytes")),
        names.FILES: dg.MetadataValue.int(_total(judgements, "files")),
        names.SECONDS: dg.MetadataValue.float(float(sum(one.facts.get("seconds", 0.0) for one in judgements))),
    }
    metadata |= {name: dg.MetadataValue.text(text) for name, text in made_with.items()}
    metadata |= taken
    if parent := parent_verdict(judgements):
        metadata[names.PARENT_VERDICT] = dg.MetadataValue.text(parent.value)
    if any(one.facts.get("variable_frame_rate") for one in judgements):
        metadata[names.VARIABLE_RATE] = dg.MetadataValue.bool(True)
    if stage is Stage.AUGMENTED_VIDEOS and item.attempt > 1:
        metadata[names.ATTEMPTS] = dg.MetadataValue.int(item.attempt)
    if stage.row.per_index:
        metadata[names.SAMPLED_VARS] = dg.MetadataValue.json(
            {str(draw.index): dict(draw.sampled_vars) for draw in item.draws}
        )
    summaries = [str(one.facts["summary"]) for one in judgements if one.facts.get("summary")]
    if summaries:
        metadata[names.SUMMARY] = dg.MetadataValue.md("\n\n".join(summaries))
    counts = [one.facts["label_counts"] for one in judgements if "label_counts" in one.facts]
    if counts:
        metadata[names.LABEL_COUNTS] = dg.MetadataValue.json(counts)
    return _materialization(key, item, stage, metadata, judgements)


def comparison_materialization(
    key: dg.AssetKey,
    item: Item,
    *,
    layout: RunLayout,
    comparisons: Sequence[Comparison],
    link: Callable[[StorageUrl], str | None],
) -> dg.AssetMaterialization:
    """The side-by-side videos of a clip, with a small picture of the first; where none could be encoded, a picture.

    `link` says where a browser finds an object, if it can.
    """
    first = comparisons[0]
    looks = [first.animation] if first.animation else []
    metadata = _to_look_at("original and augmented", [one.url for one in comparisons], looks, link=link)
    if names.LOOK not in metadata:
        picture = base64.b64encode(first.preview_jpeg).decode()
        preview = dg.MetadataValue.md(f"![source and augmented](data:image/jpeg;base64,{picture})")
        metadata = {names.PREVIEW: preview, **metadata}
    metadata |= {
        names.RUN_ID: dg.MetadataValue.text(layout.run_id),
        names.URI: dg.MetadataValue.text(str(first.url)),
        names.MEDIA: dg.MetadataValue.json([str(url) for one in comparisons for url in one.media]),
        names.SIZE_BYTES: dg.MetadataValue.int(sum(one.size_bytes for one in comparisons)),
    }
    if first.video:
        metadata[names.FRAMES] = dg.MetadataValue.int(first.video.frame_count)
    if problems := [f"{one.problem}; the clips: {one.source} {one.augmented}" for one in comparisons if one.problem]:
        metadata[names.REASONS] = dg.MetadataValue.text("; ".join(problems))
    return _materialization(key, item, Rendered.COMPARISONS, metadata)


def _to_look_at(
    what: str, videos: Sequence[StorageUrl], looks: Sequence[StorageUrl], *, link: Callable[[StorageUrl], str | None]
) -> dict[str, Any]:
    """What of an output a person looks at: first in the metadata, so that it stands first on the page.

    A moving picture opens the video of the same index. Dagster 1.13 puts markdown of 1,000 characters a click away:
    pictures whose links are too long for that are left out.
    """
    metadata: dict[str, Any] = {}
    shown = ""
    for picture, video in zip_longest(looks, videos):
        at, opened = (link(url) if url else None for url in (picture, video))
        if at:
            more = f"![{what}]({at})"
            more = f"{shown}[{more}]({opened})\n" if opened else f"{shown}{more}\n"
            shown = more if len(more) < _INLINE_CHARACTERS else shown
    if shown:
        metadata[names.LOOK] = dg.MetadataValue.md(shown.rstrip())
    if videos and (played := link(videos[0])):
        metadata[names.VIDEO] = dg.MetadataValue.url(played)
    return metadata


def usage_metadata(usage: Usage, price: Price | None) -> dict[str, dg.MetadataValue[Any]]:
    """What a stage took, as numbers that plot, and what that cost; what is not known is left out."""
    seconds = {
        names.GPU_SECONDS: usage.gpu_seconds,
        names.QUEUE_SECONDS: usage.queue_seconds,
        names.RUN_SECONDS: usage.run_seconds,
    }
    metadata: dict[str, dg.MetadataValue[Any]] = {
        name: dg.MetadataValue.float(round(float(taken), 3)) for name, taken in seconds.items() if taken is not None
    }
    if usage.tries is not None:
        metadata[names.TRIES] = dg.MetadataValue.int(usage.tries)
    if price and usage.gpu_seconds is not None:
        metadata[names.COST] = dg.MetadataValue.float(round(price.of(usage.gpu_seconds), 6))
        metadata[names.CURRENCY] = dg.MetadataValue.text(price.currency)
    return metadata


def failure_observation(
    key: dg.AssetKey, partition: str, *, reason: str, failed: FailedTry, taken: Mapping[str, dg.MetadataValue[Any]]
) -> dg.AssetObservation:
    """Why an output of a clip could not be made, and what trying took; it stands on the partition's page."""
    metadata = {
        names.FAILURE: dg.MetadataValue.text(cut(reason)),
        names.FAILED_ALIKE: dg.MetadataValue.int(failed.tries),
        **taken,
    }
    return dg.AssetObservation(key, partition=partition, metadata=metadata, tags={DATA_VERSION_TAG: str(failed)})


def rejected_attempt(tried: dg.AssetMaterialization) -> dg.AssetObservation:
    """What another attempt left, of which it is not the best: it stays where it is, and on the partition's page."""
    return dg.AssetObservation(tried.asset_key, partition=tried.partition, metadata=tried.metadata)


def still_taken(materialization: dg.AssetMaterialization, *, attempts: int) -> dg.AssetMaterialization:
    """A former attempt logged once more, now that there are so many and none is better."""
    again = reused(materialization)
    return again._replace(metadata={**again.metadata, names.ATTEMPTS: dg.MetadataValue.int(attempts)})


def reused(materialization: dg.AssetMaterialization) -> dg.AssetMaterialization:
    """A finished output logged once more: a backfill counts only what its own runs materialized."""
    return dg.AssetMaterialization(
        asset_key=materialization.asset_key,
        partition=materialization.partition,
        metadata={**materialization.metadata, names.REUSED: dg.MetadataValue.bool(True)},
        tags=materialization.tags,
    )


def shown_parts(parts: Mapping[str, str]) -> dict[str, str]:
    """What decides an output, short enough to be read: hashes by their beginnings."""
    return {name: part[:_HASH_DIGITS] if _HASH.fullmatch(part) else part for name, part in parts.items()}


def _materialization(
    key: dg.AssetKey,
    item: Item,
    output: Output,
    metadata: Mapping[str, Any],
    judgements: Sequence[Judgement] = (),
) -> dg.AssetMaterialization:
    version = OutputVersion(
        item.output_hashes[output],
        verdict=worst(judgements) if judgements else "",
        parent=parent_verdict(judgements) or "",
        has_doubts=any(one.doubts for one in judgements),
    )
    return dg.AssetMaterialization(
        asset_key=key,
        partition=item.clip.key,
        metadata={**metadata, names.PARTS: dg.MetadataValue.json(shown_parts(item.parts[output]))},
        tags={DATA_VERSION_TAG: str(version)},
    )


def _total(judgements: Sequence[Judgement], fact: str) -> int:
    return sum(int(judgement.facts.get(fact, 0)) for judgement in judgements)
