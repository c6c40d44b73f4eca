"""The files of a cookbook's folder, each read once: what is checked is what is copied into a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vda_assets.config.errors import BadConfigFile
from vda_assets.config.yaml_file import read_file

# A shipped cookbook has five files and 20 kB; all of them go into the setup of every run.
MAX_FILES = 500
MAX_FOLDER_BYTES = 16_000_000


def files_below(folder: Path) -> dict[str, bytes]:
    """Path below the folder -> content. Hidden files and folders are left out.

    Raises BadConfigFile for a link that leaves the folder: whatever it leads to would be copied into the bucket.
    """
    files: dict[str, bytes] = {}
    size_bytes = 0
    for path in _walk(folder, folder.resolve()):
        if len(files) == MAX_FILES:
            raise BadConfigFile(folder, [f"holds more than {MAX_FILES} files: is this a cookbook?"])
        content = read_file(path)
        size_bytes += len(content)
        if size_bytes > MAX_FOLDER_BYTES:
            raise BadConfigFile(folder, [f"holds more than {MAX_FOLDER_BYTES:,} bytes: is this a cookbook?"])
        files[path.relative_to(folder).as_posix()] = content
    return files


def _walk(folder: Path, root: Path) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise BadConfigFile(folder, [f"cannot be read: {error.strerror}"]) from None
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            _check_link(path, root)
        if entry.is_dir():
            yield from _walk(path, root)
        else:
            yield path


def _check_link(link: Path, root: Path) -> None:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        raise BadConfigFile(link, [f"is a link to {link.readlink()}, which is not there"]) from None
    if not target.is_relative_to(root):
        raise BadConfigFile(link, [f"is a link that leaves the cookbook, to {target}; put a copy in its place"])
    if link.parent.resolve().is_relative_to(target):
        raise BadConfigFile(link, [f"is a link to a folder that it lies in, {target}"])
