"""Task inputs and outputs between storage and the task's folder, by OSMO 6.4's rules for keys.

`file://` URLs are an addition of the embedded OSMO. A local file appears under its name only when it is whole.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from vda_assets.storage.access import Storage
from vda_assets.storage.url import FILE_SCHEME, StorageUrl


def download(storage: Storage, url_text: str, *, regex: str, target: Path) -> int:
    """Copies the object, or everything below the prefix, into `target`; returns the count of files.

    A URL without trailing slash is tried as one object first, and then `regex` plays no part. Nothing found: no error.
    """
    url = StorageUrl.parse(url_text)
    filesystem, path = storage.locate(url)
    if not url_text.endswith("/") and filesystem.isfile(path):
        filesystem.get_file(path, str(target / url.name))
        return 1
    try:
        keys = [key for key in storage.find(url) if _wanted(key, regex)]
    except FileNotFoundError:
        return 0
    places = [target / key for key in keys]
    for folder in {place.parent for place in places}:
        folder.mkdir(parents=True, exist_ok=True)
    if keys:
        filesystem.get([f"{path.rstrip('/')}/{key}" for key in keys], [str(place) for place in places])
    return len(keys)


def upload(storage: Storage, folder: Path, *, url_text: str, regex: str) -> int:
    """Copies every file of the folder, dotfiles too, below the URL; returns their count. Removes nothing there."""
    url = StorageUrl.parse(url_text)
    filesystem, path = storage.locate(url)
    keys = [key for key in files_below(folder) if _wanted(key, regex)]
    if url.scheme == FILE_SCHEME:
        for key in keys:
            _copy_whole(folder / key, Path(path) / key)
    elif keys:
        filesystem.put([str(folder / key) for key in keys], [f"{path.rstrip('/')}/{key}" for key in keys])
    return len(keys)


def files_below(folder: Path) -> list[str]:
    """Relative paths of the files; symbolic links to folders are not followed."""
    found = ((Path(parent) / name).relative_to(folder) for parent, _, names in os.walk(folder) for name in names)
    return sorted(path.as_posix() for path in found if (folder / path).is_file())


def _wanted(key: str, regex: str) -> bool:
    inside = not key.endswith("/") and ".." not in key.split("/")
    return inside and (not regex or re.match(regex, key) is not None)


def _copy_whole(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(source, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
