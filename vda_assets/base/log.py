"""What a run says. Lines that come up together make one entry: each entry of Dagster's event log costs as much as a
materialization."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Self

# Attribute of a log record: its lines, each with what it is about.
LINES = "vda_lines"


class Line(str):
    """A line about one clip. `about` names that, and its workflow, for logs that programs read."""

    about: Mapping[str, str]

    def __new__(cls, clip: str, text: str, *, workflow: str | None = None) -> Self:
        line = super().__new__(cls, f"{clip}: {text}")
        line.about = {"clip": clip, **({"workflow": workflow} if workflow else {})}
        return line


class Entry(str):
    """Several lines as one text."""

    lines: Sequence[str]

    def __new__(cls, lines: Sequence[str]) -> Self:
        entry = super().__new__(cls, "\n".join(lines))
        entry.lines = lines
        return entry

    def extra(self, **about: str) -> dict[str, object]:
        """What a log record needs to know beside the text; `about` holds for all lines."""
        return {LINES: [{"message": str(line), **about, **getattr(line, "about", {})} for line in self.lines]}


class Log:
    """Any thread may say a line."""

    def __init__(self, write: Callable[[Entry], object]) -> None:
        self._write, self._lines, self._lock = write, list[str](), Lock()

    def __call__(self, line: str) -> None:
        """The line is written with the next entry."""
        with self._lock:
            self._lines.append(line)

    def at_once(self, line: str) -> None:
        """The line is written now, behind those before it."""
        self(line)
        self.flush()

    def flush(self) -> None:
        """Writes what has come up since the last entry."""
        with self._lock:
            lines, self._lines = self._lines, []
        if lines:
            self._write(Entry(lines))
