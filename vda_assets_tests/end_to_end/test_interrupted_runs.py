"""A run that is killed, stopped or loses its OSMO goes on with the same command: nothing twice, nothing orphaned."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from vda_assets.cli.world import osmo_client
from vda_assets.dagster_defs.sensors.sweep import belongs, cancel_leftovers
from vda_assets.project import load_project
from vda_assets_tests.chaos_proxy import Proxy, Trouble, proxying
from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving, stop, wait_for
from vda_assets_tests.quick_results import add_clips, go_through, use_quick_container


@pytest.fixture
def world(tmp_path: Path, quick_results: Path) -> World:
    world = make_world(tmp_path)
    use_quick_container(world, quick_results, seconds=2)
    add_clips(world, quick_results, 1)
    return world


def start_run(world: World):
    run = world.start("run", "--dataset", DATASET, "--flow", "e2e", log="run.log")
    wait_for(lambda: "RUNNING" in world.workflows().values(), "a running workflow")
    return run


def test_a_killed_run_is_continued_without_submitting_anything_again(world: World) -> None:
    with serving(world):
        run = start_run(world)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()

        again = world.vda("run", "--dataset", DATASET, "--flow", "e2e")

        assert again.returncode == 0, again.stdout + again.stderr
        assert ": adopted " in again.stdout
        assert list(world.workflows().values()) == ["COMPLETED"]


def test_a_terminated_run_cancels_its_workflow_and_the_next_one_finishes_the_work(world: World) -> None:
    with serving(world):
        run = start_run(world)
        stop(run)
        assert run.returncode != 0
        wait_for(lambda: "RUNNING" not in world.workflows().values(), "the end of the workflow")
        assert list(world.workflows().values()) == ["FAILED_CANCELED"]

        again = world.vda("run", "--dataset", DATASET, "--flow", "e2e")

        assert again.returncode == 0, again.stdout + again.stderr
        assert sorted(world.workflows().values()) == ["COMPLETED", "FAILED_CANCELED"]


def test_a_run_outlives_a_restart_of_osmo(world: World) -> None:
    with serving(world) as server:
        run = start_run(world)
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    with serving(world):
        said = (world.folder / "run.log").read_text
        assert run.wait(120) == 0, said()
        # What ran when the service was killed is lost, which is no fault of the work: it is sent once more.
        assert "once more, since task" in said()
        assert "restarted while" in said()
        assert sorted(world.workflows().values()) == ["COMPLETED", "FAILED"]


def test_a_killed_run_does_not_stay_running_in_dagsters_books_and_leaves_no_process(world: World) -> None:
    with serving(world):
        run = start_run(world)
        wait_for(lambda: "augmented_videos" in (world.folder / "run.log").read_text(), "an augmented clip")
        family = psutil.Process(run.pid).children(recursive=True)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        assert psutil.wait_procs(family, timeout=20)[1] == []

        world.vda("run", "--dataset", DATASET, "--flow", "e2e")

        with world.instance() as instance:
            assert [one.status.value for one in instance.get_runs()] == ["SUCCESS", "FAILURE"]


@pytest.mark.parametrize("when", ["setup for 1 clip", "Time overview", "submitted workflow"])
def test_an_interrupted_run_says_so_in_a_word_and_leaves_nothing_on_the_pool(world: World, when: str) -> None:
    with serving(world):
        run = world.start("run", "--dataset", DATASET, "--flow", "e2e", log="run.log")
        said = (world.folder / "run.log").read_text
        wait_for(lambda: when in said(), when)
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 130, said()
        assert said().splitlines()[-1] == "stopped"
        assert "Traceback" not in said()
        wait_for(lambda: set(world.workflows().values()) <= {"FAILED_CANCELED"}, "the end of the workflow")


def test_what_a_canceled_run_left_on_osmo_is_swept(world: World) -> None:
    with serving(world):
        run = start_run(world)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        project = load_project(world.environment)
        with world.instance() as instance, osmo_client(project.deployments["local"]) as client:
            (dead,) = instance.get_runs()
            dataset = project.dataset(DATASET)
            assert belongs(dead, dataset)
            instance.report_run_canceled(dead)
            (line,) = cancel_leftovers(client, instance, dead, dataset)
        assert line.startswith("canceled workflow vda-")
        wait_for(lambda: list(world.workflows().values()) == ["FAILED_CANCELED"], "the end of the workflow")


def test_a_service_without_labels_is_dispatched_to_by_name(world: World) -> None:
    with serving(world), proxying(Proxy(world.osmo_url, Trouble(), without_labels=True)) as old_service:
        go_through(world, old_service.url)
        run = start_run(world)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()

        again = world.vda("run", "--dataset", DATASET, "--flow", "e2e")

        assert again.returncode == 0, again.stdout + again.stderr
        assert ": adopted " in again.stdout
        (entry,) = world.workflow_entries()
        assert (entry["status"], entry["labels"]) == ("COMPLETED", {})
