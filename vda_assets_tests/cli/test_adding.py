"""`vda datasets add`, and where clips go when nobody says it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from vda_assets_tests.cli.project import Project, project_on


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with project_on("file", tmp_path) as project:
        yield project


def deployment(project: Project, name: str, **more: object) -> None:
    content = {"osmo": {"url": "http://osmo.example.com"}, **more}
    (project.folder / f"assets_cfg/deployments/{name}.yaml").write_text(yaml.safe_dump(content))


def test_a_dataset_is_added_to_the_only_deployment(project: Project) -> None:
    deployment(project, "team")
    done = project.vda("datasets", "add", "yard", "s3://clips/datasets/yard")
    assert done.returncode == 0, done.stderr
    path = project.folder / "assets_cfg/datasets/yard.yaml"
    assert done.stdout == f"wrote {path}; now: vda preflight --dataset yard\n"
    assert "yard\tteam\tcity_traffic\ts3://clips/datasets/yard" in project.vda("datasets").stdout


def test_without_a_cluster_it_is_the_embedded_one(project: Project) -> None:
    project.vda("datasets", "add", "yard", f"{project.place.root}/datasets/yard", "--cookbook", "warehouse")
    assert "yard\tlocal\twarehouse" in project.vda("datasets").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("yard", "s3://clips/datasets/other"), "ends with 'other', not with the name 'yard'"),
        (("yard", "s3://clips/yard"), "<storage_url>/datasets/<dataset>"),
        (("yard", "clips/datasets/yard"), "is no storage URL"),
        (("yard", "s3://clips/datasets/yard", "--deployment", "nobody"), "unknown deployment 'nobody'"),
        (("yard", "s3://clips/datasets/yard", "--cookbook", "nothing"), "unknown cookbook 'nothing'"),
        (("../yard", "s3://clips/datasets/yard"), "ends with 'yard', not with the name '../yard'"),
    ],
)
def test_what_would_not_hold_together_is_refused_and_leaves_no_file(
    project: Project, arguments: tuple[str, ...], said: str
) -> None:
    before = sorted(project.folder.rglob("*.yaml"))
    done = project.vda("datasets", "add", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert sorted(project.folder.rglob("*.yaml")) == before


def test_a_dataset_that_is_there_stays_as_it_is(project: Project) -> None:
    path = project.folder / "assets_cfg/datasets/yard.yaml"
    project.vda("datasets", "add", "yard", "s3://clips/datasets/yard")
    before = path.read_text()
    done = project.vda("datasets", "add", "yard", "s3://others/datasets/yard")
    assert done.returncode == 2
    assert f"{path} exists and stays as it is" in done.stderr
    assert path.read_text() == before


def test_several_deployments_are_a_question(project: Project) -> None:
    for name in ("team-a", "team-b"):
        deployment(project, name)
    done = project.vda("datasets", "add", "yard", "s3://clips/datasets/yard")
    assert done.returncode == 1
    assert "USER_INPUT_REQUIRED: give --deployment; choose from: team-a, team-b" in done.stderr


@pytest.mark.parametrize(
    ("profiles", "said"),
    [
        ([], "USER_INPUT_REQUIRED: say where the clips go: vda datasets add vda-demo <storage root>/datasets/vda-demo"),
        (["s3://a", "s3://b"], "choose from: s3://a, s3://b"),
        (["azure://account"], "USER_INPUT_REQUIRED: say where the clips go"),
    ],
)
def test_where_the_demo_clips_go_is_asked_where_no_rule_says_it(
    project: Project, profiles: list[str], said: str
) -> None:
    deployment(project, "team", storage=[{"profile": profile} for profile in profiles])
    done = project.vda("run", "--deployment", "team")
    assert done.returncode == 1
    assert said in done.stderr
    assert not (project.folder / "assets_cfg/datasets/vda-demo.yaml").exists()


def test_the_only_bucket_of_a_deployment_takes_the_demo_clips(project: Project) -> None:
    deployment(project, "team", storage=[{"profile": "s3://clips"}])
    done = project.vda("run", "--deployment", "team", HF_HUB_OFFLINE="1")
    assert done.returncode != 0
    found = yaml.safe_load((project.folder / "assets_cfg/datasets/vda-demo.yaml").read_text())
    assert found == {"url": "s3://clips/datasets/vda-demo", "deployment": "team", "cookbook": "city_traffic"}
    elsewhere = project.vda("run", "--deployment", "local")
    assert "vda-demo is worked on by team, as its file" in elsewhere.stderr
