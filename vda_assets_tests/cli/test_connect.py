"""`vda connect`: from a service's own answers to a deployment file that loads."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from vda_assets_tests.cli.project import Project, project_on
from vda_assets_tests.osmo.service import VERSION, Asked, Reply, Service, serving

NOT_THERE = {"HF_TOKEN": "hf_0123456789", "NGC_API_KEY": "", "KUBECONFIG": "/nowhere"}


class Osmo:
    """What a service answers to whoever connects; it takes every credential."""

    def __init__(self) -> None:
        self.pools: dict[str, list[str]] = {"system": ["cpu"], "team-a": ["system", "h100"]}
        self.status: dict[str, str] = {}
        self.credentials = [{"cred_name": "clips", "cred_type": "DATA", "profile": "s3://clips"}]

    def answer(self, asked: Asked) -> Reply:
        if asked.method != "GET":
            return Reply(None)
        return {
            "/api/version": VERSION,
            "/api/profile/settings": Reply({"profile": {"username": "ana"}}),
            "/api/pool": Reply({"pools": {name: self.pool(name) for name in self.pools}}),
            "/api/credentials": Reply({"credentials": self.credentials}),
            "/api/resources": Reply({"resources": []}),
        }.get(asked.path, Reply({"message": "no"}, 403))

    def pool(self, name: str) -> dict[str, Any]:
        platforms = {platform: {} for platform in self.pools[name]}
        return {"name": name, "status": self.status.get(name, "ONLINE"), "platforms": platforms}


@pytest.fixture
def osmo() -> Osmo:
    return Osmo()


@pytest.fixture
def service(osmo: Osmo) -> Iterator[Service]:
    with serving(osmo.answer) as service:
        yield service


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with project_on("file", tmp_path) as project:
        yield project


def connect(project: Project, service: Service, *options: str) -> Any:
    return project.vda("connect", service.url, "--user", "ana", "--name", "team", *options, **NOT_THERE)


def written(project: Project) -> dict[str, Any]:
    return yaml.safe_load((project.folder / "assets_cfg/deployments/team.yaml").read_text())


def test_what_there_is_one_of_is_chosen_and_the_file_is_checked(project: Project, service: Service) -> None:
    done = connect(project, service)
    assert done.stdout.splitlines()[:4] == [
        f"OSMO 6.4.0 at {service.url}, as ana",
        "pool: team-a, the only one",
        "platform: h100, the only one",
        f"wrote {project.folder}/assets_cfg/deployments/team.yaml",
    ]
    found = written(project)
    assert found["osmo"] == {
        "url": service.url,
        "user": "ana",
        "pool": "team-a",
        "gpu_platform": "h100",
        "max_in_flight": 16,
    }
    assert found["storage"] == [{"profile": "s3://clips"}]
    # It ends with the checks of what all datasets of the deployment share.
    assert "ok   pool: team-a is ONLINE" in done.stdout
    assert "hf_token of OSMO was made from HF_TOKEN" in done.stdout


def test_the_file_says_what_its_keys_are_for(project: Project, service: Service) -> None:
    connect(project, service)
    text = (project.folder / "assets_cfg/deployments/team.yaml").read_text()
    assert "docs/connect-a-cluster.md" in text
    assert text.count("#") > 5


@pytest.mark.parametrize(
    ("pools", "options", "said"),
    [
        ({"a": ["h100"], "b": ["l40"]}, (), "USER_INPUT_REQUIRED: give --pool; choose from: a, b"),
        ({"a": ["h100", "l40"]}, (), "USER_INPUT_REQUIRED: give --platform; choose from: h100, l40"),
        ({"a": ["h100"]}, ("--pool", "x"), "USER_INPUT_REQUIRED: --pool x is not there; choose from: a"),
        ({"a": ["h100"]}, ("--platform", "x"), "USER_INPUT_REQUIRED: --platform x is not there; choose from: h100"),
        ({"a": ["system"]}, (), "USER_INPUT_REQUIRED: no pool is ONLINE and has a platform with GPUs"),
        ({"system": ["h100"]}, ("--pool", "system"), "--pool system is not there; choose from: none"),
        ({}, (), "USER_INPUT_REQUIRED: no pool is ONLINE and has a platform with GPUs"),
    ],
)
def test_what_cannot_be_chosen_is_one_question_and_nothing_is_written(
    project: Project, osmo: Osmo, service: Service, pools: dict[str, list[str]], options: tuple[str, ...], said: str
) -> None:
    osmo.pools = pools
    done = connect(project, service, *options)
    assert done.returncode == 1
    assert said in done.stderr
    assert not (project.folder / "assets_cfg/deployments/team.yaml").exists()


def test_options_choose_among_several(project: Project, osmo: Osmo, service: Service) -> None:
    osmo.pools = {"a": ["h100"], "b": ["l40", "h200"], "c": ["h100"]}
    osmo.status = {"c": "OFFLINE"}
    connect(project, service, "--pool", "b", "--platform", "h200")
    found = written(project)["osmo"]
    assert (found["pool"], found["gpu_platform"]) == ("b", "h200")


@pytest.mark.parametrize("name", ["on", "1", "no", "a:b", "x #y"])
def test_names_that_yaml_would_read_as_something_else_stay_names(
    project: Project, osmo: Osmo, service: Service, name: str
) -> None:
    osmo.pools = {name: [name]}
    connect(project, service)
    found = written(project)["osmo"]
    assert (found["pool"], found["gpu_platform"]) == (name, name)


def test_a_file_that_is_there_stays_as_it_is(project: Project, service: Service) -> None:
    path = project.folder / "assets_cfg/deployments/team.yaml"
    path.write_text("mine")
    done = connect(project, service)
    assert done.returncode == 1
    assert f"{path} exists and stays as it is" in done.stderr
    assert path.read_text() == "mine"


@pytest.mark.parametrize("url", ["osmo.example.com", "ftp://osmo", "https://ana:secret@osmo.example.com", "https://"])
def test_a_url_that_is_none_is_told_before_anybody_is_asked(project: Project, url: str) -> None:
    done = project.vda("connect", url)
    assert done.returncode == 2
    assert "Error: the URL " in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_that_is_away_is_one_message(project: Project) -> None:
    done = project.vda("connect", "http://127.0.0.1:9", "--user", "ana")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_at_a_terminal_it_asks_which_of_several(project: Project, osmo: Osmo, service: Service) -> None:
    osmo.pools = {"a": ["h100"], "b": ["l40"]}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "vda_assets.cli", "connect", service.url, "--user", "ana", "--name", "team"]
    environment = {**os.environ, "VDA_ASSETS_CFG": str(project.folder / "assets_cfg"), **NOT_THERE}
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, cwd=project.folder, env=environment
    ) as process:
        os.write(ours, b"nothing\nb\n")
        said, _ = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert b"which pool" in said
    assert written(project)["osmo"]["pool"] == "b"
