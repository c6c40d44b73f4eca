"""A stored object that is open for reading, whose every read is explained and waited for like all else of storage."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO


class PatientFile(io.RawIOBase):
    """`ask` makes a call as often as it takes; what it calls begins at the same place each time."""

    def __init__(self, file: BinaryIO, ask: Callable[[Callable[[], bytes]], bytes]) -> None:
        super().__init__()
        self._file, self._ask = file, ask

    def read(self, size: int | None = -1) -> bytes:
        position = self._file.tell()

        def read_there() -> bytes:
            self._file.seek(position)
            return self._file.read(-1 if size is None else size)

        return self._ask(read_there)

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
