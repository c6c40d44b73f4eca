"""Long lists of JSON files, on disk until the file is written: a dataset has millions of boxes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from pydantic_core import from_json


def json_line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


class Spool:
    """Objects in the order in which they are added. Nothing is added once they were read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: TextIO = path.open("w", encoding="utf-8")
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(from_json, self._read())

    def add(self, value: Mapping[str, Any]) -> None:
        self._lines.write(json_line(value))
        self._count += 1

    @property
    def path(self) -> Path:
        """Where they lie, a line each."""
        self._lines.close()
        return self._path

    def pour(self, target: TextIO) -> None:
        """Writes them as a list of JSON, and frees their place on the disk."""
        for number, line in enumerate(self._read()):
            target.write(("[\n" if number == 0 else ",\n") + line.rstrip("\n"))
        target.write("]" if self._count else "[]")
        self._path.unlink()

    def _read(self) -> Iterator[str]:
        with self.path.open(encoding="utf-8") as lines:
            yield from lines


def write_document(path: Path, members: Mapping[str, object]) -> None:
    """An object of JSON; a member that is a spool becomes a list."""
    with path.open("w", encoding="utf-8") as file:
        for number, (name, value) in enumerate(members.items()):
            file.write(("{" if number == 0 else ",\n") + f"{json.dumps(name)}: ")
            if isinstance(value, Spool):
                value.pour(file)
            else:
                file.write(json.dumps(value, ensure_ascii=False))
        file.write("}\n")
