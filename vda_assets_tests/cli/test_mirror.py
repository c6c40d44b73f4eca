"""`vda mirror` as it is called."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

import pytest

from vda_assets.storage.layout import AUGMENTED, PSEUDO_LABELED
from vda_assets_tests.cli.project import (
    BIG_BYTES,
    DATASET,
    RUN,
    Project,
    hash_of,
    killed_after_bytes,
    killed_after_lines,
    project_on,
)


def fill_run(project: Project, videos: list[str], *, size_bytes: int = 1000, files: int = 3) -> dict[str, str]:
    """A run's folder and clips as the pipeline leaves them; path in the mirror -> hash."""
    content = random.Random(7)
    storage, layout = project.place.storage, project.layout
    entries = [{"video_name": video, "video": f"{video}.mp4"} for video in videos]
    written = {layout.setup / "configs/manifest.yaml": json.dumps({"configs": entries}).encode()}
    for video in videos:
        for folder in (layout.output(PSEUDO_LABELED, video), layout.output(AUGMENTED, f"{video}_aug0")):
            parts = {f"raw/{number}.bin": content.randbytes(size_bytes) for number in range(files)}
            marked = [{"path": path, "size_bytes": len(one), "sha256": hash_of(one)} for path, one in parts.items()]
            marker = {"version": 2, "container": "x", "name": video, "work": "w", "attempt": 1, "files": marked}
            written |= {folder / path: one for path, one in parts.items()}
            written[folder / "outcome.json"] = json.dumps(marker).encode()
        written[layout.comparison(f"{video}_aug0")] = content.randbytes(size_bytes)
    for url, one in written.items():
        storage.write_bytes(url, one)
    expected = {str(url).removeprefix(f"{layout.root}/"): hash_of(one) for url, one in written.items()}
    for video in videos:
        clip = content.randbytes(size_bytes)
        storage.write_bytes(project.clips / f"{video}.mp4", clip)
        expected[f"input/{video}.mp4"] = hash_of(clip)
    return expected


def test_a_run_is_mirrored_with_its_clips_and_every_file_is_named(project: Project) -> None:
    expected = fill_run(project, ["street", "night"])
    done = project.vda("mirror", "--dataset", DATASET, "--run-id", RUN)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == sorted(f"MEDIA:{project.media / path}" for path in expected)
    assert project.hashes_here() == expected


def test_one_video_of_a_run_is_mirrored_alone(project: Project) -> None:
    expected = fill_run(project, ["street", "night"])
    done = project.vda("mirror", "--dataset", DATASET, "--run-id", RUN, "--video", "night.mp4")
    assert done.returncode == 0, done.stderr
    assert project.hashes_here() == {
        path: one for path, one in expected.items() if "street" not in path.replace(f"display/{DATASET}_", "")
    }

    unknown = project.vda("mirror", "--dataset", DATASET, "--run-id", RUN, "--video", "nope")
    assert unknown.returncode == 2
    assert f"{RUN} has no video 'nope'; it has: night, street" in unknown.stderr


@pytest.mark.parametrize(
    ("selected", "brought"),
    [
        (["original_labels"], [f"{PSEUDO_LABELED}/"]),
        (["augmented_videos", "comparisons"], [f"{AUGMENTED}/", "display/"]),
    ],
)
def test_selected_outputs_of_a_run_are_mirrored_alone(
    project: Project, selected: list[str], brought: list[str]
) -> None:
    expected = fill_run(project, ["street", "night"])
    shows = f"display/{DATASET}_street_aug0_pseudo_labeled_augmented.webp"
    layout = project.layout
    project.place.storage.write_bytes(layout.root / shows, b"of augmented labels")
    chosen = [word for output in selected for word in ("--select", output)]
    done = project.vda("mirror", "--dataset", DATASET, "--run-id", RUN, *chosen)
    assert done.returncode == 0, done.stderr
    assert project.hashes_here() == {path: one for path, one in expected.items() if path.startswith(tuple(brought))}

    unknown = project.vda("mirror", "--dataset", DATASET, "--run-id", RUN, "--select", "comparison")
    assert "comparisons" in unknown.stderr
    assert unknown.returncode != 0


def test_what_is_not_whole_is_said_and_the_rest_comes(project: Project) -> None:
    expected = fill_run(project, ["street", "night", "rain"])
    root, clips = Path("/" + project.layout.root.key), Path("/" + project.clips.key)
    (root / "outputs/augmented/street_aug0/outcome.json").unlink()
    (root / "outputs/pseudo_labeled/night/raw/1.bin").write_bytes(b"half")
    (clips / "night.mp4").unlink()
    (clips / "rain.mp4").write_bytes(b"")
    done = project.vda("mirror", "--dataset", DATASET, "--run-id", RUN)
    assert done.returncode == 1
    lost = ("outputs/augmented/street_aug0/", "outputs/pseudo_labeled/night/", "input/night", "input/rain")
    assert project.hashes_here() == {path: one for path, one in expected.items() if not path.startswith(lost)}
    said = done.stderr.splitlines()
    assert len(said) == 4
    assert f"{root}/outputs/augmented/street_aug0 has no outcome.json: its worker did not finish" in done.stderr
    assert "raw/1.bin has 4 bytes; its worker wrote 1000 bytes" in done.stderr
    assert f"{clips}/night.mp4: the input clip is not there any more" in done.stderr
    assert f"{clips}/rain.mp4: it has zero bytes" in done.stderr


def test_a_full_disk_and_links_that_lead_out_are_a_line_each_and_the_rest_comes(project: Project) -> None:
    expected = fill_run(project, ["street", "night", "rain"])
    storage, layout = project.place.storage, project.layout
    storage.write_bytes(project.clips / "street.mp4", bytes(3_000_000))
    clip, secret = Path("/" + (project.clips / "night.mp4").key), project.folder / "secret.mp4"
    secret.write_bytes(b"secret")
    clip.unlink()
    clip.symlink_to(secret)
    project.media.mkdir(parents=True)
    (project.folder / "elsewhere").mkdir()
    (project.media / "display").symlink_to(project.folder / "elsewhere")

    done = project.vda("mirror", "--dataset", DATASET, "--run-id", RUN, largest_file_bytes=1_000_000)

    assert done.returncode == 1
    comparison = layout.comparison("night_aug0")
    assert sorted(done.stderr.splitlines()) == sorted(
        [
            f"FAILED: {project.clips}/street.mp4: the disk of {project.media} is full",
            f"FAILED: {project.clips}/night.mp4: it is a symbolic link that leads out of its folder",
            f"FAILED: {comparison} (and 2 more): a symbolic link on its way leads out of {project.media}",
        ]
    )
    lost = ("input/street", "input/night", "display/")
    assert project.hashes_here() == {path: one for path, one in expected.items() if not path.startswith(lost)}
    assert not list(project.media.rglob("*.part"))
    assert not list((project.folder / "elsewhere").iterdir())


def test_an_output_that_did_not_come_whole_gets_no_marker(project: Project) -> None:
    fill_run(project, ["street"], size_bytes=2_000_000, files=1)
    (Path("/" + project.layout.output(PSEUDO_LABELED, "street").key) / "raw/0.bin").rename(project.folder / "0.bin")
    moved = Path("/" + project.layout.output(PSEUDO_LABELED, "street").key) / "raw/0.bin"
    moved.symlink_to(project.folder / "0.bin")
    done = project.vda("mirror", "--dataset", DATASET, "--run-id", RUN)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert not (project.media / "outputs/pseudo_labeled/street/outcome.json").exists()
    assert (project.media / "outputs/augmented/street_aug0/outcome.json").exists()


def test_an_object_that_vanishes_meanwhile_is_named_and_the_rest_comes(tmp_path: Path) -> None:
    with project_on("s3", tmp_path) as project:
        expected = fill_run(project, ["street"], files=250)
        filesystem, clip = project.place.storage.locate(project.clips / "street.mp4")
        with project.start("mirror", "--dataset", DATASET, "--run-id", RUN) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGSTOP)
            # The clips are what comes last.
            filesystem.rm(clip)
            process.send_signal(signal.SIGCONT)
            _, errors = process.communicate()
        assert (process.returncode, errors) == (1, f"FAILED: {project.clips}/street.mp4: it does not exist any more\n")
        assert project.hashes_here() == {path: one for path, one in expected.items() if path != "input/street.mp4"}


def test_odd_objects_in_a_run_are_no_files_or_fail_alone(tmp_path: Path) -> None:
    with project_on("s3", tmp_path) as project:
        expected = fill_run(project, ["street", "night"])
        root, unreadable = project.layout.root, project.layout.output(AUGMENTED, "night_aug0")
        filesystem, _ = project.place.storage.locate(root)
        for marker in ("", "outputs/", "outputs/pseudo_labeled/", "outputs/pseudo_labeled/street/", "display/", "new/"):
            filesystem.call_s3("put_object", Bucket=root.bucket, Key=f"{root.key}/{marker}", Body=b"")
        for name in ("notes?versionId=1", "notes//draft"):
            filesystem.call_s3("put_object", Bucket=root.bucket, Key=f"{root.key}/{name}", Body=b"odd")
        for url in (root / "archived.mp4", unreadable / "outcome.json"):
            filesystem.call_s3("put_object", Bucket=root.bucket, Key=url.key, Body=b"{}", StorageClass="GLACIER")
        done = project.vda("mirror", "--dataset", DATASET, "--run-id", RUN)
        lost = str(unreadable).removeprefix(f"{root}/")
        assert project.hashes_here() == {path: one for path, one in expected.items() if not path.startswith(lost)}
        told = sorted(done.stderr.splitlines())
        assert (done.returncode, len(told)) == (1, 4), done.stderr
        assert told[0].startswith(f"FAILED: {root}/archived.mp4: it lies in an archive: restore it")
        assert "notes//draft" in told[1]
        assert "rename it" in told[2]
        assert told[3].startswith(f"FAILED: {unreadable}: {unreadable}/outcome.json: it lies in an archive")


def test_a_run_that_does_not_exist_is_named(project: Project) -> None:
    nothing = project.vda("mirror", "--dataset", DATASET, "--run-id", RUN)
    assert (nothing.returncode, "there is nothing in" in nothing.stderr) == (1, True)
    wrong = project.vda("mirror", "--dataset", DATASET, "--run-id", "../elsewhere")
    assert (wrong.returncode, "is no run, such as run-" in wrong.stderr) == (2, True)
    assert not (project.folder / "media").exists()


@pytest.mark.parametrize(("backend", "kills"), [("file", 4), ("s3", 3)])
def test_mirroring_killed_at_any_moment_and_run_again_has_every_byte(backend: str, kills: int, tmp_path: Path) -> None:
    with project_on(backend, tmp_path) as project:
        fill_run(project, ["street", "night"], size_bytes=200_000, files=6)
        storage, big = project.place.storage, random.Random(5).randbytes(BIG_BYTES)
        for name in ("street", "night"):
            storage.write_bytes(project.clips / f"{name}.mp4", big)
        expected = {
            path: hash_of(storage.read_bytes(project.layout.root / path)) for path in storage.find(project.layout.root)
        }
        expected |= {f"input/{name}.mp4": hash_of(big) for name in ("street", "night")}
        moments = random.Random(11)
        for _ in range(kills):
            with project.start("mirror", "--dataset", DATASET, "--run-id", RUN) as process:
                if moments.random() < 0.3:
                    killed_after_lines(process, moments.randrange(12))
                else:
                    killed_after_bytes(process, project.media, moments.randrange(BIG_BYTES))
            here = project.hashes_here()
            assert here == {path: expected[path] for path in here}
        done = project.vda("mirror", "--dataset", DATASET, "--run-id", RUN)
        assert done.returncode == 0, done.stderr
        assert project.hashes_here() == expected
        assert not list(project.media.rglob("*.part"))
