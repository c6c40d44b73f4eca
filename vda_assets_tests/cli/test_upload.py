"""`vda upload` as it is called."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from vda_assets_tests.cli.project import (
    DATASET,
    Project,
    killed_after_lines,
    project_on,
)
from vda_assets_tests.media.conftest import INPUTS


@pytest.mark.parametrize(("backend", "kills"), [("file", 4), ("s3", 3)])
def test_an_upload_killed_at_any_moment_and_run_again_has_every_byte(backend: str, kills: int, tmp_path: Path) -> None:
    content, moments = random.Random(3), random.Random(13)
    with project_on(backend, tmp_path) as project:
        clips = {f"day {number % 3}/c{number}.mp4": content.randbytes(700_000) for number in range(30)}
        for path, one in clips.items():
            (tmp_path / "clips" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "clips" / path).write_bytes(one)
        storage = project.place.storage
        for _ in range(kills):
            with project.start("upload", DATASET, "clips") as process:
                killed_after_lines(process, moments.randrange(len(clips)))
            there = [found.path for found in storage.walk(project.clips) if not found.path.endswith(".part")]
            assert all(storage.read_bytes(project.clips / path) == clips[path] for path in there)
        done = project.vda("upload", DATASET, "clips")
        assert done.returncode == 0, done.stderr
        assert {path: storage.read_bytes(project.clips / path) for path in storage.find(project.clips)} == clips


def test_clips_are_uploaded_with_their_folders_and_what_cannot_be_is_said(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    (folder / "night").mkdir(parents=True)
    (folder / "a.MP4").write_bytes(b"\0a")
    (folder / "night/b.mkv").write_bytes(b"\0b")
    (folder / "notes.txt").write_bytes(b"no clip")
    (folder / "empty.mp4").touch()
    (folder / "bad,name.mp4").write_bytes(b"\0c")
    (tmp_path / "secret.mp4").write_bytes(b"\0secret")
    (folder / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "a.MP4").write_bytes(b"\0another a")
    project.place.storage.write_bytes(project.clips / "night/b.mkv", b"user's own")

    done = project.vda("upload", DATASET, "clips", str(tmp_path / "a.MP4"), "gone.mp4", "clips/notes.txt")

    assert done.returncode == 1
    assert done.stdout == f"{project.clips}/a.MP4\n"
    skipped, *failed = done.stderr.splitlines()
    assert skipped == "skipped: 1 .txt file, 'clips/notes.txt' for instance"
    reasons = {line.split(": ", 2)[1]: line.split(": ", 2)[2] for line in failed}
    assert reasons.pop("clips/bad,name.mp4").endswith("which OSMO refuses")
    assert reasons == {
        "clips/empty.mp4": "it has zero bytes. Upload the clip itself, or take this out of the dataset.",
        "clips/link.mp4": "it is a symbolic link that leads out of clips; name its target",
        str(tmp_path / "a.MP4"): "clips/a.MP4 has the same name; rename one",
        "gone.mp4": "it does not exist",
        "clips/notes.txt": "it is no clip: only .mp4, .mov, .avi, .mkv are taken",
        "clips/night/b.mkv": (
            f"{project.clips}/night/b.mkv exists with other content and is kept; give your clip another name"
        ),
    }
    storage = project.place.storage
    assert storage.read_bytes(project.clips / "night/b.mkv") == b"user's own"
    assert set(storage.find(project.clips)) == {"a.MP4", "night/b.mkv"}

    again = project.vda("upload", DATASET, "clips/a.MP4")
    assert (again.returncode, again.stdout) == (0, f"{project.clips}/a.MP4  (was there already)\n")


def test_an_upload_onto_a_full_disk_says_so_and_the_rest_goes_on(project: Project) -> None:
    (project.folder / "clips").mkdir()
    (project.folder / "clips/a big one.mp4").write_bytes(b"\1" + bytes(3_000_000))
    (project.folder / "clips/small.mp4").write_bytes(b"\0small")
    done = project.vda("upload", DATASET, "clips", largest_file_bytes=1_000_000)
    assert (done.returncode, done.stdout) == (1, f"{project.clips}/small.mp4\n")
    target = Path("/" + project.clips.key)
    assert done.stderr == f"FAILED: clips/a big one.mp4: the disk of {target} is full\n"
    assert [path.name for path in target.iterdir()] == ["small.mp4"]


def test_a_clip_that_vanishes_while_others_are_uploaded_is_named(tmp_path: Path) -> None:
    with project_on("s3", tmp_path) as project:
        clips = [tmp_path / f"clips/{number:03}.mp4" for number in range(120)]
        clips[0].parent.mkdir()
        for clip in clips:
            clip.write_bytes(b"\0" + clip.name.encode())
        with project.start("upload", DATASET, "clips") as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGSTOP)
            clips[-1].unlink()
            process.send_signal(signal.SIGCONT)
            _, errors = process.communicate()
        assert (process.returncode, errors) == (1, "FAILED: clips/119.mp4: it does not exist any more\n")
        assert set(project.place.storage.find(project.clips)) == {clip.name for clip in clips[:-1]}


def test_what_is_no_video_is_told_at_the_door_for_what_it_is(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "lfs.mp4").write_bytes((INPUTS / "lfs.mp4").read_bytes())
    (folder / "page.mp4").write_bytes(b"\n<!DOCTYPE html><html><title>Sign in</title></html>")
    (folder / "list.mp4").write_bytes((INPUTS / "evil_ffconcat.mp4").read_bytes())
    (folder / "notes.mp4").write_bytes(b"to be recorded")
    (folder / "clip.webm").write_bytes(b"\x1a\x45\xdf\xa3")
    (folder / ".part.mp4").write_bytes(b"\0a")
    (folder / "IMG_1.MOV").write_bytes((INPUTS / "four_frames.mp4").read_bytes())
    done = project.vda("upload", DATASET, "clips")
    assert (done.returncode, done.stdout) == (1, f"{project.clips}/IMG_1.MOV\n")
    for said in (
        "skipped: 1 .webm file, 'clips/clip.webm' for instance",
        "skipped: 1 hidden file, 'clips/.part.mp4' for instance",
        "FAILED: clips/lfs.mp4: it is a Git LFS pointer, not a video. Run git lfs pull",
        "FAILED: clips/page.mp4: it is a web page, not a video",
        "FAILED: clips/list.mp4: it is a playlist that names other files or addresses, not a video",
        "FAILED: clips/notes.mp4: it is plain text, not a video",
    ):
        assert said in done.stderr


def test_the_links_of_a_hub_snapshot_are_followed_into_its_repository_and_no_further(
    project: Project, tmp_path: Path
) -> None:
    repository = tmp_path / "datasets--nvidia--clips"
    snapshot, blobs = repository / "snapshots/0123abc", repository / "blobs"
    (snapshot / "night").mkdir(parents=True)
    blobs.mkdir()
    (blobs / "77aa").write_bytes(b"\0street")
    (snapshot / "night/street.mp4").symlink_to("../../../blobs/77aa")
    (tmp_path / "secret.mp4").write_bytes(b"\0secret")
    (snapshot / "secret.mp4").symlink_to(tmp_path / "secret.mp4")
    done = project.vda("upload", DATASET, str(snapshot))
    assert (done.returncode, done.stdout) == (1, f"{project.clips}/night/street.mp4\n")
    assert "secret.mp4: it is a symbolic link that leads out of" in done.stderr
    assert project.place.storage.read_bytes(project.clips / "night/street.mp4") == b"\0street"


def test_the_list_of_clips_says_what_is_skipped(project: Project) -> None:
    for name in ("a.webm", "b.webm", "a.mp4"):
        project.place.storage.write_bytes(project.clips / name, b"\0")
    done = project.vda("videos", "--dataset", DATASET)
    assert done.returncode == 0, done.stderr
    assert "skipped: 2 .webm files, 'a.webm' for instance" in done.stderr
