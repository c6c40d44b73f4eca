"""Where Dagster keeps its books: processes that open a new one together, and one that is no folder."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from multiprocessing.synchronize import Barrier
from pathlib import Path

import click
import pytest

from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.project import load_project
from vda_assets_tests.cli.project import DATASET, Project
from vda_assets_tests.end_to_end.world import REPOSITORY

AT_ONCE = 4
PROJECT = {"VDA_ASSETS_CFG": str(REPOSITORY / "assets_cfg")}


def open_together(home: Path, barrier: Barrier) -> None:
    os.environ["DAGSTER_HOME"] = str(home)
    barrier.wait()
    with dagster_instance(load_project(PROJECT)) as instance:
        instance.get_runs()


@pytest.mark.parametrize("attempt", range(3))
def test_processes_that_open_a_new_home_at_once_all_get_in(tmp_path: Path, attempt: int) -> None:
    processes = multiprocessing.get_context("fork")
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    barrier = processes.Barrier(AT_ONCE)
    started = [processes.Process(target=open_together, args=(home, barrier)) for _ in range(AT_ONCE)]
    for one in started:
        one.start()
    for one in started:
        one.join(60)
    assert [one.exitcode for one in started] == [0] * AT_ONCE, f"attempt {attempt}"


def test_a_home_that_is_no_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "gone"))
    refused = pytest.raises(click.ClickException, match=r"DAGSTER_HOME=.*gone: No such file or directory")
    with refused, dagster_instance(load_project(PROJECT)):
        pass


@pytest.mark.parametrize(("command", "room_bytes"), [("run", 1), ("videos", 20_000), ("run", 100_000)])
def test_a_full_home_is_told_in_one_message(project: Project, command: str, room_bytes: int) -> None:
    home = project.folder / "books"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    put_clip(project)
    full = project.vda(command, "--dataset", DATASET, largest_file_bytes=room_bytes, DAGSTER_HOME=str(home))
    assert_tells_of(home, full)
    again = project.vda("videos", "--dataset", DATASET, DAGSTER_HOME=str(home))
    assert "clip.mp4" in again.stdout, again.stderr


def test_a_home_that_cannot_be_made_is_told_in_one_message(project: Project) -> None:
    put_clip(project)
    full = project.vda("videos", "--dataset", DATASET, largest_file_bytes=1, DAGSTER_HOME="")
    assert_tells_of(project.folder / "home/dagster", full)
    again = project.vda("videos", "--dataset", DATASET, DAGSTER_HOME="")
    assert "clip.mp4" in again.stdout, again.stderr


def put_clip(project: Project) -> None:
    project.place.storage.write_bytes(project.clips / "clip.mp4", b"clip")


def assert_tells_of(home: Path, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(f"Error: DAGSTER_HOME={home} cannot be written to: ")
    assert "Make room, then run the same command again" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
