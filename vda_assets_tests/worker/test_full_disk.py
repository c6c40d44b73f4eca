"""A disk without room for what the worker writes; a limit on the size of files stands for it, which needs no root."""

from __future__ import annotations

import resource
from collections.abc import Callable

import pytest

from vda_assets_tests.worker.bench import Bench


def limit(size_bytes: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def test_no_room_for_the_clips_copy_is_one_clear_line(bench: Bench) -> None:
    ended = bench.run("auto_labeling", behaviour="good", preexec_fn=limit(4000))
    assert ended.code == 73
    assert ended.reason.startswith("the disk is full: [Errno 27] File too large")
    assert ended.reason.endswith("; give resources.auto_labeling of the deployment more storage")
    assert ended.outcome is None


def test_no_room_for_the_outcome_leaves_no_half_of_it(bench: Bench, tiny_clip: bytes) -> None:
    room = len(tiny_clip) + 1
    ended = bench.run("auto_labeling", behaviour="many_files", preexec_fn=limit(room))
    assert ended.code == 73, ended.log
    assert ended.reason.startswith("the disk is full")
    assert [path.name for path in ended.output.iterdir() if "outcome" in path.name] == []


def test_a_folder_that_cannot_be_made_is_said(bench: Bench) -> None:
    bench.output.write_text("a file")
    ended = bench.run("augmentation", behaviour="good")
    assert ended.code == 74
    assert ended.reason.startswith("a file cannot be read or written: [Errno 17]")


@pytest.mark.parametrize(
    ("behaviour", "what"),
    [
        ("no_room_left", "the container exited 0 but left out augmented_video.mp4"),
        ("no_room_left_and_a_crash", "the container exited with 1"),
    ],
)
def test_a_container_that_had_no_room_is_told_from_other_failures(bench: Bench, behaviour: str, what: str) -> None:
    ended = bench.run("augmentation", behaviour=behaviour)
    assert (ended.code, ended.reason) == (
        73,
        f"the disk is full: {what}, and had said: OSError: [Errno 28] No space left on device: 'augmented_video.mp4'; "
        "give resources.augmentation of the deployment more storage",
    )


def test_a_container_that_found_room_after_all_has_done_its_work(bench: Bench) -> None:
    ended = bench.run("augmentation", behaviour="no_room_left_for_a_moment")
    assert (ended.code, ended.reason) == (0, "")
