"""Log of a workflow: one text file in OSMO 6.4's line format, written line by line, read whole or followed."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from vda_assets.embedded.service.patterns import compile_pattern, matching

LOG_FILE = "workflow_logs.txt"
MAX_WORKFLOW_LINES = 10_000
MAX_TASK_LINES = 1_000
MAX_ERROR_LINES = 100
# The service keeps fewer lines and drops by rate; this only keeps a runaway task from filling the disk.
MAX_LINES_WRITTEN = 100_000
# The service polls its own log queue every second.
_FOLLOW_SECONDS = 0.2
_SHORTEST_SECRET = 8

Keep = Callable[[Sequence[str]], list[str]]


class TaskLog:
    """Writes the lines of one task, with secrets masked. Lines of several tasks never mix within a line."""

    def __init__(self, file: Path, *, task_name: str, secrets: Collection[str]) -> None:
        self._task_name = task_name
        masked = sorted((s for s in secrets if len(s) >= _SHORTEST_SECRET), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, masked))) if masked else None
        self._file = file.open("ab", buffering=0)
        self._lock = threading.Lock()
        self._lines_written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if (dropped := self._lines_written - MAX_LINES_WRITTEN) > 0:
                self._write(f"WARNING: Maximum logging rate exceeded, {dropped} lines have been dropped!", "[osmo]")
            self._file.close()

    def control(self, text: str) -> None:
        """What OSMO itself tells about the task."""
        with self._lock:
            for line in text.splitlines():
                self._write(line, "[osmo]")

    def user(self, line: str) -> None:
        with self._lock:
            self._lines_written += 1
            if self._lines_written <= MAX_LINES_WRITTEN and not self._file.closed:
                self._write(line, "")

    def _write(self, line: str, marker: str) -> None:
        masked = self._secrets.sub("[MASKED]", line) if self._secrets else line
        stamp = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S")
        # One write per line to a file opened for appending: the kernel keeps the lines apart.
        self._file.write(f"{stamp} [{self._task_name}]{marker} {masked}\n".encode())


def append_dump(file: Path, lines: list[str]) -> None:
    """Raw lines at the end of a workflow's log."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as log:
        log.write("".join(f"{line}\n" for line in lines))


def line_filter(task_name: str | None, query: str | None) -> Keep:
    """Lines -> those that are of the task and match the query. Raises ValueError for a bad `query`, now or then."""
    task = re.compile(rf"^[^ ]+ [^ ]+ \[{re.escape(task_name)}( retry-\d+)?\]") if task_name else None
    if query:
        compile_pattern(query)

    def keep(lines: Sequence[str]) -> list[str]:
        own = [line for line in lines if task is None or task.search(line)]
        return matching(query, own, anywhere=True) if query else own

    return keep


async def follow(file: Path, *, keep: Keep, last_lines: int, ended: Callable[[], bool]) -> AsyncIterator[str]:
    """The last lines so far, then every new one, until the workflow has ended and its log is read to its end.

    A query that takes too long ends them with a line that says so.
    """
    offset = 0
    first = True
    while True:
        done = await asyncio.to_thread(ended)
        lines, offset = await asyncio.to_thread(_whole_lines, file, offset)
        try:
            kept = await asyncio.to_thread(keep, lines)
        except ValueError as error:
            yield f"{error}\n"
            return
        text = "".join(deque(kept, maxlen=last_lines) if first else kept)
        first = False
        if text:
            yield text
        if done:
            return
        await asyncio.sleep(_FOLLOW_SECONDS)


async def follow_events(read: Callable[[], str], *, ended: Callable[[], bool]) -> AsyncIterator[str]:
    """The events so far, then every new one, until the workflow has ended; `read` tells all there are."""
    told: set[str] = set()
    while True:
        done = await asyncio.to_thread(ended)
        lines = (await asyncio.to_thread(read)).splitlines(keepends=True)
        if text := "".join(line for line in lines if line not in told):
            yield text
        told.update(lines)
        if done:
            return
        await asyncio.sleep(_FOLLOW_SECONDS)


def error_lines(file: Path, task_name: str, *, keep: Keep, last_lines: int) -> str:
    """What `error_logs` tells of a failed task: the last lines of its container. Raises ValueError as `keep` does."""
    marker = f"[{task_name}] "
    own = [line.partition(marker)[2] for line in _lines(file) if marker in line]
    tail = "".join(keep(own)[-last_lines:])
    return f"Logs for container {task_name}: user ...\n\n{tail}\n{'-' * 80}\n\n\n"


def _lines(file: Path) -> Iterator[str]:
    if file.exists():
        with file.open(encoding="utf-8", errors="replace", newline="\n") as log:
            yield from log


def _whole_lines(file: Path, offset: int) -> tuple[list[str], int]:
    if not file.exists():
        return [], offset
    with file.open("rb") as log:
        log.seek(offset)
        content = log.read()
    whole = content[: content.rfind(b"\n") + 1]
    return whole.decode(errors="replace").splitlines(keepends=True), offset + len(whole)
