"""Containers that say that all is well and leave something out, keep silent, crash, or leave processes behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from vda_assets_tests.worker.bench import PATIENCE_SECONDS, Bench, paths


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return status != "Z"


def wait_until_gone(pids: list[int]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < end, f"{pids} still run"
        time.sleep(0.02)


def wait_for_pids(path: Path) -> list[int]:
    end = time.monotonic() + PATIENCE_SECONDS
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end, "the container did not start"
        time.sleep(0.02)
    return [int(pid) for pid in path.read_text().split()]


@pytest.mark.parametrize(
    ("container", "behaviour", "reason"),
    [
        ("augmentation", "nothing", "left out augmented_video.mp4"),
        ("augmentation", "no_video", "left out augmented_video.mp4"),
        ("augmentation", "cut_off_video", "left augmented_video.mp4 damaged: its mdat box is cut off at"),
        ("augmentation", "no_mp4", "left augmented_video.mp4 damaged: it is not an MP4 file"),
        ("augmentation", "video_without_index", "left augmented_video.mp4 damaged: it has no moov box"),
        ("auto_labeling", "nothing", "left out config.yaml, sidecars/pipeline_status.json, raw/*"),
        ("auto_labeling", "dangling_raw_link", "left out raw/*"),
    ],
)
def test_a_container_that_exits_0_without_its_work_fails(
    bench: Bench, container: str, behaviour: str, reason: str
) -> None:
    ended = bench.run(container, behaviour=behaviour)
    assert ended.code == 70
    assert ended.reason.startswith(f"the container exited 0 but {reason}")
    assert ended.outcome is None


def test_super_resolution_that_was_asked_for_must_be_there(bench: Bench) -> None:
    ended = bench.run("auto_labeling", "--super-resolution", behaviour="good")
    assert (ended.code, ended.reason) == (70, "the container exited 0 but left out sidecars/sr_output.mp4")


def test_what_a_former_attempt_left_does_not_count(bench: Bench) -> None:
    assert bench.run("augmentation", behaviour="good").code == 0
    (bench.output / "logs").mkdir()
    (bench.output / "logs/old.log").write_text("old")

    again = bench.run("augmentation", behaviour="nothing")
    assert (again.code, again.reason.partition(";")[0]) == (
        70,
        "the container exited 0 but left out augmented_video.mp4",
    )
    assert again.outcome is None
    assert "removed what a former attempt left" in again.log

    third = bench.run("augmentation", behaviour="good")
    assert third.outcome is not None
    assert paths(third.outcome) == ["augmented_video.mp4", "metadata.json"]


def test_a_clip_without_metadata_is_kept_for_the_judge(bench: Bench) -> None:
    ended = bench.run("augmentation", behaviour="no_metadata")
    assert ended.code == 0
    assert "WARNING: the container left no metadata.json" in ended.log
    assert ended.outcome is not None
    assert paths(ended.outcome) == ["augmented_video.mp4"]
    assert isinstance(ended.outcome["seed"], int)


def test_what_the_container_said_last_goes_with_its_code(bench: Bench) -> None:
    ended = bench.run("augmentation", behaviour="crash_in_a_progress_bar")
    assert (ended.code, ended.reason) == (3, "the container exited with 3; the last it said: CUDA out of memory")
    silent = bench.run("augmentation", behaviour="nothing")
    assert silent.reason.endswith("augmented_video.mp4; the last it said: generation failed; skipped")


def test_a_container_that_is_killed_says_by_which_signal(bench: Bench) -> None:
    ended = bench.run("augmentation", behaviour="killed")
    assert (ended.code, ended.reason) == (137, "the container was killed by signal 9")


def test_a_silent_container_is_killed_with_its_children(bench: Bench) -> None:
    pids = bench.folder / "pids"
    ended = bench.run(
        "augmentation", behaviour="silent_with_a_child", PIDS=str(pids), CONTAINER_SILENCE_TIMEOUT_SECONDS="1.5"
    )
    assert (ended.code, ended.reason) == (75, "the container was killed: it printed nothing for 1.5 seconds")
    wait_until_gone(wait_for_pids(pids))


def test_a_slow_container_that_talks_is_left_alone(bench: Bench) -> None:
    ended = bench.run("augmentation", behaviour="slow_but_talking", CONTAINER_SILENCE_TIMEOUT_SECONDS="1.5")
    assert ended.code == 0, ended.log
    assert "step 7" in ended.log


def test_a_process_that_stays_behind_does_not_hold_the_worker_up(bench: Bench) -> None:
    pids = bench.folder / "pids"
    ended = bench.run("augmentation", behaviour="child_stays_behind", PIDS=str(pids))
    assert ended.code == 0, ended.log
    wait_until_gone(wait_for_pids(pids))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_the_container_ends_with_its_worker(bench: Bench, number: int, code: int) -> None:
    pids = bench.folder / "pids"
    worker = subprocess.Popen(
        bench.command("augmentation"),
        env=bench.environment_for("silent_with_a_child", PIDS=str(pids)),
        start_new_session=True,
    )
    started = wait_for_pids(pids)
    os.killpg(worker.pid, number)
    assert worker.wait(PATIENCE_SECONDS) == code
    wait_until_gone(started)


def test_a_last_line_without_its_end_keeps_the_workers_own_apart(bench: Bench) -> None:
    ended = bench.run("augmentation", behaviour="no_newline_at_the_end")
    assert ended.log.splitlines()[-2:] == ["100%", "vda_worker: done, files: 2"]
