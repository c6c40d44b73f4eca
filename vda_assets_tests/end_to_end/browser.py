"""A headless Chromium that sees this machine alone, and the little that a person does in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException, StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="chromium or chromedriver is not installed"
)
WAIT_SECONDS = 120
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1500,1200",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
_REDRAWN = [StaleElementReferenceException, ElementClickInterceptedException]
Found = TypeVar("Found")


class Browser:
    """Every call waits for what it needs: pages redraw themselves, so an element that was found may be gone."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def open(self, url: str) -> None:
        self._driver.get(url)

    def reload(self) -> None:
        self._driver.refresh()

    def click(self, xpath: str) -> None:
        """Clicks the first element that can be seen and is enabled."""

        def click(driver: webdriver.Chrome) -> bool:
            for element in driver.find_elements(By.XPATH, xpath):
                if element.is_displayed() and element.is_enabled():
                    element.click()
                    return True
            return False

        self._until(click, f"to click {xpath}")

    def see(self, xpath: str) -> str:
        """The text of the first element that can be seen."""

        def text(driver: webdriver.Chrome) -> str | None:
            return next((one.text for one in driver.find_elements(By.XPATH, xpath) if one.is_displayed()), None)

        return self._until(text, f"to see {xpath}") or ""

    def type(self, xpath: str, text: str) -> None:
        """Into the element, as keys."""
        self.click(xpath)
        self.press(text)

    def press(self, keys: str) -> None:
        """Wherever the focus is."""
        ActionChains(self._driver).send_keys(keys).perform()

    def ask(self, script: str) -> Any:
        """What the script returns, now."""
        return self._driver.execute_script(script)

    def until(self, script: str) -> None:
        """Until what the script returns is true."""
        self._until(lambda driver: driver.execute_script(script), script)

    def turn_to_new_page(self) -> None:
        """To the page that a click has opened in a tab of its own."""
        self._until(lambda driver: len(driver.window_handles) > 1, "for a new page")
        self._driver.switch_to.window(self._driver.window_handles[-1])

    def resize(self, width: int, height: int) -> None:
        """To a window that a phone has, say, which is narrower than any of this browser's."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def screenshot(self, path: Path) -> None:
        self._driver.save_screenshot(str(path))

    def _until(self, condition: Callable[[webdriver.Chrome], Found], what: str) -> Found:
        wait = WebDriverWait(self._driver, WAIT_SECONDS, ignored_exceptions=_REDRAWN)
        return wait.until(condition, f"waited {WAIT_SECONDS} s {what}")


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """A browser with an empty profile in the folder `profile`, until the block ends."""
    options = Options()
    options.binary_location = CHROMIUM or ""
    for flag in [*_FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
