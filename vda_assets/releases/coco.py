"""COCO annotations, of all videos and of each split: ids from 1, tight boxes, a `track_id`, and no scores.

No frame is extracted, so an image's `file_name`, `<video>/<frame, from 0>.jpg`, is where `ffmpeg -start_number 0` puts
it, and `video_id` and `frame_index` say the same in numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vda_assets.base.spool import Spool, write_document
from vda_assets.releases.boxes import Categories, Labels
from vda_assets.releases.splits import SPLITS

ALL = "annotations"


def frame_path(name: str, frame: int) -> str:
    return f"{name}/{frame:06d}.jpg"


class CocoFiles:
    """Of every split that has a video, and of all of them. Every number in one file is the same in the other."""

    def __init__(self, folder: Path, categories: Categories, info: Mapping[str, Any]) -> None:
        self._folder, self._categories, self._info = folder, categories, info
        self._spools: dict[tuple[str, str], Spool] = {}
        self._videos = self._images = self._annotations = self._tracks = 0

    def add(self, name: str, file_name: str, split: str, labels: Labels, said: Mapping[str, Any]) -> None:
        """`said` is told of the video besides."""
        shape = labels.shape
        size = {"width": shape.width, "height": shape.height}
        facts = {"fps": shape.fps, "frame_count": shape.frame_count, "split": split}
        self._videos += 1
        number = self._videos
        video = {"id": number, "name": name, "file_name": file_name, **size, **facts, **said}
        self._spool(split, "videos", video)
        for frame in range(shape.frame_count):
            self._images += 1
            image = {"id": self._images, "file_name": frame_path(name, frame), **size}
            self._spool(split, "images", image | {"video_id": number, "frame_index": frame, "split": split})
            for track, (x_min, y_min, x_max, y_max) in labels.frames.get(frame, ()):
                self._annotations += 1
                width, height = round(x_max - x_min, 3), round(y_max - y_min, 3)
                annotation = {
                    "id": self._annotations,
                    "image_id": self._images,
                    "category_id": self._categories.id_of(track.category),
                    "bbox": [x_min, y_min, width, height],
                    "area": round(width * height, 3),
                    "iscrowd": 0,
                    "track_id": self._tracks + track.number,
                }
                self._spool(split, "annotations", annotation)
        self._tracks += len(labels.tracks)

    def finish(self) -> Iterator[tuple[str, Path]]:
        """The name of each file and where it lies."""
        names = enumerate(self._categories.names, start=1)
        categories = [{"id": number, "name": one, "supercategory": ""} for number, one in names]
        for name in (ALL, *SPLITS):
            parts: dict[str, object] = {
                part: self._spools.get((name, part), []) for part in ("videos", "images", "annotations")
            }
            if parts["videos"]:
                path = self._folder / f"{name}.json"
                write_document(path, {"info": self._info, "categories": categories, **parts})
                yield path.name, path

    def _spool(self, split: str, part: str, row: Mapping[str, Any]) -> None:
        for name in (ALL, split):
            if (name, part) not in self._spools:
                self._spools[name, part] = Spool(self._folder / f"{name}.{part}.jsonl")
            self._spools[name, part].add(row)
