"""Whole clips of containers that failed: they cost a GPU its minutes, and are kept for the judge with the reason."""

from __future__ import annotations

import pytest

from vda_assets_tests.worker.bench import Bench, paths

EVERYTHING = ["augmented_video.mp4", "metadata.json"]


@pytest.mark.parametrize(
    ("behaviour", "exit_code", "failure", "left"),
    [
        ("crash_after_writing", 3, "the container exited with 3", EVERYTHING),
        ("silent_after_writing", 75, "the container was killed: it printed nothing for 1.5 seconds", EVERYTHING),
        (
            "killed_after_generating",
            137,
            "the container was killed by signal 9 but left out augmented_video.mp4; "
            "the clip is the one that its generator had left",
            ["augmented_video.mp4"],
        ),
        (
            "cut_off_metadata",
            0,
            "the container exited 0 but left metadata.json damaged: Unterminated string starting at: "
            "line 1 column 12 (char 11)",
            EVERYTHING,
        ),
    ],
)
def test_a_clip_that_is_whole_is_kept_with_what_went_wrong(
    bench: Bench, tiny_clip: bytes, behaviour: str, exit_code: int, failure: str, left: list[str]
) -> None:
    ended = bench.run("augmentation", behaviour=behaviour, CONTAINER_SILENCE_TIMEOUT_SECONDS="1.5")
    assert (ended.code, ended.reason) == (0, ""), ended.log
    assert ended.outcome is not None
    assert (ended.outcome["exit_code"], ended.outcome["failure"]) == (exit_code, failure)
    assert paths(ended.outcome) == left
    assert (ended.output / "augmented_video.mp4").read_bytes() == tiny_clip
    assert isinstance(ended.outcome["seed"], int)
    assert f"vda_worker: WARNING: the clip is whole and is kept, but not to be relied on: {failure}" in ended.log


def test_a_container_that_did_not_fail_has_no_failure_in_its_marker(bench: Bench) -> None:
    ended = bench.run("augmentation", behaviour="good")
    assert ended.outcome is not None
    assert (ended.outcome["exit_code"], ended.outcome["failure"]) == (0, None)


@pytest.mark.parametrize(
    ("container", "behaviour", "code"),
    [("augmentation", "killed_while_writing", 137), ("auto_labeling", "crash_after_labelling", 3)],
)
def test_half_a_clip_and_the_labels_of_a_failure_are_not_kept(
    bench: Bench, container: str, behaviour: str, code: int
) -> None:
    ended = bench.run(container, behaviour=behaviour)
    assert (ended.code, ended.outcome) == (code, None), ended.log
