"""The folders that a container works on: an empty output, its one clip, a model cache that it may write into."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vda_assets.worker.arguments import Arguments
from vda_assets.worker.failure import BAD_SETUP, NO_CLIP, WorkerError, say

CLIP_EXTENSIONS = (".mp4", ".avi", ".mkv")


def empty_output(arguments: Arguments) -> None:
    """A group that restarts in place finds what its former attempt left; none of it may pass for this attempt's."""
    output: Path = arguments.output
    given = (arguments.setup, arguments.clip, arguments.model_cache)
    if any(folder is not None and folder.is_relative_to(output) for folder in given):
        raise WorkerError(BAD_SETUP, f"the output folder {output} holds inputs; give a folder of its own")
    output.mkdir(parents=True, exist_ok=True)
    leftovers = list(output.iterdir())
    for path in leftovers:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if leftovers:
        say(f"removed what a former attempt left in {output}: {', '.join(sorted(path.name for path in leftovers))}")


def place_clip(arguments: Arguments, scratch: Path) -> Path:
    """The clip under the result's own name: the containers name their files after it, and it is safe and unique."""
    what = arguments.clip_file or f"one clip ({', '.join(CLIP_EXTENSIONS)})"
    candidates = [arguments.clip / arguments.clip_file] if arguments.clip_file else arguments.clip.rglob("*")
    found = sorted(path for path in candidates if path.suffix.lower() in CLIP_EXTENSIONS and path.is_file())
    if len(found) != 1:
        names = ", ".join(path.name for path in found[:5])
        raise WorkerError(NO_CLIP, f"expected {what} in {arguments.clip}, found {names or 'none'}")
    if not found[0].stat().st_size:
        raise WorkerError(NO_CLIP, f"the clip {found[0]} is empty")
    if "/" in arguments.name:
        raise WorkerError(BAD_SETUP, f"--name {arguments.name!r} is not a bare name")
    placed = scratch / "clip" / f"{arguments.name}{found[0].suffix.lower()}"
    placed.parent.mkdir()
    link_or_copy(found[0].resolve(), placed)
    return placed


def link_or_copy(source: Path, target: Path) -> None:
    """Not by a symbolic link: paidf-auto-labeling 1.0.0 resolves it, and names the scene after what it leads to.

    A hard link is refused between file systems, and on another user's file.
    """
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def writable_face(cache: Path, face: Path) -> Path:
    """A folder of links to the read-only cache: the containers create lock files beside the weights."""
    face.mkdir()
    odd: list[str] = []
    for folder, subfolders, names in os.walk(cache, onerror=lambda error: odd.append(str(error))):
        mirrored = face / Path(folder).relative_to(cache)
        for name in subfolders:
            source = Path(folder, name)
            if source.is_symlink():
                (mirrored / name).symlink_to(source)
            else:
                (mirrored / name).mkdir()
        for name in names:
            source = Path(folder, name)
            if os.path.isfile(source):  # noqa: PTH113 - Path.is_file raises where a folder may not be entered
                (mirrored / name).symlink_to(source)
            else:
                odd.append(str(source))
    if odd:
        say(f"WARNING: cannot be used of the model cache: {len(odd)}, the first: {odd[0]}")
    return face
