"""Runs and backfills on pages of the Dagster UI: launched, terminated, executed again, and what became of each clip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from vda_assets_tests.end_to_end.browser import Browser, browsing, needs_browser
from vda_assets_tests.end_to_end.world import (
    DATASET,
    World,
    make_world,
    serving_ui,
    stop,
    wait_for,
)
from vda_assets_tests.quick_results import (
    add_clips,
    fail_in_quick_container,
    held_quick_container,
    reject_in_quick_container,
    use_quick_container,
)

GOOD, FAILED, REJECTED = (f"clip{number:03d}.mp4" for number in range(3))
CHOSEN = {GOOD, REJECTED}
COMMAND = ("run", "--dataset", DATASET, "--select", "original_labels")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, quick_results: Path) -> World:
    """Of three clips, one's containers fail, and one's augmented clip is rejected."""
    world = make_world(tmp_path_factory.mktemp("ui"))
    use_quick_container(world, quick_results, seconds=0.2)
    add_clips(world, quick_results, 3)
    fail_in_quick_container(world, FAILED.removesuffix(".mp4"))
    reject_in_quick_container(world, REJECTED.removesuffix(".mp4"))
    return world


@pytest.fixture(scope="module")
def ui(world: World) -> Iterator[str]:
    """Its address, with a server of media beside it."""
    with serving_ui(world) as ui:
        yield ui


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with browsing(tmp_path / "profile") as browser:
        try:
            yield browser
        finally:
            browser.screenshot(tmp_path / "page.png")


@needs_browser
def test_a_run_of_the_command_is_terminated_and_executed_again_from_its_page(
    world: World, ui: str, browser: Browser
) -> None:
    videos = (part for clip in sorted(CHOSEN) for part in ("--video", clip))
    with world.instance() as instance:
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


@needs_browser
def test_a_backfill_that_is_launched_on_the_graph_ends_with_a_verdict_and_a_reason_for_each_clip(
    world: World, ui: str, browser: Browser
) -> None:
    with world.instance() as instance:
        wait_for(lambda: len(instance.get_dynamic_partitions("street_videos")) == 3, "the clips as partitions")
        browser.open(f"{ui}/locations/vda_assets/asset-groups/street/lineage")
        browser.click("//button[contains(., 'Materialize all')]")
        # Where no run has looked at preflight yet, Dagster warns of it first.
        missing = "//*[@role='dialog']//button[.='Missing']"
        browser.click(f"//button[.='Confirm'] | {missing}")
        browser.click(missing)
        browser.click("//*[@role='dialog']//button[.='Launch backfill']")
        wait_for(lambda: instance.get_backfills(), "the backfill")
        wait_for(lambda: instance.get_backfills()[0].status.name.startswith("COMPLETED"), "its end", seconds=180)

    # A card is not green with a flagged clip on it, and says how many are not made.
    browser.open(f"{ui}/locations/vda_assets/asset-groups/street/lineage")
    browser.until("return (document.body.innerText.match(/66% filled \\(1 failed\\)/g) || []).length == 4")
    assert "0 / 1 Passed" in browser.ask("return document.body.innerText")
    browser.open(f"{ui}/assets/street/augmented_videos?view=checks")
    browser.see("//*[.='3 clips: 1 accepted, 1 failed, 1 rejected']")
    assert "hallucination_check failed: score 0.4" in browser.see(f"//tr[td[.='{REJECTED}']]/td[3]")

    # From a failed clip's page, two clicks away.
    browser.open(f"{ui}/assets/street/augmented_videos?view=partitions&partition={FAILED}")
    browser.click("//*[self::button or self::a][contains(., 'View all historical events')]")
    browser.click(f"//*[@role='dialog']//tr//*[normalize-space()='{FAILED}']")
    assert "the container exited with 3; the last it said: told to fail" in browser.see(
        "//*[@role='dialog']//tr[td[.='failure']]/td[2]"
    )

    browser.open(f"{ui}/assets/street/comparisons?view=partitions&partition={GOOD}")
    browser.until("return [...document.images].some((one) => one.src.endsWith('.webp') && one.naturalWidth == 640)")
    browser.click("//tr[td[.='video']]//a")
    browser.turn_to_new_page()
    browser.until("return document.querySelector('video')?.readyState >= 2")
    browser.ask("const one = document.querySelector('video'); one.loop = true; one.play()")
    browser.until("return document.querySelector('video').currentTime > 0.2")
