"""A release in another bucket or folder is the same, or not taken for whole; and only a whole one is pushed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from vda_assets.publishing import finished as finished_module
from vda_assets.publishing.errors import NotFinished, PlaceTaken
from vda_assets.publishing.finished import File, Finished, files_in, find_finished, list_files
from vda_assets.publishing.to_storage import push_to_storage
from vda_assets.releases.errors import ReleaseError
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import StorageUnavailable
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.releases.made import DATASET, MadeClips
from vda_assets_tests.releases.test_release import Failing, contents, folder_of
from vda_assets_tests.storage.emulators import moto


def released(clips: MadeClips, version: str = "v1") -> Finished:
    if not clips.candidates:
        clips.add("a.mp4")
        clips.add("day/b.mp4")
    clips.release(version=version)
    return find_finished(clips.storage, clips.root, DATASET, version)


def folder_in(path: Path) -> StorageUrl:
    return StorageUrl.parse(f"file://{path}/copies")


class Counting(Storage):
    """Storage that knows what was put into it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.put: list[str] = []

    def upload(self, source: Path, url: StorageUrl) -> None:
        self.put.append(url.name)
        super().upload(source, url)


def test_a_pushed_release_is_the_same_in_a_folder_and_in_a_bucket(clips: MadeClips, tmp_path: Path) -> None:
    one = released(clips)
    assert push_to_storage(one, Storage(), folder_in(tmp_path))
    expected = contents(folder_of(one.root))
    assert contents(tmp_path / "copies/v1") == expected
    with moto(tmp_path) as place:
        storage = Counting([place.credential] if place.credential else [])
        assert push_to_storage(one, storage, place.root / "copies")
        sizes = {path: (folder_of(one.root) / path).stat().st_size for path in expected}
        assert {found.path: found.size_bytes for found in storage.walk(place.root / "copies/v1")} == sizes
        assert storage.put[-1] == "SHA256SUMS"
        assert not push_to_storage(one, storage, place.root / "copies")
        assert len(storage.put) == len(expected) - 2, "CONTENT is created and the manifest written"
    assert not push_to_storage(one, Storage(), folder_in(tmp_path))


def test_killed_at_any_write_the_same_command_ends_with_the_same_bytes(clips: MadeClips, tmp_path: Path) -> None:
    one = released(clips)
    expected, place = contents(folder_of(one.root)), tmp_path / "copies/v1"
    for after in [*range(0, len(expected), 41), len(expected) - 2, len(expected) - 1]:
        with pytest.raises(StorageUnavailable):
            push_to_storage(one, Failing(after), folder_in(tmp_path))
        assert not (place / "manifest.json").exists()
        there = len(list(place.rglob("*.*"))) if place.exists() else 0
        again = Counting()
        assert push_to_storage(one, again, folder_in(tmp_path))
        assert contents(place) == expected
        assert len(again.put) <= len(expected) - min(after, there)
        subprocess.run(["rm", "-r", str(place)], check=True)


def test_what_is_there_with_other_bytes_of_the_same_size_is_sent_again(clips: MadeClips, tmp_path: Path) -> None:
    one = released(clips)
    with pytest.raises(StorageUnavailable):
        push_to_storage(one, Failing(60), folder_in(tmp_path))
    file = next((tmp_path / "copies/v1/labels").rglob("objects.json"))
    file.write_bytes(b"?" * file.stat().st_size)
    push_to_storage(one, Storage(), folder_in(tmp_path))
    assert contents(tmp_path / "copies/v1") == contents(folder_of(one.root))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("CONTENT", "another\n", "holds another release of that version, with another content"),
        ("notes.txt", "mine", "holds something that is no release"),
    ],
)
def test_a_folder_that_is_taken_is_left_as_it_is(
    clips: MadeClips, tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / "copies/v1").mkdir(parents=True)
    (tmp_path / "copies/v1" / name).write_text(content)
    before = contents(tmp_path / "copies/v1")
    with pytest.raises(PlaceTaken, match=said):
        push_to_storage(released(clips), Storage(), folder_in(tmp_path))
    assert contents(tmp_path / "copies/v1") == before


def without_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def without_sums(folder: Path) -> None:
    (folder / "SHA256SUMS").unlink()


def without_a_file(folder: Path) -> None:
    next(folder.rglob("objects.json")).unlink()


def with_a_changed_file(folder: Path) -> None:
    next(folder.rglob("mcq.json")).write_text("{}")


def with_changed_sums(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(lines[1:]))


def with_a_manifest_of_something_else(folder: Path) -> None:
    (folder / "manifest.json").write_text("[]")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without_manifest, r"is not whole: a release was killed .*Run `vda release --dataset yard --version v1` again"),
        (without_sums, "is not whole: SHA256SUMS is not there"),
        (without_a_file, r"is not whole: labels/daft/.*/objects.json is not there"),
        (with_a_changed_file, r"mcq.json is not the file that was released"),
        (with_changed_sums, "SHA256SUMS is not the one that the manifest names"),
        (with_a_manifest_of_something_else, "manifest.json is no manifest of a release"),
    ],
)
def test_what_is_not_whole_is_not_pushed_and_the_file_is_named(
    clips: MadeClips, tmp_path: Path, spoil: Any, said: str
) -> None:
    spoil(folder_of(released(clips).root))
    with pytest.raises(NotFinished, match=said):
        push_to_storage(
            find_finished(clips.storage, clips.root, DATASET, "v1"), Storage(), StorageUrl.parse(f"file://{tmp_path}/c")
        )
    assert not list((tmp_path / "c").rglob("manifest.json"))


def test_without_a_version_the_last_one_is_meant(clips: MadeClips) -> None:
    with pytest.raises(NotFinished, match="nothing of yard is released: `vda release --dataset yard` does it"):
        find_finished(clips.storage, clips.root, DATASET, None)
    released(clips)
    clips.add("c.mp4")
    clips.release(version="v2")
    assert find_finished(clips.storage, clips.root, DATASET, None).version == "v2"
    with pytest.raises(NotFinished, match=r"there is no version v3 at .*; the last of yard is v2"):
        find_finished(clips.storage, clips.root, DATASET, "v3")
    with pytest.raises(ReleaseError, match="must be 1 to 63"):
        find_finished(clips.storage, clips.root, DATASET, "../x")


def test_files_are_listed_in_the_order_of_their_bytes_however_many_there_are(
    clips: MadeClips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips.add("Straße.mp4")
    clips.add("\U0001f697 b.mp4")
    one = released(clips)
    at_once = [file for _, file in files_in(list_files(one, tmp_path))]
    monkeypatch.setattr(finished_module, "_SORTED_AT_ONCE", 7)
    assert [file for _, file in files_in(list_files(one, tmp_path))] == at_once
    assert at_once == sorted(at_once, key=lambda file: file.path.encode())
    sizes = {path: (folder_of(one.root) / path).stat().st_size for path in contents(folder_of(one.root))}
    assert {file.path: file.size_bytes for file in at_once} == {
        path: size for path, size in sizes.items() if path not in ("SHA256SUMS", "manifest.json")
    }
    assert File.of_line(at_once[0].line) == at_once[0]
