"""From any file of one video back to its clip and run, by the release alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vda_assets.publishing.trace import trace
from vda_assets.releases.errors import NotReleased
from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.releases.made import RUN, MadeClips
from vda_assets_tests.releases.test_release import contents, folder_of

SHARED = [
    *("CONTENT", "README.md", "SHA256SUMS", "croissant.json", "manifest.json", "metadata.jsonl", "metadata.parquet"),
    *("cosmos_sft.jsonl", "cosmos_sft_dropped.jsonl", "labels/mot/labels.txt", "labels/yolo/data.yaml"),
]
OF_SPLIT = ("metadata.parquet", "meta.json", "media/README.txt", "mcq.json", "bcq.json", "open_qa.json")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a release, far from where it was made."""
    folder = tmp_path_factory.mktemp("trace")
    clips = MadeClips(Storage(), StorageUrl.parse(f"file://{folder}/storage"))
    for path in ("a.mp4", "a_aug0.mp4", "A.mp4", "aa.mp4"):
        clips.add(path)
    place = folder / "elsewhere/my copy"
    shutil.copytree(folder_of(clips.release(version="v1").url), place)
    shutil.rmtree(folder_of(clips.root))
    return place


def traced(file: Path) -> dict:
    return trace(Storage(), StorageUrl.parse(f"file://{file}"))


def test_every_file_of_a_video_leads_to_its_clip_and_how_it_was_made(copy: Path) -> None:
    of_one = [path for path in contents(copy) if "-aug0" in path or "-original" in path]
    for path in of_one:
        row = traced(copy / path)
        assert row["name"] in path
        assert row["source_key"].removesuffix(".mp4") == row["name"].rpartition("-")[0].rpartition("-")[0]
        assert (row["labels_run"], row["release"]) == (RUN, "yard v1")
        assert bool(row["variables"]) == row["generated"] == ("-aug0" in path)
    rest = [path for path in contents(copy) if path not in {*of_one, *SHARED} and "labels/coco/" not in path]
    assert all(path.endswith(OF_SPLIT) for path in rest)


@pytest.mark.parametrize("path", SHARED)
def test_what_is_of_all_videos_is_called_so(copy: Path, path: str) -> None:
    with pytest.raises(NotReleased, match="is of no single video of the release"):
        traced(copy / path)


@pytest.mark.parametrize("content", ["", "[]", '{"name": "a manifest of something else"}'])
def test_what_merely_looks_like_a_release_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    (tmp_path / "metadata.jsonl").write_text('{"name": "x", "file_name": "x.mp4"}\n')
    with pytest.raises(NotReleased, match="is no release, or not all of one"):
        traced(tmp_path / "x.mp4")


def test_a_file_outside_of_any_release_is_called_so(copy: Path) -> None:
    with pytest.raises(NotReleased, match=r"lies in no release: no folder above it has a manifest\.json"):
        traced(copy.parent / "x.mp4")
