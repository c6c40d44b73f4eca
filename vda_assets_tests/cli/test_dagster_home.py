"""Where Dagster keeps its books: processes that open a new one together, and one that is no folder."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.synchronize import Barrier
from pathlib import Path

import click
import pytest

from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.project import load_project
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
    with pytest.raises(click.ClickException, match=r"DAGSTER_HOME=.*gone: No such file or directory"):
        dagster_instance(load_project(PROJECT))
