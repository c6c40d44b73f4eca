"""Clips that are no MP4s go through every stage; those of a codec that no container takes fail alone, beforehand."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av
import pytest

from vda_assets.media.probe import probe
from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.world import DATASET, World


def encoded(source: Path, target: Path, codec: str) -> Path:
    with av.open(str(source)) as clip, av.open(str(target), "w") as made:
        stream = made.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 272, "yuv420p"
        for frame in clip.decode(video=0):
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return target


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def finished(world: World) -> World:
    cut(world.clips / "street.mkv", frames=20)
    cut(world.clips / "yard" / "gate.avi", start=60, frames=20)
    encoded(world.clips / "street.mkv", world.clips / "old.avi", "mpeg4")
    encoded(world.clips / "street.mkv", world.clips / "new.mp4", "libx265")
    cut(world.clips / "IMG_0042.MOV", start=140, frames=20)
    # A Matroska file that somebody renamed.
    cut(world.clips / "renamed.mkv", start=100, frames=20).rename(world.clips / "renamed.mp4")
    done = world.vda("run", "--dataset", DATASET, "--flow", "e2e")
    (world.folder / "said").write_text(done.stdout + done.stderr)
    assert done.returncode == 1, done.stdout + done.stderr
    return world


def test_each_stage_is_made_of_mkv_avi_and_mov(finished: World) -> None:
    (run,) = finished.runs()
    clips = {
        "street": "street.mkv",
        "yard=2Fgate": "yard/gate.avi",
        "renamed": "renamed.mp4",
        "old": "old.avi",
        "IMG_0042": "IMG_0042.MOV",
    }
    for name, clip in clips.items():
        source = probe(finished.clips / clip, name=clip)
        made = probe(run / f"outputs/augmented/{name}_aug0/augmented_video.mp4", name="augmented")
        assert (made.frame_count, made.width, made.height, made.fps) == (20, 640, 272, source.fps)
        labelled = probe(run / f"outputs/pseudo_labeled/{name}/raw/{name}.mp4", name="labelled")
        assert (labelled.frame_count, "mp4" in labelled.format) == (20, True)
        assert (run / f"outputs/pseudo_labeled_augmented/{name}_aug0/outcome.json").exists()
        assert (run / f"display/{DATASET}_{name}_aug0_compare.mp4").exists()


def test_a_codec_that_no_container_takes_is_said_before_anything_is_submitted(finished: World) -> None:
    said = (finished.folder / "said").read_text()
    assert (
        said.count("FAILED: new.mp4: its pictures are hevc in yuv420p; the containers take H.264 in 8-bit 4:2:0") == 1
    )
    assert len(finished.workflows()) == 5
    assert not list(finished.runs()[0].glob("*/*/new*"))


def test_what_is_finished_is_not_made_again(finished: World) -> None:
    before = finished.runs()
    again = finished.vda("run", "--dataset", DATASET, "--flow", "e2e", "--video", "street")
    assert (again.returncode, again.stdout.count("(finished before)")) == (0, 4)
    assert finished.runs() == before


def test_the_users_own_clips_are_mirrored_as_they_are(finished: World) -> None:
    run = finished.runs()[0].name
    done = finished.vda(
        "mirror", "--dataset", DATASET, "--run-id", run, "--video", "street.mkv", "--video", "yard/gate"
    )
    assert done.returncode == 0, done.stderr
    mirrored = finished.folder / "media/vda/runs" / run / "input"
    for clip in ("street.mkv", "yard/gate.avi"):
        assert digest(mirrored / clip) == digest(finished.clips / clip)
    assert sorted(path.name for path in mirrored.iterdir()) == ["street.mkv", "yard"]


def test_super_resolution_takes_them_too(finished: World) -> None:
    cut(finished.clips / "yard" / "lane.avi", start=30, frames=20)
    before = set(finished.runs())
    done = finished.vda("run", "--dataset", DATASET, "--flow", "e2e_super_resolution", "--video", "yard/lane.avi")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = set(finished.runs()) - before
    enhanced = probe(run / "outputs/pseudo_labeled/yard=2Flane/raw/yard=2Flane.mp4", name="enhanced")
    made = probe(run / "outputs/augmented/yard=2Flane_aug0/augmented_video.mp4", name="augmented")
    assert (made.width, made.height) == (640, 272) != (enhanced.width, enhanced.height)
