"""From what a release lacks to further augmentations and back: each is made once, whatever is killed in between."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving, wait_for
from vda_assets_tests.quick_results import (
    accept_in_quick_container,
    add_clips,
    change_yaml,
    held_quick_container,
    use_quick_container,
)

OF = ("--dataset", DATASET)
RELEASE = ("release", *OF, "--with-stand-ins")
# Of three clips each pair is wanted once, rounded, and two of them have the same.
CLIPS, LACKING = 3, {"midday x clear", "evening x rain"}
_NONE_OF_ONE = re.compile(r"^(\w+ x \w+): 0 of 0.8$", re.MULTILINE)

_ASKED_FOR = re.compile(r"^  (\S+=aug\d+: .+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, quick_results: Path) -> Iterator[World]:
    world = make_world(tmp_path_factory.mktemp("world"))
    use_quick_container(world, quick_results, seconds=0)
    accept_in_quick_container(world)
    add_clips(world, quick_results, CLIPS)
    outputs = ["augmented_videos", "augmented_labels"]
    change_yaml(world.folder / f"assets_cfg/datasets/{DATASET}.yaml", lambda one: one.update(outputs=outputs))
    with serving(world):
        done = world.vda("backfill", *OF)
        assert done.returncode == 0, done.stdout + done.stderr
        yield world


def lacking(world: World) -> set[str]:
    """The pairs of which a dry run of a release says that there is none."""
    return {*_NONE_OF_ONE.findall(world.vda(*RELEASE, "--dry-run").stdout)}


# These go on from each other.


def test_a_dry_run_says_what_it_would_draw_for_what_lacks_and_asks_for_nothing(world: World) -> None:
    assert lacking(world) == LACKING
    found = json.loads(world.vda("backfill", *OF, "--cover", "--dry-run", "--json").stdout)
    drawn = [one["sampled_vars"] for one in found["further"]]
    assert {f"{one['time_of_day']} x {one['weather']}" for one in drawn} == LACKING
    assert {one["clip"] for one in found["further"]} == {"clip000.mp4", "clip001.mp4"}
    assert len(world.workflows()) == CLIPS


def test_killed_in_the_middle_the_same_command_finishes_what_was_asked_for(world: World) -> None:
    with held_quick_container(world):
        first = world.start("backfill", *OF, "--cover", log="cover.log")
        wait_for(lambda: len(world.workflows()) == CLIPS + 2, "the further workflows")
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()

    again = world.vda("backfill", *OF, "--cover")

    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.startswith("street: 2 further augmentations of 2 clips asked for before; ")
    asked = _ASKED_FOR.findall((world.folder / "cover.log").read_text())
    assert _ASKED_FOR.findall(again.stdout) == asked
    assert len(asked) == 2
    assert len(world.workflows()) == CLIPS + 2, "nothing is submitted twice"
    assert {*world.workflows().values()} == {"COMPLETED"}


def test_the_release_covers_what_was_wanted_and_has_the_further_augmentations(world: World) -> None:
    assert lacking(world) == set()
    nothing = world.vda("backfill", *OF, "--cover")
    assert (nothing.returncode, nothing.stdout) == (0, "street: nothing lacks\n")
    assert "for 0 clips (3 made)" in world.vda("backfill", *OF).stdout
    done = world.vda(*RELEASE, "--version", "v1")
    assert done.returncode == 0, done.stderr
    videos = [*(world.clips.parents[1] / f"releases/{DATASET}/v1/videos").rglob("*.mp4")]
    assert len(videos) == CLIPS + 2
    further = next(video for video in videos if not video.stem.endswith("aug0"))
    row = json.loads(world.vda("trace", str(further), "--json").stdout)
    planned = json.loads(world.vda("cookbook", "plan", *OF, "--json").stdout)
    here = (row["source_key"], row["augmentation_index"])
    (draw,) = [one for one in planned if (one["clip"], one["index"]) == here]
    assert {one["name"]: one["value"] for one in row["variables"]} == draw["sampled_vars"]


def test_further_augmentations_are_told_beside_their_clips(world: World) -> None:
    states = json.loads(world.vda("status", *OF, "--json").stdout)
    further = [one for one in states if "=aug" in one["clip"] and one["state"] != "missing"]
    assert [(one["clip"].partition("=")[0], one["output"], one["state"]) for one in further] == [
        (clip, output, "accepted")
        for clip in ("clip000.mp4", "clip001.mp4")
        for output in ("augmented_videos", "augmented_labels")
    ]
    assert not any(one["output"] == "original_labels" for one in states if "=aug" in one["clip"])
