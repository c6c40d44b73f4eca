"""How a page refers to what lies in storage: as a folder that it knows, and a quoted path below that."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from vda_assets.config.dataset import Dataset
from vda_assets.storage.layout import outputs_folder, report_folder
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

CLIPS, OUTPUTS, PREVIEWS = "clips", "outputs", "previews"
PREVIEWS_FOLDER = "previews"
Bases = Mapping[str, str]


@dataclass(frozen=True)
class Places:
    """`folders` are the storage's own. `on_disk` is where a page that a browser opened from a disk finds them, `on_web`
    one that a server gave; either lacks what it cannot find. `linked` has the absolute links alone."""

    folders: Mapping[str, StorageUrl]
    on_disk: Bases
    on_web: Bases
    linked: Bases

    def reference(self, url: StorageUrl | None) -> list[str] | None:
        """`[folder, quoted path below it]`; None for what lies elsewhere."""
        for name, folder in self.folders.items():
            if url is not None and str(url).startswith(f"{folder}/"):
                return [name, quote(str(url)[len(str(folder)) + 1 :])]
        return None

    def link(self, url: StorageUrl | None) -> str:
        """The absolute link to the object, where the deployment has a media_url; else empty."""
        found = self.reference(url)
        return self.linked[found[0]] + found[1] if found and found[0] in self.linked else ""


def places_of(dataset: Dataset, linked: Bases, *, run_id: str, folder: Path | None) -> Places:
    """For a report in the dataset's storage, or in a local `folder`. `linked` is where a server has the two folders.

    What lies on a disk is found from there without a server; a page taken out of a bucket finds nothing beside it.
    """
    folders = {OUTPUTS: outputs_folder(dataset.storage_url, dataset.name), CLIPS: dataset.dataset_url}
    is_local = dataset.storage_url.scheme == FILE_SCHEME
    relative: dict[str, str] = {}
    if folder is None:
        page = report_folder(dataset.storage_url, dataset.name, run_id)
        up = "../" * (len(page.parts) - len(folders[OUTPUTS].parts))
        relative = {OUTPUTS: up, CLIPS: f"{up}../{quote(dataset.name)}/"}
    elif is_local:
        relative = {
            name: f"{quote(os.path.relpath(f'/{url.key}', folder.resolve()))}/" for name, url in folders.items()
        }
    besides = {} if folder is None else {PREVIEWS: f"{PREVIEWS_FOLDER}/"}
    on_disk = relative if is_local else linked or relative
    return Places(folders, {**on_disk, **besides}, {**(linked or relative), **besides}, linked)
