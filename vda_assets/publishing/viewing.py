"""A release in FiftyOne, where that is installed: its videos, with the boxes of its CVAT files, by FiftyOne's importer.

FiftyOne is never required: it has a hundred requirements and a database server of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from vda_assets.base.cut import cut
from vda_assets.base.patience import say_nothing
from vda_assets.publishing.errors import NotFinished, NotOpened
from vda_assets.publishing.finished import Finished
from vda_assets.releases.layout import CVAT, METADATA_JSONL, VIDEOS
from vda_assets.storage.transfer import Copy, NotCopied, mirror, only_one
from vda_assets.storage.url import FILE_SCHEME


def open_in_fiftyone(finished: Finished, name: str, *, copies: Path, log: Callable[[str], None] = say_nothing) -> None:
    """Imports the release as FiftyOne's dataset of that name, unless it is there, and shows it until its App is closed.

    A release that is not on this machine is brought below `copies` first. Raises NotOpened, NotFinished and
    StorageError.
    """
    try:
        fiftyone: Any = import_module("fiftyone")
    except ImportError as error:
        raise NotOpened(f"FiftyOne is not installed here ({error}): pip install fiftyone") from None
    folder = _folder(finished, copies, log)
    rows = {str(folder / row["file_name"]): row for row in _rows(folder)}
    try:
        dataset = _dataset(fiftyone, folder, name, rows)
        session = fiftyone.launch_app(dataset)
    except Exception as error:  # noqa: BLE001 - whatever its database, App or importer raises
        raise NotOpened(f"FiftyOne cannot open {finished.root}: {cut(error)}") from None
    log(f"{name} is open in FiftyOne; Ctrl-C ends it")
    session.wait(-1)


def _dataset(fiftyone: Any, folder: Path, name: str, rows: dict[str, dict[str, Any]]) -> Any:
    """A dataset that an import was killed in has fewer videos, and is made anew."""
    if fiftyone.dataset_exists(name):
        dataset = fiftyone.load_dataset(name)
        if dataset.info.get("whole"):
            return dataset
        dataset.delete()
    dataset = fiftyone.Dataset.from_dir(
        dataset_type=fiftyone.types.CVATVideoDataset,
        data_path={Path(path).name: path for path in rows},
        labels_path=str(folder / CVAT),
        name=name,
    )
    for sample in dataset.iter_samples(autosave=True):
        row = rows[sample.filepath]
        marks = {row["split"]: True, "ai-generated": row["generated"], "stand-in": row["stand_in"]}
        sample.tags = [mark for mark, holds in marks.items() if holds]
        for field in ("name", "source_key", "prompt", "verdict", "labels_verdict"):
            sample[field] = row[field]
        sample["drawn"] = [f"{one['name']}={one['value']}" for one in row["variables"]]
    dataset.info["whole"] = True
    dataset.persistent = True
    dataset.save()
    return dataset


def _folder(finished: Finished, copies: Path, log: Callable[[str], None]) -> Path:
    """Where the release lies on this machine: what of it is shown, if it had to be brought."""
    if finished.root.scheme == FILE_SCHEME:
        return Path("/", finished.root.key)
    log(f"bringing videos and boxes to {copies}")
    with only_one(copies):
        brought = mirror(finished.storage, _copies(finished, copies), root=copies)
        problems = [one for one in brought if isinstance(one, NotCopied)]
    if problems:
        raise NotOpened(
            f"{len(problems)} of its files did not come, such as {problems[0].subject}: {problems[0].reason}"
        )
    return copies


def _copies(finished: Finished, folder: Path) -> Iterator[Copy]:
    for place in (VIDEOS, CVAT):
        for found in finished.storage.walk(finished.root / place, with_checksums=True):
            yield Copy(finished.root / place / found.path, folder / place / found.path, found)
    found = finished.storage.info(finished.root / METADATA_JSONL, with_checksum=True)
    yield Copy(finished.root / METADATA_JSONL, folder / METADATA_JSONL, found)


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    try:
        with (folder / METADATA_JSONL).open(encoding="utf-8") as lines:
            for line in lines:
                yield from_json(line)
    except (OSError, ValueError) as error:
        raise NotFinished(f"{folder / METADATA_JSONL} cannot be read: {cut(error)}") from None
