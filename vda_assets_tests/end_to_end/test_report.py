"""The report on a run, opened from a disk in a browser: what a person sees, filters, opens and plays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from vda_assets.osmo.statuses import TaskStatus
from vda_assets_tests.end_to_end.browser import Browser, browsing, needs_browser
from vda_assets_tests.osmo.in_memory_rows import Fate, Try
from vda_assets_tests.simulated_runs import simulated_runs, varied

GOOD, REJECTED, FAILED, LEFT = (f"clip{number:03d}.mp4" for number in range(4))
_REASON = "no <b>track</b> at all"


def fate(one: Try) -> Fate:
    if any(FAILED.removesuffix(".mp4") in word for word in one.task.args):
        return replace(varied(one), status=TaskStatus.FAILED, exit_code=3, log=(f"vda_worker: FAILED: {_REASON}",))
    return varied(one)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, quick_results: Path) -> str:
    """Of four clips: one is made, one rejected, one failed, and one nobody asked for."""
    folder = tmp_path_factory.mktemp("reported")
    with simulated_runs(folder, quick_results, clips=4, script=fate, flow="e2e") as runs:
        runs.rejects = lambda name: name.startswith(REJECTED.removesuffix(".mp4"))
        runs.ask_by_command([GOOD, REJECTED, FAILED])
        done = runs.world.vda("report", "--dataset", "street")
    assert done.returncode == 0, done.stderr
    (lies,) = (line for line in done.stdout.splitlines() if line.startswith("report="))
    return lies.removeprefix("report=")


@pytest.fixture
def browser(page: str, tmp_path: Path) -> Iterator[Browser]:
    with browsing(tmp_path / "profile") as browser:
        browser.open(page)
        try:
            yield browser
        finally:
            browser.screenshot(tmp_path / "page.png")


def shown(browser: Browser) -> list[str]:
    return browser.ask("return [...document.querySelectorAll('#gallery h3')].map((one) => one.textContent)")


def number(browser: Browser, verdict: str) -> str:
    return browser.ask(f"return document.querySelector('[data-verdict={verdict}] b').textContent")


@needs_browser
def test_a_person_filters_opens_and_plays_the_clips_of_a_report(browser: Browser) -> None:
    assert shown(browser) == [GOOD, REJECTED, FAILED, LEFT]
    assert [number(browser, verdict) for verdict in ("rejected", "failed", "missing")] == ["1", "1", "1"]
    assert browser.ask("return document.querySelectorAll('b b, li b > b').length") == 0, "a reason is text"
    assert browser.see(f"//*[@id='causes']//summary[contains(., '{_REASON}')]")

    browser.click("//button[@data-verdict='rejected']")
    assert shown(browser) == [REJECTED]
    browser.click("//button[@data-verdict='failed']")
    assert shown(browser) == [REJECTED, FAILED]
    browser.reload()
    assert shown(browser) == [REJECTED, FAILED], "an address with filters can be sent on"
    browser.click("//button[.='Show all']")
    browser.until("return document.querySelectorAll('#gallery h3').length === 4")

    value = browser.ask("return document.querySelector('.card .chip').textContent")
    browser.click(f"//select/option[@value='{value}']")
    assert GOOD in shown(browser)
    assert LEFT not in shown(browser), "nothing was drawn for it"
    browser.click("//button[.='Show all']")
    browser.type("//input[@name='text']", "CLIP001")
    browser.until("return document.querySelectorAll('#gallery h3').length === 1")
    assert shown(browser) == [REJECTED]
    browser.click("//button[.='Show all']")

    browser.click(f"//button[@aria-label='Open {GOOD}']")
    for name in ("Side by side", "Original", "Augmented"):
        browser.click(f"//dialog//button[.='{name}']")
        assert browser.ask("return document.querySelector('video').preload") == "none"
        browser.ask("document.querySelector('video').play()")
        browser.until("return document.querySelector('video').currentTime > 0")
    browser.click("//dialog//button[.='Close']")
    browser.until("return !document.querySelector('dialog').open && !document.querySelector('video')")
    pictures = "[...document.querySelectorAll('#gallery img')]"
    browser.until(f"return {pictures}.length === 2 && {pictures}.every((one) => one.naturalWidth > 0)")


@needs_browser
def test_a_keyboard_and_a_phone_are_enough(browser: Browser) -> None:
    browser.resize(390, 800)
    assert browser.ask("return document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off at the side"
    focused = "return document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
    for _ in range(40):
        browser.press(Keys.TAB)
        if browser.ask(focused) == f"Open {GOOD}":
            break
    browser.press(Keys.ENTER)
    assert browser.see(f"//dialog//h2[.='{GOOD}']")
    browser.press(Keys.ARROW_RIGHT)
    assert browser.see(f"//dialog//h2[.='{REJECTED}']")
    browser.press(Keys.ESCAPE)
    browser.until("return !document.querySelector('dialog').open")
    assert browser.ask(focused) == f"Open {REJECTED}", "the focus stands where the last clip is"
    assert browser.ask("return document.getElementById('count').textContent") == "1–4 of 4"
