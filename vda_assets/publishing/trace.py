"""From a released file back to its clip, run, workflow, cookbook, image and draw, by what the release itself says."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import from_json

from vda_assets.base.cut import cut
from vda_assets.releases.errors import NotReleased
from vda_assets.releases.layout import MANIFEST_FILE, METADATA_JSONL
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadStorageUrl, ObjectUnusable
from vda_assets.storage.url import StorageUrl

# From a file of a label scene to the root of its release there are five.
_MOST_FOLDERS = 8
_LINE_BYTES = 1 << 20


def trace(storage: Storage, file: StorageUrl) -> dict[str, Any]:
    """The row of metadata.jsonl that the file belongs to, with the release's name and version.

    Raises NotReleased.
    """
    root = _root_of(storage, file)
    path = str(file).removeprefix(f"{root}/")
    try:
        manifest = from_json(storage.read_bytes(root / MANIFEST_FILE))
        with storage.reading(root / METADATA_JSONL) as lines:
            while line := lines.readline(_LINE_BYTES):
                row: dict[str, Any] = from_json(line)
                if _belongs(path, row):
                    return {"release": f"{manifest['dataset']} {manifest['version']}", "file": path, **row}
    except (FileNotFoundError, ObjectUnusable, ValueError, KeyError, TypeError) as error:
        raise NotReleased(f"{root} is no release, or not all of one: {cut(repr(error))}") from None
    raise NotReleased(f"{path} is of no single video of the release {root}: it is of all of them, or no file of it")


def _root_of(storage: Storage, file: StorageUrl) -> StorageUrl:
    folder = file
    for _ in range(_MOST_FOLDERS):
        try:
            folder = folder.parent
            storage.info(folder / MANIFEST_FILE)
        except FileNotFoundError:
            continue
        except BadStorageUrl:
            break
        return folder
    raise NotReleased(f"{file} lies in no release: no folder above it has a {MANIFEST_FILE}")


def _belongs(path: str, row: dict[str, Any]) -> bool:
    """A name is a folder, or the beginning of a file's, or of a converted question's."""
    return path == row["file_name"] or bool(re.search(rf"(?:^|/){re.escape(row['name'])}(?:[/.]|__)", path))
