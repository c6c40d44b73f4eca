"""Clips as a report is told of them, and the report on them in a folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vda_assets.config.dataset import Dataset
from vda_assets.datasets.clips import key_of
from vda_assets.flows.stages import Rendered, Stage
from vda_assets.reports.facts import ClipFacts, LabelCounts, OutputFacts, Subject, Variant, verdict_of
from vda_assets.reports.places import places_of
from vda_assets.reports.summary import Summary
from vda_assets.reports.writing import Put, into_folder, write_report
from vda_assets.storage.layout import RunLayout

DATASET = Dataset(url="file:///srv/datasets/street", deployment="local")
LAYOUT = RunLayout(DATASET.storage_url, DATASET.name, "run-0a1b2c3d")
WRITTEN = "2026-11-27T12:00:00+00:00"
WEIGHTS = {"weather": {"clear": 0.5, "rain": 0.5}}


def some_clip(
    path: str = "a.mp4",
    state: str = "accepted",
    *,
    reason: str = "",
    values: Mapping[str, str] | None = None,
    objects: Mapping[str, int] | None = None,
    doubts: Sequence[str] = (),
) -> ClipFacts:
    """A clip whose augmented video came to that state, and whose other outputs are fine."""
    labels = LabelCounts(scenes=1, frames=10, frames_with_objects=5, objects=objects or {"car": 2})
    outputs = {
        Stage.ORIGINAL_LABELS: OutputFacts("accepted", at=WRITTEN, run_id=LAYOUT.run_id, labels=labels),
        Stage.AUGMENTED_VIDEOS: OutputFacts(state, reason, gpu_seconds=1800.0, cost=1.5, currency="EUR"),
        Stage.AUGMENTED_LABELS: OutputFacts("accepted"),
        Rendered.COMPARISONS: OutputFacts("made"),
    }
    comparison = LAYOUT.comparison("a_aug0")
    drawn = Variant(0, values or {"weather": "rain"}, comparison, comparison, comparison)
    return ClipFacts(
        key=key_of(path),
        path=path,
        verdict=verdict_of({output: one.state for output, one in outputs.items()}, wanted=()),
        outputs=outputs,
        variants=(drawn,),
        doubts=tuple(doubts),
        original=DATASET.dataset_url / "a.mp4",
        size_bytes=1000,
    )


@dataclass(frozen=True)
class Written:
    folder: Path
    summary: Summary

    @property
    def page(self) -> str:
        return (self.folder / "report.html").read_text()

    @property
    def document(self) -> dict[str, Any]:
        return json.loads((self.folder / "report.json").read_text())

    @property
    def table(self) -> list[dict[str, str]]:
        with (self.folder / "report.csv").open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))


def report(
    folder: Path,
    *clips: ClipFacts,
    put: Put | None = None,
    written: str = WRITTEN,
    linked: Mapping[str, str] | None = None,
    **said: Any,
) -> Written:
    """The report on these clips in the folder; `said` is what its subject says besides."""
    folder.mkdir(exist_ok=True)
    told = {"description": "", "cookbook": "city_traffic", "weights": WEIGHTS, **said}
    subject = Subject("street", str(DATASET.dataset_url), **told)
    summary = write_report(
        subject,
        [clips[:1], clips[1:]],
        put or into_folder(folder),
        places=places_of(DATASET, linked or {}, run_id="", folder=None),
        variables=["weather"],
        written=written,
    )
    return Written(folder, summary)
