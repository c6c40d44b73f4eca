"""The dispatcher against a served OSMO whose workers do nothing: what it tells, and what it takes for an end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vda_assets.cli.world import osmo_client
from vda_assets.datasets.clips import Clip
from vda_assets.dispatch.failures import Blame, Explained, GoesOn, explain_failures
from vda_assets.flows.place import Place
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.work import ClipWork, output_hashes
from vda_assets.flows.worker_files import START_SCRIPT, worker_files
from vda_assets.flows.workflow import build_workflow
from vda_assets.project import Project, load_project
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving, wait_for
from vda_assets_tests.quick_results import change_yaml


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Its workers wait for a file named `go` and end."""
    container = tmp_path / "container"
    (container / "bin").mkdir(parents=True)
    (container / "bin/python").write_text(f"#!/bin/sh\nuntil [ -e {tmp_path}/go ]; do sleep 0.1; done\n")
    (container / "bin/python").chmod(0o755)
    world = make_world(tmp_path)

    def change(deployment: dict) -> None:
        embedded = deployment["osmo_local"]
        for image in embedded["images"].values():
            image["environment"] = {"UV_PROJECT_ENVIRONMENT": str(container)}
        embedded["platforms"]["cpu-stand-in"] = {"gpus": 8, "cpus": 200}
        embedded["services"] = {}
        deployment["osmo"]["max_in_flight"] = 2

    change_yaml(world.folder / "assets_cfg/deployments/local.yaml", change)
    setup = world.outputs / "run-0a1b2c3d/setup_b0"
    setup.mkdir(parents=True)
    (setup / START_SCRIPT).write_bytes(worker_files()[START_SCRIPT])
    with serving(world):
        yield world


def works_of(project: Project, world: World, count: int) -> list[ClipWork]:
    cookbook, images = project.cookbooks["city_traffic"], project.deployments["local"].images
    works = []
    for number in range(count):
        key = f"clip{number}.mp4"
        (world.clips / key).write_bytes(b"a clip")
        clip = Clip(key, StorageUrl.parse(f"file://{world.clips / key}"), 6, "v1", 0.0)
        draws, hashes = output_hashes(clip, cookbook=cookbook, images=images, super_resolution=False)
        works.append(ClipWork(clip, FLOWS["e2e"], draws, hashes))
    return works


def layout_of(project: Project) -> RunLayout:
    dataset = project.dataset(DATASET)
    return RunLayout(dataset.storage_url, dataset.name, "run-0a1b2c3d")


def test_a_workflow_that_goes_on_or_completed_has_no_failures_to_explain(world: World) -> None:
    project = load_project(world.environment)
    deployment = project.deployments["local"]
    (work,) = works_of(project, world, 1)
    spec = build_workflow(
        work,
        layout=layout_of(project),
        deployment=deployment,
        place=Place("default", "cpu-stand-in"),
        attempt=1,
    )
    with osmo_client(deployment) as client:
        workflow_id = client.submit(spec, pool=deployment.osmo.pool).name
        # Its row shows up some time after the answer.
        wait_for(lambda: workflow_id in world.workflows(), "the workflow")
        assert explain_failures(client, workflow_id, work.stages) == GoesOn()
        (world.folder / "go").touch()
        wait_for(lambda: world.workflows()[workflow_id] == "COMPLETED", "the end of the workflow")
        assert explain_failures(client, workflow_id, work.stages) == GoesOn()
        lost = explain_failures(client, "vda-never-sent-1", work.stages)
        assert isinstance(lost, Explained)
        assert {failure.blame for failure in lost.failures} == {Blame.CLUSTER}
