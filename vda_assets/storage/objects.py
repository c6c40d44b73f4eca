"""What the room knows of one stored object, and what every backend can do with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol


class StoredObject(NamedTuple):
    """`path` is relative to the folder that was listed. A tuple: a listing makes hundreds of thousands of them."""

    path: str
    size_bytes: int
    modified: float  # seconds since 1970
    etag: str = ""  # without quotes; empty where there is none
    md5: str = ""  # of the content, in hex; empty where the backend has none, as for S3's uploads in parts

    @property
    def version(self) -> str:
        """Changes when the content does."""
        return self.etag or f"{self.size_bytes}-{self.modified:.6f}"


class TooLarge(Exception):
    """An object that was to be read has more bytes than its reader takes."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self.size_bytes = size_bytes


class Backend(Protocol):
    """One bucket of a backend. Keys begin at the bucket; errors are those of the backend's library (see faults).

    FileNotFoundError says that an object is not there, FileExistsError that `create` found one. A folder, and what
    consoles and Hadoop put into a bucket to stand for one (its marker, of zero bytes), is no object.
    """

    def info(self, key: str, *, with_checksum: bool) -> StoredObject: ...

    def walk(self, folder: str, *, after: str, with_checksums: bool) -> Iterator[StoredObject]:
        """Every object below the folder whose relative path sorts behind `after`, in the order of their bytes."""

    def read(self, key: str, limit_bytes: int) -> bytes:
        """All of the object. Raises TooLarge, before anything is fetched, when it has more than `limit_bytes`."""

    def write(self, key: str, content: bytes) -> None:
        """Writes all of the object or nothing of it."""

    def delete(self, key: str) -> None:
        """Removes the object. One that is not there is removed already, or a FileNotFoundError: S3 does not tell."""

    def download(self, key: str, target: Path, *, hashed: bool) -> tuple[StoredObject | None, str]:
        """Copies into the file; returns which object was copied, and the MD5 of the bytes that came when `hashed`.

        The object is None where the backend does not say it along with the bytes (gs); the MD5 is "" without `hashed`.
        """

    def upload(self, source: Path, key: str) -> None:
        """Copies all of the file or nothing of it; what lies at the key is replaced."""

    def create(self, source: Path, key: str) -> None:
        """Like `upload`, but nothing is replaced."""

    def signed(self, key: str, seconds: float) -> str | None:
        """A URL by which anyone may read the object for so long; None where this storage has no such URLs."""

    def copy(self, source: str, target: str) -> None:
        """Copies one object of the bucket to another key of it, whole, without its bytes passing through here; what
        lies at the target is replaced."""
