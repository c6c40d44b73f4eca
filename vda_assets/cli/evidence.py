"""What a run made, to be looked at: what was drawn for a clip, what its labels say, and its videos and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from vda_assets.base.counted import counted
from vda_assets.base.cut import cut
from vda_assets.flows.stages import Output, Rendered, Stage
from vda_assets.labels.summarise import lines_of
from vda_assets.runs.names import MEDIA, REUSED, RUN_ID, SAMPLED_VARS, SUMMARY
from vda_assets.runs.recording.finished import text_of
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

# A person looks at a few clips; all of them are in a report.
_CLIPS = 5
_IN_ORDER: tuple[Output, ...] = (
    Rendered.COMPARISONS,
    Stage.AUGMENTED_VIDEOS,
    Stage.ORIGINAL_LABELS,
    Stage.AUGMENTED_LABELS,
)
Made = Mapping[tuple[Output, str], dg.AssetMaterialization]


def evidence(dataset_name: str, made: Made) -> Iterator[str]:
    """Lines on the first clips, new ones before those that were finished; `MEDIA:<absolute path>` is one file. Of what
    lies in an object store, the command that brings it here."""
    unkept = {key for (_, key), one in made.items() if text_of(one, REUSED) != "True"}
    keys = sorted({key for _, key in made}, key=lambda key: (key not in unkept, key))
    elsewhere: dict[str, None] = {}
    for key in keys[:_CLIPS]:
        outputs = {output: made[output, key] for output in _IN_ORDER if (output, key) in made}
        yield key
        yield from (f"  {line}" for line in _said(outputs))
        for one in outputs.values():
            for url in map(StorageUrl.parse, _json_of(one, MEDIA) or ()):
                if url.scheme != FILE_SCHEME:
                    elsewhere[text_of(one, RUN_ID)] = None
                elif Path("/", url.key).is_file():
                    yield f"MEDIA:/{url.key}"
    for run_id in elsewhere:
        yield f"`vda mirror --dataset {dataset_name} --run-id {run_id}` brings videos and pictures here"
    if len(keys) > _CLIPS:
        left = counted(len(keys) - _CLIPS, "more clip")
        yield f"… and {left}: `vda report --dataset {dataset_name}` shows all of them"


def _said(outputs: Mapping[Output, dg.AssetMaterialization]) -> Iterator[str]:
    """What was drawn, once, and each label scene in a line."""
    drawn: dict[str, dict[str, str]] = next(
        (found for one in outputs.values() if (found := _json_of(one, SAMPLED_VARS))), {}
    )
    for index, values in drawn.items():
        yield f"drawn for aug{index}: {cut(', '.join(f'{name} {value}' for name, value in sorted(values.items())))}"
    indexes = dict(enumerate(drawn))
    for stage in (Stage.ORIGINAL_LABELS, Stage.AUGMENTED_LABELS):
        if stage in outputs:
            for number, line in enumerate(lines_of(text_of(outputs[stage], SUMMARY))):
                index = indexes.get(number, str(number))
                yield f"{stage}{f' of aug{index}' if stage.row.per_index else ''}: {cut(line)}"


def _json_of(materialization: dg.AssetMaterialization, name: str) -> Any:
    value = materialization.metadata.get(name)
    return value.value if value is not None else None
