"""Whether the pipeline can write where a run's results go: a bucket that only reads would cost a GPU job per clip."""

from __future__ import annotations

import uuid

from vda_assets.config.dataset import Dataset
from vda_assets.readiness.finding import Finding, blocking, note, ready
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import StorageError, StorageUnavailable, TemporarilyUnavailable
from vda_assets.storage.layout import outputs_folder
from vda_assets.storage.url import FILE_SCHEME

# What lets a credential write and delete, in the words of each service.
_GRANTS = {
    "s3": ("s3:PutObject", "s3:DeleteObject"),
    "azure": ("a SAS with write and create, or the role Storage Blob Data Contributor", "a SAS with delete"),
    "gs": ("storage.objects.create", "storage.objects.delete"),
    FILE_SCHEME: ("this user the right to write", "this user the right to write"),
}


def check_writing(storage: Storage, dataset: Dataset) -> Finding:
    """Writes one small object into the folder of the dataset's outputs and deletes it.

    Raises StorageError when storage does not answer. Every time another object: who may create need not be allowed
    to replace.
    """
    folder = outputs_folder(dataset.storage_url, dataset.name)
    # No run has a name with a dot, and whoever lists files skips what is hidden.
    url = folder / f".vda-write-check-{uuid.uuid4().hex[:8]}"
    to_write, to_delete = _GRANTS.get(url.scheme, ("the right to write", "the right to delete"))
    try:
        storage.write_bytes(url, b"vda preflight\n")
    except TemporarilyUnavailable:
        raise
    except (StorageUnavailable, OSError) as error:
        return blocking("writing", f"nothing can be written below {folder}: grant {to_write} there ({_cause(error)})")
    try:
        storage.delete(url)
    except (StorageError, OSError) as error:
        message = (
            f"{url} was written, but cannot be deleted: grant {to_delete}, or one stays with each run ({_cause(error)})"
        )
        return note("writing", message)
    return ready("writing", f"{folder} takes results")


def _cause(error: Exception) -> str:
    """Without the URL, which is told already."""
    return error.cause if isinstance(error, StorageUnavailable) else str(error)
