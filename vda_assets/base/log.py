"""What a run says. Lines that come up together make one entry: each entry of Dagster's event log costs as much as a
materialization."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock


class Log:
    """Any thread may say a line."""

    def __init__(self, write: Callable[[str], object]) -> None:
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
            self._write("\n".join(lines))
