"""Writes a report: clips are read once, a lot at a time, and wait on this machine's disk until all are counted."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vda_assets.reports.documents import clip_document, columns, head_document, json_lines, row_of
from vda_assets.reports.facts import ClipFacts, Subject
from vda_assets.reports.page import page_pieces, row_text
from vda_assets.reports.places import Places
from vda_assets.reports.summary import Summary
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import REPORT_PAGE
from vda_assets.storage.local_files import part_of
from vda_assets.storage.url import StorageUrl

REPORT_JSON, REPORT_CSV = "report.json", "report.csv"
# Where a file of the report is put, whole or not at all: its name, and what it is to hold.
Put = Callable[[str, Path], None]


def into_storage(storage: Storage, url: StorageUrl) -> Put:
    return lambda name, source: storage.upload(source, url / name)


def into_folder(folder: Path) -> Put:
    def put(name: str, source: Path) -> None:
        with part_of(str(folder / name)) as part:
            shutil.copyfile(source, part)

    return put


def write_report(
    subject: Subject,
    lots: Iterable[Sequence[ClipFacts]],
    put: Put,
    *,
    places: Places,
    variables: Sequence[str],
    written: str,
) -> Summary:
    """Puts `report.csv`, `report.json` and, last, the page. `variables` are the columns of what was drawn; `written` is
    the one thing that differs between two reports on the same facts."""
    summary = Summary()
    with tempfile.TemporaryDirectory(prefix="vda-report-") as folder:
        waiting = _Waiting(Path(folder))
        with waiting.writing(variables) as writing:
            for lot in lots:
                for clip in lot:
                    summary.add(clip)
                    writing.add(clip, variables, places)
        head = head_document(subject, summary, written=written)
        _write(waiting.folder / REPORT_JSON, json_lines(head, waiting.documents()))
        pieces = page_pieces(subject, summary, waiting.rows(), places=places, written=written)
        _write(waiting.folder / REPORT_PAGE, pieces)
        for name in (REPORT_CSV, REPORT_JSON, REPORT_PAGE):
            put(name, waiting.folder / name)
    return summary


@dataclass(frozen=True)
class _Writing:
    rows: IO[str]
    documents: IO[str]
    table: IO[str]

    def add(self, clip: ClipFacts, variables: Sequence[str], places: Places) -> None:
        self.rows.write(f"{row_text(clip, places)}\n")
        self.documents.write(f"{json.dumps(clip_document(clip, places), ensure_ascii=False)}\n")
        csv.writer(self.table).writerow(row_of(clip, variables, places))


@dataclass(frozen=True)
class _Waiting:
    """What was made of the clips so far, in files of this folder, a clip per line."""

    folder: Path

    @contextmanager
    def writing(self, variables: Sequence[str]) -> Iterator[_Writing]:
        paths = (self.folder / "rows", self.folder / "documents", self.folder / REPORT_CSV)
        with (
            _opened(paths[0]) as rows,
            _opened(paths[1]) as documents,
            # Spreadsheets take it for UTF-8 by its first bytes alone.
            paths[2].open("w", encoding="utf-8-sig", errors="replace", newline="") as table,
        ):
            csv.writer(table).writerow(columns(variables))
            yield _Writing(rows, documents, table)

    def rows(self) -> Iterator[str]:
        return self._lines("rows")

    def documents(self) -> Iterator[str]:
        return self._lines("documents")

    def _lines(self, name: str) -> Iterator[str]:
        with (self.folder / name).open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield line.rstrip("\n")


def _write(path: Path, pieces: Iterable[str]) -> None:
    with _opened(path) as file:
        file.writelines(pieces)


def _opened(path: Path) -> IO[str]:
    """For writing. Half a character, which JSON can carry and UTF-8 cannot, becomes a question mark."""
    return path.open("w", encoding="utf-8", errors="replace", newline="\n")
