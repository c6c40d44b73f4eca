"""Task inputs and outputs between storage and the task's folder, by OSMO 6.4's rules for keys.

`file://` URLs are an addition of the embedded OSMO. A local file appears under its name only when it is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from vda_assets.embedded.service.patterns import matching
from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl


def download(storage: Storage, url_text: str, *, regex: str, target: Path) -> int:
    """Copies the object, or everything below the prefix, into `target`; returns the count of files.

    A URL without trailing slash is tried as one object first, and then `regex` plays no part. Nothing found: no error.
    """
    url = StorageUrl.parse(url_text)
    if not url_text.endswith("/") and _is_object(storage, url):
        storage.download(url, target / url.name)
        return 1
    keys = _wanted([found.path for found in storage.walk(url)], regex)
    storage.download_all((url / key, target / key) for key in keys)
    return len(keys)


def upload(storage: Storage, folder: Path, *, url_text: str, regex: str) -> int:
    """Copies every file of the folder, dotfiles too, below the URL; returns their count. Removes nothing there."""
    url = StorageUrl.parse(url_text)
    keys = _wanted(files_below(folder), regex)
    storage.upload_all((folder / key, url / key) for key in keys)
    return len(keys)


def files_below(folder: Path) -> list[str]:
    """Relative paths of the files; symbolic links to folders are not followed."""
    found = ((Path(parent) / name).relative_to(folder) for parent, _, names in os.walk(folder) for name in names)
    return sorted(path.as_posix() for path in found if (folder / path).is_file())


def _wanted(keys: Iterable[str], regex: str) -> list[str]:
    inside = [key for key in keys if not key.endswith("/") and ".." not in key.split("/")]
    return matching(regex, inside, anywhere=False) if regex else inside


def _is_object(storage: Storage, url: StorageUrl) -> bool:
    try:
        storage.info(url)
    except FileNotFoundError:
        return False
    return True
