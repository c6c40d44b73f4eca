"""What a container says on its way, and which of it tells why it failed."""

from __future__ import annotations

import re
import sys

from vda_assets.worker.failure import DISK_FULL, WorkerError, full_disk

WORDS_OF_A_FULL_DISK = re.compile(r"No space left on device|Disk quota exceeded|\[Errno 27\]")
LONGEST_LINE = 500


class Words:
    """What the container says: copied to the worker's own output; its last line, and one of a full disk, are kept."""

    def __init__(self) -> None:
        self.last = self.of_full_disk = ""
        self._begun, self._is_at_line_start = b"", True

    def copy(self, chunk: bytes) -> None:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        self._is_at_line_start = chunk.endswith(b"\n") if chunk else self._is_at_line_start
        *ended, begun = re.split(rb"[\r\n]", self._begun + chunk)
        self._begun = begun[:LONGEST_LINE]
        for line in ended:
            self._keep(line)

    def end(self) -> None:
        self._keep(self._begun)
        if not self._is_at_line_start:
            print(flush=True)

    def _keep(self, line: bytes) -> None:
        text = line[:LONGEST_LINE].decode(errors="replace").strip()
        self.last = text or self.last
        if WORDS_OF_A_FULL_DISK.search(text):
            self.of_full_disk = text


def container_failed(container: str, code: int, what: str, words: Words) -> WorkerError:
    """With the words that tell the cause, as far as the container has told it."""
    if words.of_full_disk:
        return WorkerError(DISK_FULL, full_disk(container, f"{what}, and had said: {words.of_full_disk}"))
    return WorkerError(code, f"{what}; the last it said: {words.last}" if words.last else what)
