"""From what a release lacks to further augmentations and back: each is made once, whatever is killed in between."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections import Counter
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
LACKING = re.compile(r"(?P<what>\w+ x \w+): (?P<accepted>\d+) of (?P<wanted>[\d.]+)$", re.MULTILINE)
TASKS = re.compile(r"_aug(\d+)")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, quick_results: Path) -> Iterator[World]:
    """Six clips of which all labels are accepted, and whose draws leave some of what is wanted out."""
    world = make_world(tmp_path_factory.mktemp("world"))
    use_quick_container(world, quick_results, seconds=0)
    accept_in_quick_container(world)
    add_clips(world, quick_results, 8)
    outputs = ["augmented_videos", "augmented_labels"]
    change_yaml(world.folder / f"assets_cfg/datasets/{DATASET}.yaml", lambda one: one.update(outputs=outputs))
    with serving(world):
        done = world.vda("backfill", *OF)
        assert done.returncode == 0, done.stdout + done.stderr
        yield world


def lacks(world: World) -> dict[str, int]:
    """What a dry run of a release says to lack, of pairs that are wanted twice each."""
    said = world.vda(*RELEASE, "--dry-run").stdout
    pairs = {found["what"]: 2 - int(found["accepted"]) for found in LACKING.finditer(said)}
    return {pair: count for pair, count in pairs.items() if count > 0}


def dry(world: World, *arguments: str) -> dict:
    return json.loads(world.vda("backfill", *OF, *arguments, "--dry-run", "--json").stdout)


# These go on from each other.


def test_a_dry_run_says_what_it_would_draw_for_what_lacks_and_asks_for_nothing(world: World) -> None:
    submitted = len(world.workflows())
    assert submitted == 8
    lacking = lacks(world)
    assert lacking
    found = dry(world, "--cover")
    drawn = Counter(
        " x ".join(one["sampled_vars"][name] for name in ("time_of_day", "weather")) for one in found["further"]
    )
    assert drawn == lacking
    assert {one["index"] for one in found["further"]} & {0} == set()
    assert len(dry(world, "--cover", "--limit", "1")["further"]) == 1
    assert "further augmentation" in world.vda("backfill", *OF, "--cover", "--dry-run").stdout
    assert len(world.workflows()) == submitted


def test_killed_in_the_middle_the_same_command_finishes_what_was_asked_for(world: World) -> None:
    asked = [f"{one['clip']}=aug{one['index']}" for one in dry(world, "--cover")["further"]]
    with held_quick_container(world):
        first = world.start("backfill", *OF, "--cover", log="cover.log")
        wait_for(lambda: len(world.workflows()) == 8 + len(asked), "the further workflows")
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    left = dry(world, "--cover")
    assert (left["is_new"], [f"{one['clip']}=aug{one['index']}" for one in left["further"]]) == (False, asked)

    again = world.vda("backfill", *OF, "--cover")

    assert again.returncode == 0, again.stdout + again.stderr
    assert f"{len(asked)} further augmentations of {len(asked)} clips asked for before" in again.stdout
    assert len(world.workflows()) == 8 + len(asked), "nothing is submitted twice"
    assert {*world.workflows().values()} == {"COMPLETED"}


def test_the_release_covers_what_was_wanted_and_has_the_further_augmentations(world: World) -> None:
    assert lacks(world) == {}
    nothing = world.vda("backfill", *OF, "--cover")
    assert (nothing.returncode, nothing.stdout) == (0, f"{DATASET}: nothing lacks\n")
    done = world.vda(*RELEASE, "--version", "v1")
    assert done.returncode == 0, done.stderr
    videos = sorted((world.clips.parents[1] / f"releases/{DATASET}/v1/videos").rglob("*.mp4"))
    further = [video for video in videos if not video.stem.endswith("aug0")]
    assert len(videos) == len(world.workflows())
    row = json.loads(world.vda("trace", str(further[0]), "--json").stdout)
    planned = json.loads(world.vda("cookbook", "plan", *OF, "--json").stdout)
    (draw,) = [one for one in planned if (one["clip"], one["index"]) == (row["source_key"], row["augmentation_index"])]
    assert {one["name"]: one["value"] for one in row["variables"]} == draw["sampled_vars"]


def test_clips_stand_as_finished_and_their_further_augmentations_are_told_beside_them(world: World) -> None:
    submitted = len(world.workflows())
    for which in ("--missing", "--changed", "--all"):
        assert world.vda("backfill", *OF, which).returncode == 0
    assert len(world.workflows()) == submitted
    states = json.loads(world.vda("status", *OF, "--json").stdout)
    further = [one for one in states if "=aug" in one["clip"] and one["output"].startswith("augmented")]
    assert len(further) == 2 * (submitted - 8)
    assert {one["state"] for one in further} == {"accepted"}
    report = world.vda("report", *OF)
    assert f"8 clips and {submitted - 8} further augmentations: " in report.stderr
    assert lacks(world) == {}


def test_of_a_clip_that_changed_all_indexes_are_made_again(world: World) -> None:
    submitted = len(world.workflows())
    key = next(one["clip"] for one in json.loads(world.vda("status", *OF, "--json").stdout) if "=aug" in one["clip"])
    path = world.clips / key.partition("=")[0]
    shutil.copyfile(path, world.folder / "copy.mp4")
    shutil.copyfile(world.folder / "copy.mp4", path)
    assert lacks(world) != {}
    changed = world.vda("backfill", *OF, "--changed")
    assert changed.returncode == 0, changed.stdout + changed.stderr
    assert "1 further augmentation of 1 clip made of another clip or configuration" in changed.stdout
    assert len(world.workflows()) == submitted + 2
    assert lacks(world) == {}
