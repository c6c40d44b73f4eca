"""Two datasets in one code location, on one OSMO and one storage root, whose clips have equal names and content."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.project import load_project
from vda_assets_tests.end_to_end.world import (
    DATASET,
    World,
    free_port,
    make_world,
    running,
    serving,
    wait_for_answer,
)
from vda_assets_tests.quick_results import add_clips, change_yaml, use_quick_container

OTHER = "night-shift"
CLIPS = {"clip000.mp4", "clip001.mp4", "clip002.mp4"}
OUTPUTS = ("original_labels", "augmented_videos", "augmented_labels", "comparisons")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, quick_results: Path) -> Iterator[World]:
    world = make_world(tmp_path_factory.mktemp("world"))
    use_quick_container(world, quick_results, seconds=0.2)
    add_clips(world, quick_results, len(CLIPS))
    datasets = world.folder / "assets_cfg/datasets"
    shutil.copyfile(datasets / f"{DATASET}.yaml", datasets / f"{OTHER}.yaml")
    change_yaml(datasets / f"{OTHER}.yaml", lambda one: one.update(url=one["url"].replace(DATASET, OTHER)))
    shutil.copytree(world.clips, world.clips.parent / OTHER)
    with serving(world):
        yield world


def test_each_has_its_own_assets_and_sensors_and_they_share_what_is_the_deployments(world: World) -> None:
    definitions = build_definitions(load_project(world.environment))
    dg.Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    sensors = {sensor.name for sensor in definitions.sensors or ()}
    own = {}
    for slug in ("street", "night_shift"):
        node = graph.get(dg.AssetKey([slug, "augmented_videos"]))
        assert node.group_name == slug
        assert {key.path[0] for key in node.parent_keys} == {slug, "local"}
        own[slug] = [{name.removeprefix(slug) for name in names if name.startswith(slug)} for names in (keys, sensors)]
    assert own["street"] == own["night_shift"]
    assert all(own["street"])
    partitions = [graph.get(dg.AssetKey([slug, "source_videos"])).partitions_def.name for slug in own]
    assert len(set(partitions)) == 2
    shared = {key for key in keys if key.startswith("local/")}
    assert len(keys) == len(shared) + 2 * len(own["street"][0])


def test_runs_of_both_at_once_make_everything_of_each_and_take_nothing_from_each_other(world: World) -> None:
    with ExitStack() as stack:
        runs = {
            name: stack.enter_context(world.start("run", "--dataset", name, "--flow", "e2e", log=f"{name}.log"))
            for name in (DATASET, OTHER)
        }
        ended = {name: run.wait(240) for name, run in runs.items()}
    said = {name: (world.folder / f"{name}.log").read_text() for name in runs}
    assert ended == {DATASET: 0, OTHER: 0}, said

    with world.instance() as instance:
        for slug in ("street", "night_shift"):
            made = {output: instance.get_materialized_partitions(dg.AssetKey([slug, output])) for output in OUTPUTS}
            assert made == dict.fromkeys(OUTPUTS, CLIPS)
    outputs = {name: world.clips.parent / f"{name}-outputs" for name in runs}
    folders = {name: [path.name for path in folder.glob("run-*")] for name, folder in outputs.items()}
    assert [len(names) for names in folders.values()] == [1, 1]
    assert folders[DATASET] != folders[OTHER]
    for name, folder in outputs.items():
        labelled = {path.parent.name for path in folder.glob("run-*/outputs/pseudo_labeled/*/outcome.json")}
        assert labelled == {clip.removesuffix(".mp4") for clip in CLIPS}, name
        shown = [path.name for path in folder.glob("run-*/display/*.mp4")]
        assert len(shown) == len(CLIPS)
        assert all(one.startswith(f"{name}_") for one in shown)
    assert list(world.workflows().values()) == ["COMPLETED"] * 2 * len(CLIPS)


def test_neither_asks_for_anything_again(world: World) -> None:
    before = world.workflows()
    for name in (DATASET, OTHER):
        again = world.vda("run", "--dataset", name, "--flow", "e2e")
        assert again.returncode == 0, again.stdout + again.stderr
        assert again.stdout.count("(finished before)") == len(OUTPUTS) * len(CLIPS)
    assert world.workflows() == before


def test_one_that_is_moved_to_another_deployment_keeps_what_it_has_and_goes_on_there(
    world: World, quick_results: Path
) -> None:
    before = world.workflows()
    deployments = world.folder / "assets_cfg/deployments"
    shutil.copyfile(deployments / "local.yaml", deployments / "second.yaml")
    url = f"http://127.0.0.1:{free_port()}"
    change_yaml(deployments / "second.yaml", lambda one: move_embedded(one, url))
    change_yaml(world.folder / f"assets_cfg/datasets/{OTHER}.yaml", lambda one: one.update(deployment="second"))
    shutil.copyfile(quick_results / "clip.mp4", world.clips.parent / OTHER / "clip003.mp4")

    with running(world, "osmo-local", "serve", "--deployment", "second", log="second.log") as server:
        wait_for_answer(f"{url}/health", server, log=world.folder / "second.log")
        moved = world.vda("run", "--dataset", OTHER, "--flow", "e2e")
    assert moved.returncode == 0, moved.stdout + moved.stderr
    assert moved.stdout.count("(finished before)") == len(OUTPUTS) * len(CLIPS)
    assert world.workflows() == before
    with world.instance() as instance:
        for output in OUTPUTS:
            assert instance.get_materialized_partitions(dg.AssetKey(["night_shift", output])) == CLIPS | {"clip003.mp4"}


def move_embedded(deployment: dict, url: str) -> None:
    """Another OSMO, with a folder and stand-ins of its own; results stay where the dataset has them."""
    deployment["osmo"]["url"] = url
    deployment["osmo_local"]["state_folder"] += "-second"
    deployment["osmo_local"]["services"] = {}
