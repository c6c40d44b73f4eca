"""Links to what `vda media` serves: a URL of storage is nothing that a browser can open."""

from __future__ import annotations

from urllib.parse import quote

from vda_assets.config.dataset import Dataset
from vda_assets.storage.layout import outputs_folder
from vda_assets.storage.url import StorageUrl

CLIPS_PART, OUTPUTS_PART = "clips", "outputs"


def media_bases(media_url: str | None, dataset: Dataset) -> dict[str, str]:
    """What links to the dataset's outputs and clips begin with; empty when the deployment names no `media_url`."""
    if media_url is None:
        return {}
    return {part: f"{media_url}/{quote(dataset.name)}/{part}/" for part in (OUTPUTS_PART, CLIPS_PART)}


def media_link(media_url: str | None, dataset: Dataset, url: StorageUrl) -> str | None:
    """Where the browser finds the object; None when the deployment names no `media_url`, or for what is not shown."""
    folders = {OUTPUTS_PART: outputs_folder(dataset.storage_url, dataset.name), CLIPS_PART: dataset.dataset_url}
    for part, base in media_bases(media_url, dataset).items():
        if str(url).startswith(f"{folders[part]}/"):
            return base + quote(str(url)[len(str(folders[part])) + 1 :])
    return None
