"""`metadata.jsonl` and `metadata.parquet`: one row for each video, in the layout of Hugging Face's VideoFolder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vda_assets.base.cut import cut
from vda_assets.outcomes.gates import hallucination_score
from vda_assets.releases.boxes import Labels
from vda_assets.releases.consistency import Consistency
from vda_assets.releases.entries import Entry, Outputs
from vda_assets.releases.errors import MissingLibrary

if TYPE_CHECKING:
    import pyarrow as pa

NOT_STATED = "not stated"
# IPTC's words for where pictures come from, which readers of such marks know.
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
AI_EDITED, ALGORITHM = f"{_SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia", f"{_SOURCE_TYPES}algorithmicallyEnhanced"
_PROMPT_CHARACTERS = 4000
_ROWS_AT_ONCE = 2000
_INTEGERS = (
    "size_bytes", "width", "height", "frame_count", "augmentation_index", "attempt", "prompt_seed", "generation_seed",
    "boxes", "tracks", "questions",
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """What is said of all videos: whose they are and what made them."""

    dataset: str
    cookbook: str
    cookbook_digests: frozenset[str]
    licence: str | None

    @property
    def licence_text(self) -> str:
        return self.licence or NOT_STATED


def row_of(
    entry: Entry,
    outputs: Outputs,
    labels: Labels,
    consistency: Consistency | None,
    augmentation: Mapping[str, Any],
    origin: Origin,
) -> dict[str, Any]:
    """`augmentation` is the metadata that the container left beside an augmented video, empty for an original."""
    pick, clip, draw = entry.pick, entry.pick.candidate.clip, entry.pick.draw
    video, marker = pick.video, outputs.video
    return {
        "file_name": entry.file_name,
        "name": entry.name,
        "split": pick.split,
        "generated": entry.generated,
        "stand_in": entry.stand_in,
        "enhanced": labels.enhanced,
        "digital_source_type": _source_type(entry, labels),
        "licence": origin.licence_text,
        "dataset": origin.dataset,
        "source_key": clip.key,
        "source_url": str(clip.url),
        "source_version": clip.version,
        "sha256": entry.raw.sha256,
        "size_bytes": entry.raw.size_bytes,
        "width": labels.shape.width,
        "height": labels.shape.height,
        "fps": labels.shape.fps,
        "frame_count": labels.shape.frame_count,
        "verdict": video.said if video else None,
        "labels_verdict": pick.labels.said,
        "hallucination_score": hallucination_score(augmentation),
        "augmentation_index": draw.index if draw else None,
        "attempt": draw.attempt if draw else None,
        "variables": _pairs(draw.sampled_vars if draw else {}, "value"),
        "prompt_seed": draw.prompt_seed if draw else None,
        "generation_seed": draw.generation_seed if draw else None,
        "prompt": _text(augmentation.get("prompt")),
        "cookbook": cookbook_of(entry, origin),
        "augmentation_image": (video.image or (marker.image if marker else None)) if video else None,
        "augmentation_models": _pairs(marker.models if marker else {}, "revision"),
        "augmentation_run": video.run_id if video else None,
        "augmentation_workflow": video.workflow if video else None,
        "labels_image": pick.labels.image or outputs.labels.image,
        "labels_models": _pairs(outputs.labels.models, "revision"),
        "labels_run": pick.labels.run_id,
        "labels_workflow": pick.labels.workflow,
        "boxes": sum(map(len, labels.frames.values())),
        "tracks": len(labels.tracks),
        "questions": labels.questions,
        "consistency": consistency.row if consistency else None,
    }


def schema() -> Any:
    """The types of a row's columns. Raises MissingLibrary."""
    pa = arrow()
    types = dict.fromkeys(COLUMNS, pa.string())
    types |= dict.fromkeys(_INTEGERS, pa.int64()) | dict.fromkeys(("fps", "hallucination_score"), pa.float64())
    types |= dict.fromkeys(("generated", "stand_in", "enhanced"), pa.bool_())
    types["variables"] = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
    models = pa.list_(pa.struct([("name", pa.string()), ("revision", pa.string())]))
    types |= {"augmentation_models": models, "labels_models": models}
    counts = [(name, pa.int64()) for name in ("original_tracks", "augmented_tracks", "matched", "same_id")]
    types["consistency"] = pa.struct([("verdict", pa.string()), *counts, ("mean_iou", pa.float64())])
    return pa.schema(list(types.items()))


def write_parquet(rows: Iterable[Mapping[str, Any]], path: Path, said: Mapping[str, str]) -> None:
    """`said` stands in the file's own metadata. Raises MissingLibrary."""
    pa = arrow()
    import pyarrow.parquet as pq

    left, types = iter(rows), schema().with_metadata(dict(said))
    with pq.ParquetWriter(path, types, compression="zstd") as writer:
        while lot := list(islice(left, _ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(lot, schema=types))


def arrow() -> pa:
    """The library. Raises MissingLibrary that says how to get it."""
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingLibrary("metadata.parquet needs pyarrow: pip install 'vda-assets[release]'") from None
    return pa


def _source_type(entry: Entry, labels: Labels) -> str | None:
    """None for an original as it was uploaded, of which nothing is known."""
    if entry.generated and not entry.stand_in:
        return AI_EDITED
    return ALGORITHM if entry.generated or labels.enhanced else None


def _pairs(mapping: Mapping[str, str], value: str) -> list[dict[str, str]]:
    """The keys differ from dataset to dataset, and columns do not."""
    return [{"name": name, value: text} for name, text in mapping.items()]


def _text(value: object) -> str | None:
    return cut(value, characters=_PROMPT_CHARACTERS) if isinstance(value, str) and value.strip() else None


def cookbook_of(entry: Entry, origin: Origin) -> str:
    """Its name while it is what the output was made with, otherwise the beginning of its hash."""
    made = entry.pick.video or entry.pick.labels
    digest = made.made_from.get("cookbook", "")
    is_todays = not digest or any(known.startswith(digest) for known in origin.cookbook_digests)
    return origin.cookbook if is_todays else f"an earlier one, {digest}"


COLUMNS = (
    "file_name", "name", "split", "generated", "stand_in", "enhanced", "digital_source_type", "licence", "dataset",
    "source_key", "source_url", "source_version", "sha256", "size_bytes", "width", "height", "fps", "frame_count",
    "verdict", "labels_verdict", "hallucination_score", "augmentation_index", "attempt", "variables", "prompt_seed",
    "generation_seed", "prompt", "cookbook", "augmentation_image", "augmentation_models", "augmentation_run",
    "augmentation_workflow", "labels_image", "labels_models", "labels_run", "labels_workflow", "boxes", "tracks",
    "questions", "consistency",
)  # fmt: skip
