"""The Dagster UI, used as a person uses it: one output of one clip, made from the page of its partition."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.browser import Browser, browsing, needs_browser
from vda_assets_tests.end_to_end.world import World, serving_ui, wait_for

CHOSEN, OTHER = "street.mp4", "night street.mp4"
KEYS = {CHOSEN, "night=20street.mp4"}


@pytest.fixture
def ui(world: World) -> Iterator[str]:
    """The address of the UI, started as `make ui` starts it on a dataset of two clips, with a server of media."""
    cut(world.clips / CHOSEN, start=60, frames=24)
    cut(world.clips / OTHER, start=100, frames=24)
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
def test_materialize_on_the_page_of_a_clip_makes_that_output_of_that_clip_alone(
    world: World, ui: str, browser: Browser
) -> None:
    with world.instance() as instance:
        wait_for(lambda: set(instance.get_dynamic_partitions("street_videos")) == KEYS, "the clips as partitions")

        browser.open(f"{ui}/assets/street/original_labels?view=partitions&partition={CHOSEN}")
        browser.click("//button[contains(., 'Materialize')]")
        # Nobody has looked at caches, endpoints and preflight yet: Dagster warns of it, once.
        browser.click("//button[.='Confirm']")
        browser.see(f"//*[@role='dialog']//*[.='{CHOSEN}']")
        browser.click("//button[.='Launch 1 run']")
        browser.see("//*[normalize-space()='Materialized (1)']")
        # Dagster 1.13 keeps the counts up to date, but reads the partition's details only once.
        browser.reload()
        browser.see("//*[normalize-space()='Materialized']")
        assert browser.see("//tr[td[.='verdict']]/td[2]") == "accepted"
        browser.until("return [...document.images].some((one) => one.src.endsWith('.webp') && one.naturalWidth == 640)")

        (run,) = instance.get_runs()
        wait_for(lambda: instance.get_run_by_id(run.run_id).is_finished, "the end of the run")
        assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.SUCCESS
        made = {key: instance.get_materialized_partitions(key) for key in instance.all_asset_keys()}
    # The clips themselves are what the upload sensor has reported.
    assert made.pop(dg.AssetKey(["street", "source_videos"])) == KEYS
    assert {key.to_user_string(): keys for key, keys in made.items() if keys} == {"street/original_labels": {CHOSEN}}
    (folder,) = world.runs()
    assert [str(path.relative_to(folder)) for path in folder.glob("outputs/*/*")] == ["outputs/pseudo_labeled/street"]
    assert [path.name for path in (folder / "display").iterdir()] == ["street_street_pseudo_labeled.webp"]
