"""A release is whole or not there, never changes, is the same twice, and holds nothing that is not whole itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from vda_assets.outcomes.verdict import Verdict
from vda_assets.releases.errors import Changed, NothingToRelease, ReleaseError, VersionTaken
from vda_assets.releases.release import release
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import StorageUnavailable
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.releases.made import LABELS, ORIGINAL, RUN, VIDEOS, MadeClips, changed, clip_content
from vda_assets_tests.storage.emulators import moto


def folder_of(url: StorageUrl) -> Path:
    return Path(f"/{url.key}")


def contents(folder: Path) -> dict[str, str]:
    """Path -> hash of everything below the folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(url: StorageUrl) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder_of(url) / "metadata.jsonl").read_text().splitlines()]


class Failing(Storage):
    """Storage whose writes fail from the `after`-th on."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.writes, self._after = 0, after

    def _step(self) -> None:
        self.writes += 1
        if self.writes > self._after:
            raise StorageUnavailable("file:///", "the process is killed here")

    def write_bytes(self, url: StorageUrl, content: bytes) -> None:
        self._step()
        super().write_bytes(url, content)

    def upload(self, source: Path, url: StorageUrl) -> None:
        self._step()
        super().upload(source, url)

    def create(self, source: Path, url: StorageUrl) -> None:
        self._step()
        super().create(source, url)

    def copy(self, source: StorageUrl, target: StorageUrl) -> None:
        self._step()
        super().copy(source, target)


def test_a_release_holds_what_its_hashes_say_and_the_pointer_names_it(clips: MadeClips) -> None:
    clips.add("a.mp4")
    clips.add("night/b.mp4")
    released = clips.release()
    folder = folder_of(released.url)
    assert (folder.parent / "CURRENT").read_text() == f"{released.version}\n"
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True)
    assert checked.returncode == 0, checked.stderr
    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {line.partition("  ")[2] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert listed == set(contents(folder)) - {"manifest.json", "SHA256SUMS"}
    assert manifest["files"] == len(listed)
    assert manifest["SHA256SUMS"] == hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest()
    assert manifest["counts"] == released.counts
    assert released.counts["splits"] == {**dict.fromkeys(("train", "val", "test"), 0), "train": 4}


def test_the_videos_are_the_clips_that_were_labelled(clips: MadeClips) -> None:
    clips.add("a.mp4")
    found = rows(clips.release().url)
    folder = folder_of(clips.draft().url)
    contents_by_name = {row["generated"]: (folder / row["file_name"]).read_bytes() for row in found}
    assert contents_by_name == {False: clip_content(6, "a.mp4"), True: clip_content(6, "a.mp4 0")}
    assert [hashlib.sha256((folder / row["file_name"]).read_bytes()).hexdigest() for row in found] == [
        row["sha256"] for row in found
    ]


def test_a_row_says_where_a_video_comes_from_and_that_it_is_generated(clips: MadeClips) -> None:
    candidate = clips.add("a.mp4")
    original, augmented = rows(clips.release(licence="CC-BY-4.0").url)
    assert (original["generated"], augmented["generated"]) == (False, True)
    assert augmented["digital_source_type"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert original["digital_source_type"] is None
    assert {row["source_version"] for row in (original, augmented)} == {candidate.clip.version}
    assert augmented["variables"] == [
        {"name": "weather", "value": "rain"},
        {"name": "time_of_day", "value": "midday"},
    ]
    expected = {
        "licence": "CC-BY-4.0",
        "source_key": "a.mp4",
        "augmentation_image": "c@sha256:12",
        "augmentation_run": RUN,
        "hallucination_score": 0.9,
        "prompt": "The same under rain, midday.",
        "verdict": "accepted",
        "labels_verdict": "accepted",
        "stand_in": False,
    }
    assert {name: augmented[name] for name in expected} == expected


def test_the_same_clips_give_the_same_bytes(clips: MadeClips) -> None:
    clips.add("b.mp4")
    clips.add("a.mp4")
    drafted = clips.draft()
    root = folder_of(release(clips.storage, drafted).url).parent
    once = contents(root)
    subprocess.run(["rm", "-r", str(root)], check=True)
    clips.candidates.reverse()
    assert clips.draft().content == drafted.content
    clips.release()
    assert contents(root) == once


def test_every_file_is_the_same_however_few_clips_are_at_hand_at_once(
    clips: MadeClips, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("a.mp4", "b.mp4", "c.mp4"):
        clips.add(path, drawn=({"weather": "rain"}, {"weather": "fog"}))
    drafted = clips.draft()
    root = folder_of(release(clips.storage, drafted).url)
    at_once = contents(root)
    subprocess.run(["rm", "-r", str(root)], check=True)
    monkeypatch.setattr("vda_assets.releases.release._CLIPS_AT_ONCE", 1)
    release(clips.storage, drafted)
    one_by_one = contents(root)
    # They list the files in the order in which they were written.
    differing = {"SHA256SUMS", "manifest.json"}
    assert {path for path in at_once | one_by_one if at_once.get(path) != one_by_one.get(path)} <= differing


def test_an_upload_that_is_in_nothing_released_changes_no_version(clips: MadeClips) -> None:
    clips.add("a.mp4")
    before = clips.release()
    unfinished = clips.add("b.mp4")
    for stage in (ORIGINAL, VIDEOS, LABELS):
        unfinished = changed(unfinished, stage, said="missing", is_made=False)
    clips.candidates[1] = unfinished
    again = clips.release()
    assert (again.version, again.was_there) == (before.version, True)


def test_a_version_never_changes(clips: MadeClips) -> None:
    clips.add("a.mp4")
    before = contents(folder_of(clips.release(version="v1").url))
    assert clips.release(version="v1").was_there
    clips.add("b.mp4")
    with pytest.raises(VersionTaken, match="holds another content, and a version never changes"):
        clips.release(version="v1")
    assert contents(folder_of(clips.draft(version="v1").url)) == before
    clips.release(version="v2")
    pointer = folder_of(clips.draft(version="v2").url).parent / "CURRENT"
    assert pointer.read_text() == "v2\n"


@pytest.mark.parametrize("version", ["", "..", "a/b", "current", "CURRENT", "-x", "x" * 64, "a b"])
def test_a_version_is_the_name_of_a_folder(clips: MadeClips, version: str) -> None:
    clips.add("a.mp4")
    with pytest.raises(ReleaseError, match="must be 1 to 63"):
        clips.draft(version=version)


def test_killed_at_any_write_the_same_command_ends_with_the_same_bytes(clips: MadeClips) -> None:
    clips.add("a.mp4")
    drafted = clips.draft()
    counting = Failing(10**9)
    release(counting, drafted)
    root = folder_of(drafted.url)
    whole = contents(root.parent)
    for after in [*range(0, counting.writes, 13), *range(counting.writes - 3, counting.writes)]:
        subprocess.run(["rm", "-r", str(root.parent)], check=True)
        with pytest.raises(StorageUnavailable):
            release(Failing(after), drafted)
        is_whole = (root / "manifest.json").exists()
        assert is_whole == (after == counting.writes - 1), "the manifest comes last, before the pointer alone"
        assert not (root.parent / "CURRENT").exists()
        again = release(Storage(), drafted)
        assert again.was_there == is_whole
        assert contents(root.parent) == whole


def test_what_a_killed_release_left_half_written_is_gone_from_the_finished_one(clips: MadeClips) -> None:
    clips.add("a.mp4")
    drafted = clips.draft()
    root = folder_of(release(clips.storage, drafted).url)
    whole = contents(root)
    (root / "manifest.json").unlink()
    (root / "SHA256SUMS").unlink()
    for stray in ("labels/mot/.gt.txt.4711.part", "labels/of-an-older-format.json"):
        (root / stray).write_text("half")
    clips.release()
    assert contents(root) == whole


def test_a_version_that_was_begun_with_another_content_is_not_mixed_with_it(clips: MadeClips) -> None:
    clips.add("a.mp4")
    with pytest.raises(StorageUnavailable):
        release(Failing(20), clips.draft(version="v1"))
    clips.add("b.mp4")
    with pytest.raises(VersionTaken, match=r"was begun with another content.* or delete what was begun"):
        clips.release(version="v1")


def truncated(clips: MadeClips) -> None:
    clips.storage.write_bytes(clips.folder(LABELS, "a_aug0") / "contextual/objects.json", b"{")


def without_marker(clips: MadeClips) -> None:
    clips.storage.delete(clips.folder(LABELS, "a_aug0") / "outcome.json")


def without_file(clips: MadeClips) -> None:
    clips.storage.delete(clips.folder(VIDEOS, "a_aug0") / "augmented_video.mp4")


def of_another_attempt(clips: MadeClips) -> None:
    """The very size, other bytes."""
    url = clips.folder(LABELS, "a_aug0") / "task/mcq.json"
    clips.storage.write_bytes(url, clips.storage.read_bytes(url).replace(b"Overcast", b"Sunburnt"))


def labels_of_another_video(clips: MadeClips) -> None:
    content = clip_content(6, "another")
    clips.leave(clips.folder(VIDEOS, "a_aug0"), "a_aug0", {"augmented_video.mp4": content, "metadata.json": b"{}"})


@pytest.mark.parametrize(
    "spoil", [truncated, without_marker, without_file, of_another_attempt, labels_of_another_video]
)
def test_what_is_not_whole_in_storage_is_left_out_alone(clips: MadeClips, spoil: Any) -> None:
    clips.add("a.mp4")
    clips.add("b.mp4")
    spoil(clips)
    drafted = clips.draft()
    assert [one.reason.startswith("not whole in storage: ") for one in drafted.left_out] == [True]
    assert [row["name"].partition("-")[0] for row in rows(release(clips.storage, drafted).url)] == ["a", "b", "b"]


def test_what_is_replaced_while_it_is_released_ends_that_release_and_is_judged_anew_by_the_next(
    clips: MadeClips,
) -> None:
    clips.add("a.mp4")
    clips.add("b.mp4")
    drafted = clips.draft()
    of_another_attempt(clips)
    with pytest.raises(Changed, match=r"run the same again: task/mcq\.json of a_aug0 is not the file"):
        release(clips.storage, drafted)
    assert not (folder_of(drafted.url) / "manifest.json").exists()
    assert clips.release().counts["videos"] == 3


def test_what_is_left_out_is_in_no_file(clips: MadeClips) -> None:
    clips.add("good.mp4")
    clips.candidates.append(changed(clips.add("shunned.mp4"), ORIGINAL, said="degraded"))
    rejected = changed(clips.candidates.pop(), VIDEOS, said=Verdict.REJECTED)
    clips.candidates[1] = rejected
    folder = folder_of(clips.release().url)
    assert [path for path in contents(folder) if "shunned" in path] == []
    assert [path for path in contents(folder) if b"shunned" in (folder / path).read_bytes()] == []


def test_a_stand_in_s_output_is_known_by_storage_too_and_marked_in_every_file_that_can_hold_a_mark(
    clips: MadeClips,
) -> None:
    silent = clips.add("a.mp4", stand_in=True)
    for stage in (ORIGINAL, VIDEOS, LABELS):
        silent = changed(silent, stage, stand_in=False)
    clips.candidates = [silent]
    with pytest.raises(NothingToRelease, match="2 x a stand-in's output"):
        clips.release()
    folder = folder_of(clips.release(with_stand_ins=True).url)
    marked = {path for path in contents(folder) if b"tand-in" in (folder / path).read_bytes()}
    marked |= {path for path in contents(folder) if b"stand_in" in (folder / path).read_bytes()}
    expected = {"README.md", "croissant.json", "manifest.json", "metadata.jsonl", "metadata.parquet"}
    expected |= {"labels/coco/annotations.json", "labels/yolo/data.yaml", "cosmos_sft_dropped.jsonl"}
    expected |= {f"labels/tao-vl-reason-v1.0/train/{task}.json" for task in ("mcq", "bcq", "open_qa")}
    expected |= {"labels/cosmos-reason-v1.0/train/meta.json"}
    assert expected - marked == set()
    expected = {*folder.glob("labels/cosmos-reason-v1.0/*/text/*.json"), *folder.glob("labels/mot/*/seqinfo.ini")}
    assert {str(path.relative_to(folder)) for path in expected} <= marked
    assert {path.parent.name for path in folder.glob("labels/daft/*/sidecars/stand_in.json")} == {"sidecars"}
    assert all(b"tand-in" in path.read_bytes() for path in folder.glob("labels/cvat/*.xml"))


def test_of_nothing_there_is_no_release_and_the_reasons_are_told(clips: MadeClips) -> None:
    clips.candidates = [changed(clips.add("a.mp4"), stage, said="rejected") for stage in (ORIGINAL,)]
    clips.candidates[0] = changed(clips.candidates[0], VIDEOS, said="rejected")
    with pytest.raises(NothingToRelease, match="1 x its labels: rejected; 1 x its video: rejected"):
        clips.release()
    assert not folder_of(clips.root / "releases").exists()


def test_in_a_bucket_a_release_is_the_same_and_no_video_passes_through_here(tmp_path: Path) -> None:
    local = MadeClips(Storage(), StorageUrl.parse(f"file://{tmp_path}/storage"))
    local.add("a.mp4")
    expected = contents(folder_of(local.release().url)).keys()
    with moto(tmp_path) as place:
        watching = WithoutVideos([place.credential] if place.credential else [])
        clips = MadeClips(watching, place.root)
        clips.add("a.mp4")
        released = clips.release()
        assert {one.path for one in watching.walk(released.url)} == expected
        (name,) = [path for path in expected if path.startswith("videos/") and path.endswith("original.mp4")]
        assert watching.read_bytes(released.url / name) == clip_content(6, "a.mp4")


class WithoutVideos(Storage):
    """Storage from which no video comes while something is released."""

    def download(self, url: StorageUrl, target: Path, *, hashed: bool = False) -> Any:
        assert not url.name.endswith(".mp4"), url
        return super().download(url, target, hashed=hashed)
