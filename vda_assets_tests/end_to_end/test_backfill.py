"""`vda backfill`, `retry` and `forget`: what is unfinished is told and made, and what cannot be made is left alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving
from vda_assets_tests.quick_results import add_clips, change_yaml, fail_in_quick_container, use_quick_container

OF = ("--dataset", DATASET)
BAD = "clip001.mp4"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, quick_results: Path) -> Iterator[World]:
    """Three clips, of which one fails."""
    world = make_world(tmp_path_factory.mktemp("world"))
    use_quick_container(world, quick_results, seconds=0)
    fail_in_quick_container(world, BAD.removesuffix(".mp4"))
    add_clips(world, quick_results, 3)
    deployment = world.folder / "assets_cfg/deployments/local.yaml"
    change_yaml(deployment, lambda one: one.update(price={"gpu_hour": 2.5, "currency": "EUR"}))
    with serving(world):
        yield world


def workflows(world: World) -> int:
    return len(world.workflows())


# These go on from each other.


def test_a_dry_run_says_what_would_be_made_and_what_it_costs_and_submits_nothing(world: World) -> None:
    done = world.vda("backfill", *OF, "--flow", "auto_labeling", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "street: auto_labeling for 3 clips (3 missing)" in done.stdout
    assert "  clip000.mp4: missing: original_labels\n" in done.stdout
    assert "Time overview for 3 clips" in done.stdout
    assert "GPU hours: " in done.stdout
    assert " EUR" in done.stdout
    assert world.workflows() == {}


def test_it_makes_what_is_missing_as_many_as_are_asked_for(world: World) -> None:
    done = world.vda("backfill", *OF, "--flow", "auto_labeling", "--limit", "1")
    assert done.returncode == 0, done.stderr
    assert "2 clips are left out by --limit" in done.stdout
    assert workflows(world) == 1


def test_a_clip_that_fails_alike_twice_is_left_out_of_what_is_not_asked_for_by_name(world: World) -> None:
    ask = ("backfill", *OF, "--flow", "auto_labeling")
    for tries in (1, 2):
        failed = world.vda(*ask)
        assert failed.returncode == 1
        assert f"{BAD} original_labels: " in failed.stderr
        assert workflows(world) == 2 + tries
    left_out = world.vda(*ask)
    assert left_out.returncode == 0
    assert "for 0 clips (1 quarantined, 2 made)" in left_out.stdout
    run = world.vda("run", *OF, "--flow", "auto_labeling")
    assert run.returncode == 1
    assert f"left out: {BAD}: quarantined, it failed alike twice; `vda retry --dataset street`" in run.stderr
    assert workflows(world) == 4
    status = world.vda("status", *OF, "--failed")
    assert f"{BAD}\toriginal_labels\tquarantined\t" in status.stdout


def test_somebody_lets_it_in_again(world: World) -> None:
    fail_in_quick_container(world)
    done = world.vda("retry", *OF)
    assert done.stdout == f"{BAD}: is asked for again\n"
    assert "quarantined: 1 of 3 clips" in done.stderr
    assert world.vda("backfill", *OF, "--flow", "auto_labeling").returncode == 0
    assert workflows(world) == 5
    assert "quarantined: 0 of 3 clips" in world.vda("retry", *OF).stderr


def test_what_changed_is_kept_until_it_is_asked_for(world: World) -> None:
    clip = world.clips / "clip000.mp4"
    shutil.copyfile(world.clips / "clip002.mp4", clip)
    assert "original_labels\tchanged\t" in world.vda("status", *OF, "--video", "clip000").stdout
    ask = ("backfill", *OF, "--flow", "auto_labeling")
    assert "for 0 clips (1 changed, 2 made)" in world.vda(*ask).stdout
    changed = world.vda(*ask, "--changed")
    assert changed.returncode == 0
    assert "  clip000.mp4: changed: original_labels\n" in changed.stdout
    assert workflows(world) == 6


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("weather", "'weather' is no VAR=VALUE, such as weather=rain"),
        ("colour=red", "the cookbook draws no 'colour', but "),
        ("weather=hail", "weather is never 'hail', but "),
    ],
)
def test_a_condition_that_no_clip_can_meet_is_told(world: World, condition: str, said: str) -> None:
    done = world.vda("backfill", *OF, "--where", condition, "--dry-run")
    assert done.returncode == 2
    assert said in done.stderr


def test_only_clips_that_draw_a_value_are_asked_for(world: World) -> None:
    values = ("clear", "rain", "overcast", "snow", "fog")
    asked = [world.vda("backfill", *OF, "--flow", "e2e", "--where", f"weather={one}", "--dry-run") for one in values]
    found = [line for done in asked for line in done.stdout.splitlines() if line.startswith("  clip")]
    assert len({line.split(":")[0] for line in found}) == len(found) == 3


def test_a_clip_that_is_gone_is_forgotten_and_one_that_is_there_is_not(world: World) -> None:
    there = world.vda("forget", *OF, "clip000.mp4", "never.mp4")
    assert there.returncode == 1
    assert "clip000.mp4: still lies in " in there.stderr
    assert "never.mp4: is no clip of street, or a run works on it" in there.stderr
    (world.clips / "clip000.mp4").unlink()
    gone = world.vda("forget", *OF, "clip000.mp4")
    assert (gone.returncode, gone.stdout) == (0, "clip000.mp4: forgotten\n")
    with world.instance() as instance:
        assert set(instance.get_dynamic_partitions("street_videos")) == {BAD, "clip002.mp4"}
