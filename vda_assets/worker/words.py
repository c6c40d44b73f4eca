"""What a container says on its way, and which of it tells why it failed."""

from __future__ import annotations

import re
import sys

WORDS_OF_A_FULL_DISK = re.compile(r"No space left on device|Disk quota exceeded|\[Errno 27\]")
# A logger's line, or the end of a traceback; a traceback's quotations of the source are indented.
WORDS_OF_AN_ERROR = re.compile(
    r"(?:\s*|\S.*\W)(?:ERROR|CRITICAL|FATAL)\b|(?:\[\w+\]: ?)?(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Interrupt)(?::|$)"
)
# Rulers, and where to read on: pydantic and torchrun end their errors so.
WORDS_OF_NO_USE = re.compile(r"[\W_]*|.*\b(?:visit|see):? https?://\S+\W*", re.IGNORECASE)
LONGEST_LINE = 500


class Words:
    """What the container says: copied to the worker's own output; the lines that may tell a cause are kept.

    `first_error` is usually the cause: what follows is others that fail for it. `last` is the end, rulers left out.
    """

    def __init__(self) -> None:
        self.first_error = self.last = self.of_full_disk = ""
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
        said = line[:LONGEST_LINE].decode(errors="replace").rstrip()
        text = said.strip()
        if not WORDS_OF_NO_USE.fullmatch(text):
            self.last = text
        if not self.first_error and WORDS_OF_AN_ERROR.match(said):
            self.first_error = text
        if WORDS_OF_A_FULL_DISK.search(text):
            self.of_full_disk = text
