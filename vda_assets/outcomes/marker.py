"""`outcome.json`, which a worker writes last: what lies in an output folder, and whose work it is."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from vda_assets.base.cut import cut
from vda_assets.outcomes import limits
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadStorageUrl, ObjectUnusable
from vda_assets.storage.layout import OUTCOME_FILE
from vda_assets.storage.url import StorageUrl

# What reading one object of an output may say of that object; that storage does not answer is another matter.
UNREADABLE = (FileNotFoundError, ObjectUnusable, BadStorageUrl)


class OutputMissing(Exception):
    """The output is not there as a whole; the text says what is missing."""


def _below(path: str) -> str:
    if not path.isprintable() or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("is no path of a file below the folder")
    return sys.intern(path)


Short = Annotated[str, Field(max_length=1024)]
Count = Annotated[int, Field(ge=0, lt=2**53)]


@dataclass(frozen=True, slots=True)
class MarkedFile:
    """No model: a release keeps hundreds of thousands of them, whose paths are the same for all clips."""

    path: Annotated[Short, AfterValidator(_below)]
    size_bytes: Count
    sha256: Short


class Marker(BaseModel):
    """Unknown fields of a newer worker are ignored.

    `exit_code` and `failure` are those of a container that wrote its result and failed then.
    """

    model_config = ConfigDict(frozen=True)

    version: int
    container: Short
    name: Short
    work: Short
    attempt: int
    image: Short | None = None
    seed: int | None = None
    models: dict[Short, Short] = {}
    seconds: dict[Short, FiniteFloat] = {}
    exit_code: int = 0
    failure: str | None = None
    files: Annotated[list[MarkedFile], Field(max_length=limits.MARKED_FILES)]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def failures(self) -> tuple[str, ...]:
        """Why nobody vouches for the output, though it is there; empty when its container ended well."""
        if self.failure:
            return (f"its container failed after it was written: {cut(self.failure)}",)
        return (f"its container ended with exit code {self.exit_code} after it was written",) if self.exit_code else ()

    def file(self, path: str) -> MarkedFile:
        """What the worker wrote under `path`, a key below the folder. Raises OutputMissing."""
        written = next((file for file in self.files if file.path == path), None)
        if written is None:
            raise OutputMissing(f"{path} is not among the files of {self.name}'s worker")
        return written

    def require(self, path: str, sha256: str) -> None:
        """Raises OutputMissing unless the hash is that of what the worker wrote under `path`.

        A retry uploads over what a former attempt left, in no order, so a file's size alone may deceive.
        """
        if sha256 != self.file(path).sha256:
            raise OutputMissing(f"{path} of {self.name} is not the file that its worker wrote; another attempt's?")

    def require_content(self, path: str, content: bytes) -> None:
        """Raises OutputMissing unless `content` is what the worker wrote under `path`."""
        self.require(path, hashlib.sha256(content).hexdigest())


def read_marker(storage: Storage, folder: StorageUrl) -> Marker:
    """The marker of a whole output: every file that it lists lies there with the size that it says.

    Raises OutputMissing that names what is not there.
    """
    objects = list(islice(storage.walk(folder), limits.LISTED_OBJECTS + 1))
    if len(objects) > limits.LISTED_OBJECTS:
        raise OutputMissing(
            f"{folder} holds more than {limits.LISTED_OBJECTS:,} objects, which no worker writes; look at it, delete it"
        )
    found = {stored.path: stored.size_bytes for stored in objects}
    marker = _read(storage, folder, found)
    for file in marker.files:
        if found.get(file.path) != file.size_bytes:
            what = f"has {found[file.path]} bytes" if file.path in found else "is not there"
            raise OutputMissing(f"{folder}/{file.path} {what}; its worker wrote {file.size_bytes} bytes")
    return marker


def _read(storage: Storage, folder: StorageUrl, found: dict[str, int]) -> Marker:
    url = folder / OUTCOME_FILE
    if OUTCOME_FILE not in found:
        raise OutputMissing(f"{folder} has no {OUTCOME_FILE}: its worker did not finish")
    if found[OUTCOME_FILE] > limits.MARKER_BYTES:
        raise OutputMissing(f"{url} cannot be read: it has {found[OUTCOME_FILE]:,} bytes, no worker's has so many")
    try:
        return Marker.model_validate_json(storage.read_bytes(url))
    except FileNotFoundError:
        raise OutputMissing(f"{folder} has no {OUTCOME_FILE}: its worker did not finish") from None
    except ObjectUnusable as error:
        raise OutputMissing(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        key = ".".join(map(str, first["loc"]))
        where = f"key {key}: " if key else ""
        raise OutputMissing(f"{url} cannot be read: {cut(where + first['msg'])}") from None
