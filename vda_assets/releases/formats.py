"""All formats of a release at once: each label scene is read a single time, and what it gives goes to every format."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vda_assets.base.counted import counted
from vda_assets.base.parallel import in_order
from vda_assets.base.spool import Spool
from vda_assets.labels.errors import LabelError
from vda_assets.media.errors import MediaError
from vda_assets.media.probe import ClipInfo, probe
from vda_assets.outcomes.labels import local_scene
from vda_assets.outcomes.marker import UNREADABLE, OutputMissing
from vda_assets.releases import layout
from vda_assets.releases.boxes import Categories, Labels, read_labels
from vda_assets.releases.card import About, card, counts_of, croissant
from vda_assets.releases.coco import CocoFiles
from vda_assets.releases.consistency import compare
from vda_assets.releases.entries import Entry, Outputs, augmentation_of, outputs_of
from vda_assets.releases.errors import Changed
from vda_assets.releases.rows import Origin, row_of, write_parquet
from vda_assets.releases.sft import sft_row
from vda_assets.releases.tao import ReasoningFiles
from vda_assets.releases.tracks import cvat_file, mot_files, yolo_data, yolo_files
from vda_assets.releases.writing import ReleaseWriter, sha256_of
from vda_assets.storage.access import Storage

_READS_AT_ONCE = 8


@dataclass(frozen=True)
class _Local:
    """What was brought here of an entry."""

    entry: Entry
    outputs: Outputs
    scene: Path
    augmentation: Mapping[str, Any]


class Formats:
    """Takes entries clip by clip, in the order of their names: ids follow from it."""

    def __init__(self, storage: Storage, writer: ReleaseWriter, folder: Path, about: About, origin: Origin) -> None:
        self._storage, self._writer, self._about, self._origin = storage, writer, about, origin
        self._folders = {name: folder / name for name in ("coco", "tao", "files")}
        for path in self._folders.values():
            path.mkdir()
        self._categories = Categories()
        self._coco = CocoFiles(self._folders["coco"], self._categories, about.fields)
        self._reasoning = ReasoningFiles(self._folders["tao"], description=about.mark, licence=about.licence_text)
        files = self._folders["files"]
        self._rows = Spool(files / layout.METADATA_JSONL)
        self._sft, self._sft_dropped = Spool(files / layout.SFT_FILE), Spool(files / layout.SFT_DROPPED_FILE)
        self.notes: list[str] = []

    def add(self, clips: Sequence[Sequence[Entry]]) -> None:
        """Writes all that is written of these clips alone. Raises Changed."""
        entries = [entry for clip in clips for entry in clip]
        try:
            read = in_order(lambda entry: outputs_of(self._storage, entry), entries, threads=_READS_AT_ONCE)
            outputs = {entry.name: one for entry, one in zip(entries, read, strict=True)}
            self._writer.copy(copy for entry in entries for copy in _copies(entry, outputs[entry.name]))
            self._add_clips(clips, entries, outputs)
        except (OutputMissing, LabelError, MediaError, *UNREADABLE) as error:
            raise Changed(f"something was replaced while it was released; run the same again: {error}") from error

    def _add_clips(
        self, clips: Sequence[Sequence[Entry]], entries: Sequence[Entry], outputs: Mapping[str, Outputs]
    ) -> None:
        with ExitStack() as kept:

            def bring(entry: Entry) -> _Local:
                made = outputs[entry.name]
                scene = kept.enter_context(local_scene(self._storage, entry.scene, made.labels))
                return _Local(entry, made, scene, augmentation_of(self._storage, entry, made))

            local = {one.entry.name: one for one in in_order(bring, entries, threads=_READS_AT_ONCE)}
            for clip in clips:
                original: Labels | None = None
                for entry in clip:
                    labels = self._add(local[entry.name], original)
                    original = original if entry.generated else labels
        with self._reasoning.conversations() as conversations:
            self._writer.upload(conversations)

    def finish(self, covered: Sequence[str]) -> dict[str, Any]:
        """Writes what is told of all videos together. Returns their counts, as of `card.counts_of`."""
        about, folder = self._about, self._folders["files"]
        self._writer.upload((f"{layout.COCO}/{name}", path) for name, path in self._coco.finish())
        shutil.rmtree(self._folders["coco"])
        self._writer.upload(self._reasoning.finish())
        if self._reasoning.skipped:
            self.notes.append(f"nvidia-tao-daft could not convert {counted(self._reasoning.skipped, 'question')}")
        counts = counts_of(self._rows)
        splits = {split for split, count in counts["splits"].items() if count}
        said = {"description": about.mark, "licence": about.licence_text}
        self._write_splits(folder, splits, said)
        parquet = folder / layout.METADATA_PARQUET
        write_parquet(self._rows, parquet, said)
        files = [spool.path for spool in (self._rows, self._sft, self._sft_dropped)]
        self._writer.upload((path.name, path) for path in (*files, parquet))
        digest = sha256_of(self._rows.path)
        self._writer.put(
            [
                (f"{layout.YOLO}/data.yaml", yolo_data(splits, self._categories, about.mark)),
                (f"{layout.MOT}/labels.txt", "".join(f"{name}\n" for name in self._categories.names)),
                (layout.CARD_FILE, card(about, counts, covered, len(self._sft_dropped))),
                (layout.CROISSANT_FILE, croissant(about, next(iter(self._rows)), digest)),
            ]
        )
        return counts

    def _add(self, local: _Local, original: Labels | None) -> Labels:
        entry = local.entry
        labels = read_labels(local.scene, probe=lambda: self._probe(entry))
        consistency = compare(original, labels) if entry.generated else None
        row = row_of(entry, local.outputs, labels, consistency, local.augmentation, self._origin)
        name, split = entry.name, entry.pick.split
        said = {"generated": entry.generated, "stand_in": entry.stand_in, "licence": self._origin.licence_text}
        self._coco.add(name, entry.file_name, split, labels, said)
        self._reasoning.add(name, split, local.scene, raw=entry.raw.path, file_name=entry.file_name, tags=_tags(entry))
        self._writer.put(self._texts(entry, labels))
        self._rows.add(row)
        self._add_sft(row, row["prompt"] or " ".join(labels.captions))
        return labels

    def _add_sft(self, row: Mapping[str, Any], caption: str) -> None:
        said = {name: row[name] for name in ("split", "generated", "stand_in", "licence")}
        try:
            self._sft.add(sft_row(row, caption) | said)
        except ValueError as reason:
            about = {"uuid": row["name"], "vision_path": row["file_name"], "reason": str(reason)}
            self._sft_dropped.add(about | said)

    def _texts(self, entry: Entry, labels: Labels) -> Iterator[tuple[str, str]]:
        yield from mot_files(entry.name, labels, self._categories, tags=_tags(entry))
        yield from yolo_files(entry.name, entry.pick.split, labels, self._categories)
        yield cvat_file(entry.name, entry.file_name, labels, self._about.mark)

    def _write_splits(self, folder: Path, splits: set[str], said: Mapping[str, str]) -> None:
        """The rows of each split beside its videos: VideoFolder gives a file's rows to every split that it is listed
        in, whichever videos they name. In JSON a column that is null in one split would have another type there."""
        for split in sorted(splits):
            place = f"{layout.VIDEOS}/{split}/"
            rows = (
                row | {"file_name": row["file_name"].removeprefix(place)} for row in self._rows if row["split"] == split
            )
            path = folder / f"{split}.parquet"
            write_parquet(rows, path, said)
            self._writer.upload([(f"{place}{layout.METADATA_PARQUET}", path)])

    def _probe(self, entry: Entry) -> ClipInfo:
        with self._storage.reading(entry.video) as file:
            return probe(file, name=str(entry.video))


def _tags(entry: Entry) -> list[str]:
    """Its marks, for formats that have tags."""
    marks = {"ai-generated": entry.generated, "stand-in": entry.stand_in}
    return [mark for mark, holds in marks.items() if holds]


def _copies(entry: Entry, outputs: Outputs) -> Iterator[tuple[Any, str, str]]:
    """The video, and the label scene as it was made, its clip among it."""
    yield entry.video, entry.file_name, entry.raw.sha256
    for file in outputs.labels.files:
        yield entry.scene / file.path, f"{layout.DAFT}/{entry.name}/{file.path}", file.sha256
