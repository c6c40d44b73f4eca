"""A release is opened in FiftyOne where that is installed.

`FiftyOne` here is a recording double of the module `fiftyone`: the real one needs a MongoDB server. It takes what
FiftyOne 1.22 documents and keeps it; that the real importer and database take the same was tried by hand.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vda_assets.publishing.errors import NotOpened
from vda_assets.publishing.finished import Finished, find_finished
from vda_assets.publishing.viewing import open_in_fiftyone
from vda_assets.storage.access import Storage
from vda_assets_tests.releases.made import DATASET, MadeClips
from vda_assets_tests.releases.test_release import contents, folder_of, rows
from vda_assets_tests.storage.emulators import moto

NAME = "yard-v1"


@dataclass
class Sample:
    filepath: str
    tags: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)

    def __setitem__(self, name: str, value: Any) -> None:
        self.fields[name] = value


@dataclass
class Dataset:
    kept: dict[str, Any]
    name: str
    samples: list[Sample]
    info: dict[str, Any] = field(default_factory=dict)
    persistent: bool = False

    def iter_samples(self, *, autosave: bool) -> list[Sample]:
        assert autosave
        return self.samples

    def save(self) -> None:
        assert self.kept[self.name] is self

    def delete(self) -> None:
        del self.kept[self.name]


@dataclass
class FiftyOne:
    kept: dict[str, Dataset] = field(default_factory=dict)
    imported: list[dict[str, Any]] = field(default_factory=list)
    launched: list[Dataset] = field(default_factory=list)
    waited: list[int] = field(default_factory=list)
    types = SimpleNamespace(CVATVideoDataset="CVATVideoDataset")

    @property
    def Dataset(self) -> Any:  # noqa: N802 - its name there
        return SimpleNamespace(from_dir=self.from_dir)

    def from_dir(self, *, dataset_type: str, data_path: dict[str, str], labels_path: str, name: str) -> Dataset:
        """As its importer does: a video and its labels go by the same name without what follows the last dot."""
        assert name not in self.kept
        labels = {path.stem for path in Path(labels_path).rglob("*.xml")}
        assert labels == {Path(key).stem for key in data_path}
        self.imported.append({"type": dataset_type, "videos": data_path})
        self.kept[name] = Dataset(self.kept, name, [Sample(path) for path in data_path.values()])
        return self.kept[name]

    def dataset_exists(self, name: str) -> bool:
        return name in self.kept

    def load_dataset(self, name: str) -> Dataset:
        return self.kept[name]

    def launch_app(self, dataset: Dataset) -> Any:
        self.launched.append(dataset)
        return SimpleNamespace(wait=self.waited.append)


@pytest.fixture
def fiftyone(monkeypatch: pytest.MonkeyPatch) -> FiftyOne:
    double = FiftyOne()
    monkeypatch.setitem(sys.modules, "fiftyone", double)  # type: ignore[arg-type]
    return double


def released(clips: MadeClips) -> Finished:
    clips.add("a.mp4", stand_in=True)
    clips.add("day/b c.mp4")
    clips.release(version="v1", with_stand_ins=True)
    return find_finished(clips.storage, clips.root, DATASET, None)


def test_each_video_is_imported_with_its_boxes_and_says_what_it_is(
    clips: MadeClips, fiftyone: FiftyOne, tmp_path: Path
) -> None:
    one = released(clips)
    open_in_fiftyone(one, NAME, copies=tmp_path / "copies")
    (dataset,) = fiftyone.launched
    expected = {str(folder_of(one.root) / row["file_name"]): row for row in rows(one.root)}
    assert {sample.filepath for sample in dataset.samples} == expected.keys()
    for sample in dataset.samples:
        row = expected[sample.filepath]
        marks = [mark for mark, key in {"ai-generated": "generated", "stand-in": "stand_in"}.items() if row[key]]
        assert sample.tags == [row["split"], *marks]
        assert sample.fields["source_key"] == row["source_key"]
        assert sample.fields["drawn"] == (["weather=rain", "time_of_day=midday"] if row["generated"] else [])
    assert (dataset.persistent, fiftyone.waited) == (True, [-1])
    assert not (tmp_path / "copies").exists(), "what lies on this machine is not copied"


def test_a_release_that_is_in_fiftyone_is_opened_as_it_is_unless_its_import_was_killed(
    clips: MadeClips, fiftyone: FiftyOne, tmp_path: Path
) -> None:
    one = released(clips)
    for _ in range(2):
        open_in_fiftyone(one, NAME, copies=tmp_path)
    assert len(fiftyone.imported) == 1
    fiftyone.kept[NAME].info.clear()
    open_in_fiftyone(one, NAME, copies=tmp_path)
    assert len(fiftyone.imported) == 2


def test_of_a_release_in_a_bucket_what_is_shown_is_brought_first(fiftyone: FiftyOne, tmp_path: Path) -> None:
    with moto(tmp_path) as place:
        clips = MadeClips(Storage([place.credential] if place.credential else []), place.root)
        one = released(clips)
        open_in_fiftyone(one, NAME, copies=tmp_path / "copies")
    brought = contents(tmp_path / "copies")
    assert {path.split("/")[0] for path in brought} == {"videos", "labels", "metadata.jsonl"}
    (imported,) = fiftyone.imported
    assert all(Path(path).is_file() for path in imported["videos"].values())


def test_without_fiftyone_one_sentence_says_how_to_install_it(
    clips: MadeClips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(NotOpened, match=r"FiftyOne is not installed here \(.*\): pip install fiftyone$"):
        open_in_fiftyone(released(clips), NAME, copies=tmp_path)


def test_what_fiftyone_stumbles_over_is_told_with_the_release(
    clips: MadeClips, fiftyone: FiftyOne, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_database(name: str) -> bool:
        raise ConnectionError("MongoDB could not be installed on your system")

    monkeypatch.setattr(fiftyone, "dataset_exists", without_database)
    with pytest.raises(NotOpened, match=r"FiftyOne cannot open file://.*/yard/v1: MongoDB could not be installed"):
        open_in_fiftyone(released(clips), NAME, copies=tmp_path)
