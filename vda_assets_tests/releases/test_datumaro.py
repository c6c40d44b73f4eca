"""CVAT's video XML and MOT are read by Datumaro, the library of CVAT's makers, and have the boxes of the label scenes.

CVAT publishes no schema of its XML; what its own importer refuses is what counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vda_assets_tests.releases.test_formats import Boxes, boxes, released, rounded, rows_of

datumaro = pytest.importorskip("datumaro", reason="`make .venv/dev` installs it without what it requires")
__all__ = ["boxes", "released"]


def read(path: Path, form: str, *, of_frame_0: int) -> dict[int, list[tuple[str, float, float, float, float]]]:
    """Frame, from 0 -> boxes. CVAT's are there in the frame after the last too, as `outside`."""
    dataset = datumaro.Dataset.import_from(str(path), form)
    names = [one.name for one in dataset.categories()[datumaro.AnnotationType.label]]
    found: dict[int, Any] = {}
    for item in dataset:
        frame = int(item.id.rpartition("_")[2]) - of_frame_0
        many = [(names[one.label], *one.points) for one in item.annotations if not one.attributes.get("outside")]
        if many:
            found[frame] = many
    return found


def test_cvat_s_video_xml_has_the_boxes(released: Path, boxes: Boxes) -> None:
    found = {path.stem: read(path, "cvat", of_frame_0=0) for path in (released / "labels/cvat").glob("*.xml")}
    last = {row["name"]: row["frame_count"] for row in rows_of(released)}
    shown = {video: {frame: many for frame, many in of.items() if frame < last[video]} for video, of in found.items()}
    assert rounded(shown) == rounded(boxes)


def test_mot_has_the_boxes_and_the_names_of_their_classes(released: Path, boxes: Boxes) -> None:
    found = {
        path.name: read(path, "mot_seq", of_frame_0=1) for path in (released / "labels/mot").iterdir() if path.is_dir()
    }
    assert rounded(found) == rounded(boxes)
