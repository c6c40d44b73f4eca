"""`vda upload`: clips of this machine into a dataset."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from vda_assets.cli.completing import complete_dataset
from vda_assets.cli.copying import finish, show
from vda_assets.cli.world import dataset_and_deployment, load
from vda_assets.datasets.clips import CLIP_EXTENSIONS, Skipped, SkippedByKind, key_of, skipped_kind, video_of
from vda_assets.media.sniff import HEAD_BYTES, looks_like
from vda_assets.project import Project
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadClipName, BadStorageUrl
from vda_assets.storage.transfer import Copy, NotCopied, only_one, upload_clips
from vda_assets.storage.url import FILE_SCHEME, StorageUrl


@click.command()
@click.argument("dataset_name", metavar="DATASET", shell_complete=complete_dataset)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
def upload(dataset_name: str, paths: tuple[Path, ...]) -> None:
    """Put local clips, and all clips below local folders, into a dataset. What is there is never replaced.

    A folder's clips keep their paths below it. Killed, the same command goes on where it was.

    Example: vda upload street clips/ street.mp4
    """
    storage, dataset_url = storage_and_url(load(), dataset_name)
    finish(put_clips(storage, dataset_url, _clip_files(paths)))


def put_clips(
    storage: Storage, dataset_url: StorageUrl, files: Iterable[tuple[Path, str | NotCopied]]
) -> list[NotCopied]:
    """Uploads each file to its path below the dataset and prints its URL; returns what went wrong."""
    copies, problems = _planned(dataset_url, files)
    with ExitStack() as stack:
        if dataset_url.scheme == FILE_SCHEME:
            stack.enter_context(only_one(Path("/", dataset_url.key)))
        results = upload_clips(storage, copies)
        total_bytes = sum(_size_bytes(copy.path) for copy in copies)
        return problems + show(
            results,
            total_bytes=total_bytes,
            line=lambda done: f"{done.copy.url}{'  (was there already)' if done.was_there else ''}",
        )


def _planned(
    dataset_url: StorageUrl, files: Iterable[tuple[Path, str | NotCopied]]
) -> tuple[list[Copy], list[NotCopied]]:
    """Unusable files, names that cannot be carried and names that two files share are problems of their own."""
    copies: dict[str, Copy] = {}
    problems = []
    for file, path in files:
        if isinstance(path, NotCopied):
            problems.append(path)
        elif reason := _unusable(file):
            problems.append(NotCopied(str(file), reason))
        else:
            try:
                video, url = video_of(key_of(path)), dataset_url / path
            except (BadClipName, BadStorageUrl) as error:
                problems.append(NotCopied(str(file), str(error)))
                continue
            first = copies.setdefault(video, Copy(url, file))
            if first.path != file:
                problems.append(NotCopied(str(file), f"{first.path} has the same name; rename one"))
    return list(copies.values()), problems


def _clip_files(paths: Sequence[Path]) -> Iterator[tuple[Path, str | NotCopied]]:
    """(file, its path below the dataset): a file by its name, the clips of a folder by their paths below it."""
    for path in paths:
        if not path.is_dir():
            yield path, path.name
            continue
        skipped = SkippedByKind()
        homes = _homes(path)
        for file in sorted(path.rglob("*")):
            relative = file.relative_to(path)
            if file.is_dir():
                continue
            if kind := skipped_kind(relative.as_posix()):
                skipped.add(Skipped(str(file), kind))
            elif any(file.resolve().is_relative_to(home) for home in homes):
                yield file, relative.as_posix()
            else:
                yield file, NotCopied(str(file), f"it is a symbolic link that leads out of {path}; name its target")
        for line in skipped.lines:
            click.echo(line, err=True)


def _homes(folder: Path) -> list[Path]:
    """Where the links of a folder may lead: into it, and from a snapshot of the Hugging Face hub's cache to its blobs.

    Those lie beside it: <repository>/snapshots/<commit>/clip.mp4 -> <repository>/blobs/<hash>.
    """
    real = folder.resolve()
    snapshots = [parent.parent for parent in (real, *real.parents) if parent.parent.name == "snapshots"]
    blobs = [snapshot.parent / "blobs" for snapshot in snapshots]
    return [real, *(blob for blob in blobs if blob.is_dir())]


def _unusable(file: Path) -> str | None:
    if file.suffix.lower() not in CLIP_EXTENSIONS:
        return f"it is no clip: only {', '.join(CLIP_EXTENSIONS)} are taken"
    if not file.is_file():
        return "it is a symbolic link to nothing" if file.is_symlink() else "it does not exist"
    try:
        with file.open("rb") as opened:
            return looks_like(opened.read(HEAD_BYTES))
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def _size_bytes(file: Path) -> int:
    """0 for a file that vanished just now: its upload says so."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def storage_and_url(project: Project, dataset_name: str) -> tuple[Storage, StorageUrl]:
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    return project.storage_of(deployment, os.environ), dataset.dataset_url
