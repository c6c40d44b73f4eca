"""Where the clips of a dataset come from, where a command has fetched them: noted beside the dataset's results."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from vda_assets.storage.access import Storage
from vda_assets.storage.errors import ObjectUnusable
from vda_assets.storage.layout import outputs_folder
from vda_assets.storage.url import StorageUrl, split_dataset_url

_FILE = "origin.json"
_LIMIT_BYTES = 64 * 1024


class Origin(BaseModel):
    """All clips of one commit of a dataset repository on the Hugging Face hub."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    repository: str
    commit: str

    def __str__(self) -> str:
        return f"{self.repository} at {self.commit}"


def read_origin(storage: Storage, dataset_url: StorageUrl) -> Origin | None:
    """None when nothing was fetched, or not all of it. Raises StorageError when storage does not answer."""
    try:
        return Origin.model_validate_json(storage.read_bytes(_url(dataset_url), limit_bytes=_LIMIT_BYTES))
    except (FileNotFoundError, ObjectUnusable, ValidationError):
        return None


def write_origin(storage: Storage, dataset_url: StorageUrl, origin: Origin) -> None:
    """Called when every clip is there: whoever finds it need not fetch anything."""
    storage.write_bytes(_url(dataset_url), origin.model_dump_json().encode())


def _url(dataset_url: StorageUrl) -> StorageUrl:
    storage_url, name = split_dataset_url(dataset_url)
    return outputs_folder(storage_url, name) / _FILE
