"""A `vda run` on its page in the Dagster UI: it is terminated there, and executed again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from vda_assets_tests.end_to_end.browser import browsing, needs_browser
from vda_assets_tests.end_to_end.world import (
    DATASET,
    WORKSPACE,
    World,
    free_port,
    make_world,
    running,
    stop,
    wait_for,
    wait_for_answer,
)
from vda_assets_tests.quick_results import add_clips, held_quick_container, use_quick_container

CLIPS = 3
CHOSEN = {"clip000.mp4", "clip002.mp4"}
COMMAND = ("run", "--dataset", DATASET, "--select", "original_labels")


@pytest.fixture
def world(tmp_path: Path, quick_results: Path) -> World:
    world = make_world(tmp_path)
    use_quick_container(world, quick_results, seconds=0.2)
    add_clips(world, quick_results, CLIPS)
    return world


@pytest.fixture
def ui(world: World) -> Iterator[str]:
    port = free_port()
    dagster_dev = ["dagster", "dev", "-w", WORKSPACE, "--host", "127.0.0.1", "--port", str(port)]
    with running(world, "osmo-local", "exec", "--", *dagster_dev, log="ui.log") as process:
        wait_for_answer(f"http://127.0.0.1:{port}/server_info", process, log=world.folder / "ui.log")
        yield f"http://127.0.0.1:{port}"


@needs_browser
def test_a_run_of_the_command_is_terminated_and_executed_again_from_its_page(
    world: World, ui: str, tmp_path: Path
) -> None:
    videos = (part for clip in sorted(CHOSEN) for part in ("--video", clip))
    with world.instance() as instance, browsing(tmp_path / "profile") as browser:
        with held_quick_container(world):
            command = world.start(*COMMAND, *videos, log="run.log")
            try:
                wait_for(lambda: len(world.workflows()) == len(CHOSEN), "a workflow of each clip", seconds=90)
                (run,) = instance.get_runs()
                browser.open(f"{ui}/runs/{run.run_id}")
                browser.click("//button[contains(., 'Terminate')]")
                browser.click("//*[@role='dialog']//button[.='Terminate 1 run']")
                assert command.wait(60) == 130, (world.folder / "run.log").read_text()
            finally:
                stop(command)
            wait_for(lambda: set(world.workflows().values()) == {"FAILED_CANCELED"}, "the end of the workflows")
            assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.CANCELED

        browser.reload()
        browser.click("//button[contains(., 'Re-execute all')]")
        wait_for(lambda: len(instance.get_runs()) == 2, "the new run", seconds=60)
        again = next(one for one in instance.get_runs() if one.run_id != run.run_id)
        wait_for(lambda: instance.get_run_by_id(again.run_id).is_finished, "its end", seconds=90)
        assert instance.get_run_by_id(again.run_id).status is dg.DagsterRunStatus.SUCCESS
        assert instance.get_materialized_partitions(dg.AssetKey(["street", "original_labels"])) == CHOSEN
