from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vda_assets.datasets.clips import (
    Clip,
    LeftOut,
    clip_at,
    clip_key,
    further_of,
    iterate_clips,
    key_of,
    list_clips,
    path_of,
)
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadClipName
from vda_assets.storage.url import StorageUrl


def dataset(folder: Path) -> StorageUrl:
    return StorageUrl.parse(f"file://{folder}")


def put(folder: Path, *names: str, content: bytes = b"clip", age_seconds: float = 60) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        then = path.stat().st_mtime - age_seconds
        os.utime(path, (then, then))


@given(st.text(min_size=1, max_size=15).filter(lambda text: not set(text.split("/")) & {"", ".", ".."}))
def test_a_key_is_safe_and_gives_its_path_back(path: str) -> None:
    try:
        key = key_of(path)
    except UnicodeEncodeError:
        return
    assert path_of(key) == path
    assert further_of(key) is None, "no clip's key is that of a further augmentation"
    assert (clip_key(f"{key}=aug12"), further_of(f"{key}=aug12"), path_of(f"{key}=aug12")) == (key, 12, path)
    assert set(key) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=-")
    assert key[0] not in "._-"


def test_plain_names_are_their_own_keys() -> None:
    assert key_of("bikes.mp4") == "bikes.mp4"
    assert key_of("cam 1/bikes.mp4") == "cam=201=2Fbikes.mp4"


@pytest.mark.parametrize(
    "key",
    [
        "=41.mp4",
        "a=62.mp4",
        "=2E=2E=2Fa.mp4",
        "a=2F=2Fb.mp4",
        "=FF.mp4",
        "a=4.mp4",
        "a=.mp4",
        "a.mp4=aug03",
        "a.mp4=aug1=aug2",
    ],
)
def test_a_key_that_no_path_goes_by_is_refused(key: str) -> None:
    with pytest.raises(BadClipName, match="no key of a clip"):
        path_of(key)


def test_two_unicode_forms_of_a_name_are_one_clip_told_once(tmp_path: Path) -> None:
    composed, decomposed = "stra\u00dfe \u00fc.mp4", "stra\u00dfe u\u0308.mp4"
    put(tmp_path, composed, decomposed, "only u\u0308.mp4")
    listing = list_clips(Storage(), dataset(tmp_path))
    assert {clip.path for clip in listing.clips} == {composed, "only u\u0308.mp4"}
    assert set(listing.left_out) == {decomposed}


def test_a_name_that_no_key_can_carry_is_refused() -> None:
    with pytest.raises(BadClipName, match="too long"):
        key_of("自" * 30 + ".mp4")


def test_a_dataset_is_listed_with_its_nested_folders_in_any_case(tmp_path: Path) -> None:
    put(tmp_path, "b.mp4", "a.MKV", "night/c.avi", "IMG_1.MOV", "notes.txt", ".hidden.mp4")
    listing = list_clips(Storage(), dataset(tmp_path))
    assert [clip.key for clip in listing.clips] == ["IMG_1.MOV", "a.MKV", "b.mp4", "night=2Fc.avi"]
    assert listing.clips[3].url == dataset(tmp_path) / "night/c.avi"
    assert listing.left_out == {}


def test_what_is_no_clip_by_its_name_is_counted_by_kind_with_an_example(tmp_path: Path) -> None:
    put(tmp_path, "a.mp4", "a.webm", "night/b.WEBM", "notes.txt", ".hidden.mp4", "clip0001", "a.b/c")
    skipped = list_clips(Storage(), dataset(tmp_path)).skipped
    assert skipped.counts == {".webm": 2, "bare": 2, ".txt": 1, "hidden": 1}
    assert "skipped: 2 .webm files, 'a.webm' for instance" in skipped.lines
    assert "skipped: 1 hidden file, '.hidden.mp4' for instance" in skipped.lines


def test_kinds_without_end_are_counted_as_one(tmp_path: Path) -> None:
    put(tmp_path, *(f"frame.{number:03}" for number in range(60)), "long.extension-without-end")
    skipped = list_clips(Storage(), dataset(tmp_path)).skipped
    assert sum(skipped.counts.values()) == 61
    assert len(skipped.counts) <= 21


def test_what_cannot_be_used_is_left_out_with_its_reason(tmp_path: Path) -> None:
    put(tmp_path, "a.avi", "a.mp4", "bad,name.mp4")
    put(tmp_path, "empty.mp4", content=b"")
    listing = list_clips(Storage(), dataset(tmp_path))
    assert [clip.key for clip in listing.clips] == ["a.mp4"]
    assert set(listing.left_out) == {"a.avi", "bad,name.mp4", "empty.mp4"}
    assert "mix with those of 'a.mp4'" in listing.left_out["a.avi"]
    assert "','" in listing.left_out["bad,name.mp4"]
    assert "zero bytes" in listing.left_out["empty.mp4"]


@pytest.mark.parametrize(
    ("present", "kept"),
    [
        (["a.avi", "a.mkv", "a.mp4"], ["a.mp4"]),
        (["a.avi", "a.mkv"], ["a.avi"]),
        (["a.MP4", "a.avi", "a.mp4"], ["a.MP4"]),
        (["a.avi", "a.b.avi", "a.b/c.mp4", "a.b.mp4", "a.mp4"], ["a.b.mp4", "a.b/c.mp4", "a.mp4"]),
        (["a.avi", "a,.mp4"], ["a.avi"]),
    ],
)
def test_of_clips_that_share_a_name_the_mp4_is_kept_or_else_the_first(
    tmp_path: Path, present: list[str], kept: list[str]
) -> None:
    put(tmp_path, *present)
    assert [clip.path for clip in iterate_clips(Storage(), dataset(tmp_path)) if isinstance(clip, Clip)] == kept


def test_an_mp4_that_cannot_be_used_hides_no_clip(tmp_path: Path) -> None:
    put(tmp_path, "a.avi")
    put(tmp_path, "a.mp4", content=b"")
    assert [clip.key for clip in list_clips(Storage(), dataset(tmp_path)).clips] == ["a.avi"]


def test_a_file_that_was_changed_just_now_is_left_for_later_when_only_settled_ones_count(tmp_path: Path) -> None:
    put(tmp_path, "growing.mp4", age_seconds=0)
    (found,) = iterate_clips(Storage(), dataset(tmp_path), settled=True)
    assert isinstance(found, LeftOut)
    assert "still be growing" in found.reason
    assert len(list_clips(Storage(), dataset(tmp_path)).clips) == 1


def test_an_empty_or_absent_folder_has_no_clips(tmp_path: Path) -> None:
    assert list_clips(Storage(), dataset(tmp_path / "nowhere")).clips == ()


def test_a_clip_has_another_version_once_its_content_changed(tmp_path: Path) -> None:
    put(tmp_path, "a.mp4", content=b"one")
    before = clip_at(Storage(), dataset(tmp_path), "a.mp4").version
    put(tmp_path, "a.mp4", content=b"another")
    assert clip_at(Storage(), dataset(tmp_path), "a.mp4").version != before


def test_a_further_augmentation_is_its_clip_by_another_key(tmp_path: Path) -> None:
    put(tmp_path, "cam 1/b.AVI")
    url = StorageUrl.parse(f"file://{tmp_path}")
    (clip,) = list_clips(Storage(), url).clips
    further = clip_at(Storage(), url, f"{clip.key}=aug7")
    assert further == clip.augmented_further(7)
    assert (further.further, clip.further) == (7, None)
    for of in (clip, further):
        assert (of.url, of.version, of.path, of.video, of.suffix) == (
            clip.url,
            clip.version,
            "cam 1/b.AVI",
            clip.video,
            ".avi",
        )


def test_a_clip_that_vanished_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4 does not exist"):
        clip_at(Storage(), dataset(tmp_path), "gone.mp4")


names = st.sampled_from(
    [
        "a.mp4",
        "a.avi",
        "a.b.mp4",
        "a.b.MKV",
        "a.b.c.avi",
        "a-.mp4",
        "a.b/a.mkv",
        "ab.mp4",
        "b/a.mp4",
        "b/a.avi",
        "a.b.webm",
        "a.mov",
        "b.mp4",
        ".b/a.mp4",
        "b/.a.mp4",
        "a.b/.a/b.mkv",
    ]
)


@given(st.sets(names, min_size=1), names)
def test_a_listing_that_goes_on_behind_a_clip_says_what_the_whole_one_says(
    tmp_path_factory: pytest.TempPathFactory, present: set[str], after: str
) -> None:
    folder = tmp_path_factory.mktemp("clips")
    put(folder, *present)
    whole = list(iterate_clips(Storage(), dataset(folder)))
    rest = list(iterate_clips(Storage(), dataset(folder), after=after))
    assert rest == [found for found in whole if found.path > after]


def test_a_large_dataset_is_gone_through_in_little_memory(tmp_path: Path) -> None:
    for number in range(100):
        put(tmp_path, *(f"{number:03}/{clip:03}.avi" for clip in range(100)), age_seconds=0)
    tracemalloc.start()
    try:
        count = sum(1 for _ in iterate_clips(Storage(), dataset(tmp_path)))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 10_000
    assert peak_bytes < 500_000


def test_a_flat_folder_of_many_clips_is_listed_whole_and_from_its_middle(tmp_path: Path) -> None:
    names = [f"{number:05}.mp4" for number in range(41_000)]
    for name in names:
        (tmp_path / name).touch()
    assert [found.path for found in Storage().walk(dataset(tmp_path))] == names
    assert [found.path for found in Storage().walk(dataset(tmp_path), after=names[20_500])] == names[20_501:]


def test_a_file_from_the_future_is_not_waited_for(tmp_path: Path) -> None:
    put(tmp_path, "a.mp4", age_seconds=-3600)
    (found,) = iterate_clips(Storage(), dataset(tmp_path), settled=True)
    assert isinstance(found, Clip)
