"""Names that are wrong are answered with those that were meant, and names that are begun are completed."""

from __future__ import annotations

from pathlib import Path

import pytest

from vda_assets.base.likely import likely
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.stages import OUTPUTS
from vda_assets_tests.cli.project import DATASET, Project


@pytest.fixture
def street(project: Project) -> Project:
    folder = Path("/", project.clips.key)
    for name in ("bikes.mp4", "night/late show.mp4", "trams.mp4"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    (folder / "notes.txt").write_text("no clip")
    return project


def completed(project: Project, line: str, **environment: str) -> list[str]:
    """What bash would offer at the end of the line."""
    words = line.split(" ")
    said = {"_VDA_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = project.vda(**said, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return [one.partition(",")[2] for one in done.stdout.split()]


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("rn", "run"),
        ("prefligth --dataset street", "preflight"),
        ("videos --dataset stret", "street"),
        ("preflight --deployment locl", "local"),
        ("overview --dataset street --flow e2", "e2e"),
        ("overview --dataset street --select augmented_video", "augmented_videos"),
        ("render --dataset street --video bkes.mp4", "bikes.mp4"),
        ("status --dataset street --verdict acepted", "accepted"),
        ("backfill --dataset street --where wether=rain", "weather"),
    ],
)
def test_a_typo_is_answered_with_the_name_that_was_meant(street: Project, command: str, meant: str) -> None:
    done = street.vda(*command.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"; did you mean {meant}?\n"), done.stderr


def test_what_is_like_nothing_is_answered_without_a_guess_and_long_names_in_no_time() -> None:
    assert likely("moon", ["city_traffic", "piazza"]) == ""
    assert likely("x" * 1_000_000, (f"clip{number}.mp4" for number in range(10_000_000))) == ""


def test_the_flows_and_outputs_stand_in_the_help_and_in_the_error(street: Project) -> None:
    helped = " ".join(street.vda("run", "--help").stdout.split())
    wrong = street.vda("overview", "--dataset", DATASET, "--flow", "nothing").stderr
    for flow in FLOWS:
        assert flow in helped
        assert flow in wrong
    assert ", ".join(OUTPUTS) in helped


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("vda ru", ["run", "runs"]),
        ("vda videos --dataset ", [DATASET]),
        ("vda upload st", [DATASET]),
        ("vda preflight --deployment ", ["local"]),
        ("vda overview --dataset street --flow e2e", ["e2e", "e2e_super_resolution"]),
        ("vda overview --dataset street --select aug", ["augmented_videos", "augmented_labels"]),
        ("vda status --verdict re", ["rejected"]),
        ("vda status --dataset street --video ", ["bikes.mp4", "night=2Flate=20show.mp4", "trams.mp4"]),
        ("vda forget --dataset street t", ["trams.mp4"]),
    ],
)
def test_what_is_begun_is_completed(street: Project, line: str, offered: list[str]) -> None:
    assert sorted(completed(street, line)) == sorted(offered)


@pytest.mark.parametrize(
    ("line", "environment"),
    [
        ("vda videos --dataset ", {"VDA_ASSETS_CFG": "/nowhere"}),
        ("vda status --dataset nothing --video ", {}),
        ("vda status --video ", {}),
    ],
)
def test_what_cannot_be_known_completes_nothing_and_says_nothing(
    street: Project, line: str, environment: dict[str, str]
) -> None:
    assert completed(street, line, **environment) == []
