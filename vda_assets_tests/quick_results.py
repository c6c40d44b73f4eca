"""Results of both containers for one clip, made by the real worker and stand-ins, to be handed out again and again."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from vda_assets_tests import as_drawn
from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving

QUICK_CONTAINER = Path(__file__).parent / "quick_container"
CONTAINERS = {"auto_labeling": "outputs/pseudo_labeled/a", "augmentation": "outputs/augmented/a_aug0"}


def make_quick_results(folder: Path) -> Path:
    """Runs `e2e` once on a short clip; returns the folder that the quick container takes as QUICK_RESULTS.

    It holds `clip.mp4` too: the clip that the results belong to.
    """
    world = make_world(folder / "maker")
    clip = cut(world.clips / "a.mp4", frames=12)
    with serving(world):
        done = world.vda("run", "--dataset", DATASET, "--flow", "e2e")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = world.runs()
    results = folder / "results"
    for container, where in CONTAINERS.items():
        shutil.copytree(run / where, results / container)
        outcome = json.loads((results / container / "outcome.json").read_text())
        outcome.update(name="@NAME@", work="@WORK@", attempt="@ATTEMPT@")
        (results / container / "outcome.json").unlink()
        (results / f"{container}.outcome.json").write_text(json.dumps(outcome))
    shutil.copyfile(clip, results / "clip.mp4")
    return results


def use_quick_container(world: World, results: Path, *, seconds: float) -> None:
    """Makes the world's workers quick ones, each of which takes `seconds`.

    They link what they leave to a copy of the results: whatever a test does to outputs, the results stay as they are.
    """
    own = shutil.copytree(results, world.folder / "quick_results")

    def change(deployment: dict) -> None:
        embedded = deployment["osmo_local"]
        for image in embedded["images"].values():
            quick = {"QUICK_RESULTS": str(own), "QUICK_SECONDS": str(seconds)}
            image["environment"] = {"UV_PROJECT_ENVIRONMENT": str(QUICK_CONTAINER), **quick}
        embedded["platforms"]["cpu-stand-in"] = {"gpus": 8, "cpus": 200}
        embedded["services"] = {}
        deployment["osmo"]["max_in_flight"] = 8

    change_yaml(world.folder / "assets_cfg/deployments/local.yaml", change)


def accept_in_quick_container(world: World) -> None:
    """From now on what the containers leave of a clip is accepted, whatever is drawn for it."""

    def change(deployment: dict) -> None:
        for image in deployment["osmo_local"]["images"].values():
            image["environment"]["QUICK_AS_DRAWN"] = f"{sys.executable} {Path(as_drawn.__file__)}"

    change_yaml(world.folder / "assets_cfg/deployments/local.yaml", change)
    have_drawn(world, as_drawn.VARIABLES)


def have_drawn(world: World, variables: dict[str, dict[str, float]]) -> None:
    """From now on the dataset's cookbook draws these, by weight."""
    cookbook = world.folder / "assets_cfg/cookbooks/city_traffic"

    def change(base: dict) -> None:
        llm = base["captioning"]["llm"]
        llm["variables"] = llm["verification_options"] = {name: [*values] for name, values in variables.items()}

    change_yaml(cookbook / "augmentation/augmentation.yaml", change)
    change_yaml(cookbook / "workflow_config.yaml", lambda one: one["augmentation"].update(variables=variables))


def fail_in_quick_container(world: World, *videos: str) -> None:
    """From now on these videos' containers fail, and no others."""
    fails = world.folder / "quick_results/fails"
    shutil.rmtree(fails, ignore_errors=True)
    fails.mkdir()
    for video in videos:
        (fails / video).touch()


def reject_in_quick_container(world: World, *videos: str) -> None:
    """From now on these videos' augmented clips fail a quality gate."""
    own = world.folder / "quick_results"
    augmented = shutil.copytree(own / "augmentation", own / "rejected/augmentation")
    metadata = json.loads((augmented / "metadata.json").read_text())
    metadata["hallucination_check"].update(passed=False, score=0.4)
    told = json.dumps(metadata).encode()
    (augmented / "metadata.json").write_bytes(told)
    outcome = json.loads((own / "augmentation.outcome.json").read_text())
    for file in outcome["files"]:
        if file["path"] == "metadata.json":
            file.update(size_bytes=len(told), sha256=hashlib.sha256(told).hexdigest())
    (own / "rejected/augmentation.outcome.json").write_text(json.dumps(outcome))
    (own / "rejects").mkdir()
    for video in videos:
        (own / "rejects" / video).touch()


@contextmanager
def held_quick_container(world: World) -> Iterator[None]:
    """No container ends meanwhile."""
    hold = world.folder / "quick_results/hold"
    hold.touch()
    try:
        yield
    finally:
        hold.unlink()


def go_through(world: World, url: str, *, answer_seconds: float = 60.0) -> None:
    """Lets the dataset's runs find OSMO at `url`, say a proxy, while the service keeps its own address."""
    deployments = world.folder / "assets_cfg/deployments"
    shutil.copyfile(deployments / "local.yaml", deployments / "proxied.yaml")

    def change(deployment: dict) -> None:
        deployment["osmo"].update(url=url, answer_seconds=answer_seconds)

    change_yaml(deployments / "proxied.yaml", change)
    change_yaml(world.folder / f"assets_cfg/datasets/{DATASET}.yaml", lambda one: one.update(deployment="proxied"))


def change_yaml(path: Path, change: Callable[[dict], object]) -> None:
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content))


def add_clips(world: World, results: Path, count: int) -> None:
    """The clip that the results belong to, under `count` names; those that are there stay."""
    for number in range(count):
        clip = world.clips / f"clip{number:03d}.mp4"
        if not clip.exists():
            shutil.copyfile(results / "clip.mp4", clip)
