"""`outcome.json`, which a worker writes last: what lies in an output folder, and whose work it is."""

from __future__ import annotations

import hashlib

from pydantic import BaseModel, ConfigDict, ValidationError

from vda_assets.storage.access import Storage
from vda_assets.storage.errors import ObjectUnusable
from vda_assets.storage.layout import OUTCOME_FILE
from vda_assets.storage.url import StorageUrl


class OutputMissing(Exception):
    """The output is not there as a whole; the text says what is missing."""


class MarkedFile(BaseModel):
    path: str
    size_bytes: int
    sha256: str


class Marker(BaseModel):
    """Unknown fields of a newer worker are ignored."""

    model_config = ConfigDict(frozen=True)

    version: int
    container: str
    name: str
    work: str
    attempt: int
    image: str | None = None
    seed: int | None = None
    models: dict[str, str] = {}
    seconds: dict[str, float] = {}
    files: list[MarkedFile]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def require(self, path: str, content: bytes) -> None:
        """Raises OutputMissing unless `content` is what the worker wrote under `path`, a key below the folder.

        A retry uploads over what a former attempt left, in no order, so a file's size alone may deceive.
        """
        written = next((file for file in self.files if file.path == path), None)
        if written is None:
            raise OutputMissing(f"{path} is not among the files of {self.name}'s worker")
        if hashlib.sha256(content).hexdigest() != written.sha256:
            raise OutputMissing(f"{path} of {self.name} is not the file that its worker wrote; another attempt's?")


def read_marker(storage: Storage, folder: StorageUrl) -> Marker:
    """The marker of a whole output: every file that it lists lies there with the size that it says.

    Raises OutputMissing that names what is not there.
    """
    try:
        marker = Marker.model_validate_json(storage.read_bytes(folder / OUTCOME_FILE))
    except FileNotFoundError:
        raise OutputMissing(f"{folder} has no {OUTCOME_FILE}: its worker did not finish") from None
    except ObjectUnusable as error:
        raise OutputMissing(str(error)) from None
    except ValidationError as error:
        raise OutputMissing(f"{folder / OUTCOME_FILE} cannot be read: {error.errors()[0]['msg']}") from None
    found = {path: int(info["size"]) for path, info in storage.find(folder).items()}
    for file in marker.files:
        if found.get(file.path) != file.size_bytes:
            what = f"has {found[file.path]} bytes" if file.path in found else "is not there"
            raise OutputMissing(f"{folder / file.path} {what}; its worker wrote {file.size_bytes} bytes")
    return marker
