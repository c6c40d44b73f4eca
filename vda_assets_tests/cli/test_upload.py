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
    (folder / "a.MP4").write_bytes(b"a")
    (folder / "night/b.mkv").write_bytes(b"b")
    (folder / "notes.txt").write_bytes(b"no clip")
    (folder / "empty.mp4").touch()
    (folder / "bad,name.mp4").write_bytes(b"c")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (folder / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "a.MP4").write_bytes(b"another a")
    project.place.storage.write_bytes(project.clips / "night/b.mkv", b"user's own")

    done = project.vda("upload", DATASET, "clips", str(tmp_path / "a.MP4"), "gone.mp4", "clips/notes.txt")

    assert done.returncode == 1
    assert done.stdout == f"{project.clips}/a.MP4\n"
    reasons = {line.split(": ", 2)[1]: line.split(": ", 2)[2] for line in done.stderr.splitlines()}
    assert reasons.pop("clips/bad,name.mp4").endswith("which OSMO refuses")
    assert reasons == {
        "clips/empty.mp4": "it has zero bytes",
        "clips/link.mp4": "it is a symbolic link that leads out of clips; name its target",
        str(tmp_path / "a.MP4"): "clips/a.MP4 has the same name; rename one",
        "gone.mp4": "it does not exist",
        "clips/notes.txt": "it is no clip: only .mp4, .avi, .mkv are taken",
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
    (project.folder / "clips/a big one.mp4").write_bytes(bytes(3_000_000))
    (project.folder / "clips/small.mp4").write_bytes(b"small")
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
            clip.write_bytes(clip.name.encode())
        with project.start("upload", DATASET, "clips") as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGSTOP)
            clips[-1].unlink()
            process.send_signal(signal.SIGCONT)
            _, errors = process.communicate()
        assert (process.returncode, errors) == (1, "FAILED: clips/119.mp4: it does not exist any more\n")
        assert set(project.place.storage.find(project.clips)) == {clip.name for clip in clips[:-1]}
