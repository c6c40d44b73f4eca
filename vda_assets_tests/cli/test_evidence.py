"""What a run ends with: what was drawn, what the labels say, and a MEDIA line for each file that is to be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg

from vda_assets.cli.evidence import evidence
from vda_assets.flows.stages import Output, Rendered, Stage
from vda_assets.runs import names

TABLE = "| label | value |\n| --- | --- |\n| objects | 2 car |\n| Is it wet? | Yes |\n| Is it dark? | No |"


def made(
    key: str, output: Output, *media: str, reused: bool = False, **metadata: dg.MetadataValue[Any]
) -> dict[tuple[Output, str], dg.AssetMaterialization]:
    known = {names.MEDIA: dg.MetadataValue.json(list(media)), names.RUN_ID: dg.MetadataValue.text("run-0a1b2c3d")}
    if reused:
        known[names.REUSED] = dg.MetadataValue.bool(True)
    event = dg.AssetMaterialization(dg.AssetKey(output), partition=key, metadata={**known, **metadata})
    return {(output, key): event}


def of(folder: Path, name: str) -> str:
    (folder / name).touch()
    return f"file://{folder / name}"


def test_a_clip_is_told_by_its_draw_its_labels_and_its_files_the_comparison_first(tmp_path: Path) -> None:
    drawn = dg.MetadataValue.json({"0": {"weather": "rain", "time": "night"}})
    labels = dg.MetadataValue.md(f"{TABLE}\n\n{TABLE}")
    outputs = {
        **made("a.mp4", Stage.ORIGINAL_LABELS, of(tmp_path, "labels.webp"), summary=dg.MetadataValue.md(TABLE)),
        **made("a.mp4", Stage.AUGMENTED_VIDEOS, of(tmp_path, "video.mp4"), sampled_vars=drawn),
        **made("a.mp4", Stage.AUGMENTED_LABELS, f"file://{tmp_path}/deleted.webp", summary=labels, sampled_vars=drawn),
        **made("a.mp4", Rendered.COMPARISONS, of(tmp_path, "both.png"), of(tmp_path, "a.mp4")),
    }
    assert list(evidence("street", outputs)) == [
        "a.mp4",
        "  drawn for aug0: time night, weather rain",
        "  original_labels: objects 2 car; Is it wet? Yes; answered No: 1",
        "  augmented_labels of aug0: objects 2 car; Is it wet? Yes; answered No: 1",
        "  augmented_labels of aug1: objects 2 car; Is it wet? Yes; answered No: 1",
        f"MEDIA:{tmp_path}/both.png",
        f"MEDIA:{tmp_path}/a.mp4",
        f"MEDIA:{tmp_path}/video.mp4",
        f"MEDIA:{tmp_path}/labels.webp",
    ]


def test_of_many_clips_the_first_new_ones_are_told_and_a_command_names_the_others() -> None:
    outputs = {}
    for number in range(8):
        outputs |= made(f"{number}.mp4", Stage.ORIGINAL_LABELS, reused=number < 5)
    assert list(evidence("street", outputs)) == [
        *("5.mp4", "6.mp4", "7.mp4", "0.mp4", "1.mp4"),
        "… and 3 more clips: `vda report --dataset street` shows all of them",
    ]


def test_what_lies_in_an_object_store_is_brought_by_a_command() -> None:
    outputs = {}
    for key in ("a.mp4", "b.mp4"):
        outputs |= made(key, Rendered.COMPARISONS, f"s3://bucket/{key}")
    assert list(evidence("street", outputs)) == [
        *("a.mp4", "b.mp4"),
        "`vda mirror --dataset street --run-id run-0a1b2c3d` brings videos and pictures here",
    ]
