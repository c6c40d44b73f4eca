"""Links to what `vda media` serves: a URL of storage is nothing that a browser can open."""

from __future__ import annotations

from urllib.parse import quote

from vda_assets.config.dataset import Dataset
from vda_assets.storage.layout import outputs_folder
from vda_assets.storage.url import StorageUrl

CLIPS_PART, OUTPUTS_PART = "clips", "outputs"


def media_link(media_url: str | None, dataset: Dataset, url: StorageUrl) -> str | None:
    """Where the browser finds the object; None when the deployment names no `media_url`, or for what is not shown."""
    if media_url is None:
        return None
    folders = {OUTPUTS_PART: outputs_folder(dataset.storage_url, dataset.name), CLIPS_PART: dataset.dataset_url}
    for part, folder in folders.items():
        if str(url).startswith(f"{folder}/"):
            return f"{media_url}/{quote(dataset.name)}/{part}/{quote(str(url)[len(str(folder)) + 1 :])}"
    return None
