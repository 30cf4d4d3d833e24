"""A headless Chromium for the tests of the app."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")
TIMEOUT_SECONDS = 30
CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
]

T = TypeVar("T")

needs_browser = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="needs chromium and chromedriver, which are not installed here"
)


class BrowserPage:
    """A browser window with the app."""

    def __init__(self, driver: webdriver.Chrome, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads

    def wait_for(self, condition: Callable[[], T]) -> T:
        """Wait until the condition returns a true value and return that value.

        Streamlit replaces elements while it draws, so the condition may find one that is gone a moment later.
        """
        wait = WebDriverWait(self.driver, TIMEOUT_SECONDS, ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda _: condition())

    def open(self, url: str) -> None:
        """Open a page and wait until its script has run."""
        self.driver.get(url)
        self.wait_for(lambda: self.find_elements("[data-testid=stApp][data-test-script-state=notRunning]"))

    def find_elements(self, selector: str) -> list[WebElement]:
        """Return the elements that match a CSS selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def read_rows(self, table: str) -> list[list[str]]:
        """Return the drawn rows of a table as text, from its accessibility tree."""
        script = """
            return [...document.querySelectorAll(`[aria-label="${arguments[0]}"] canvas tbody tr`)].map(
                row => [...row.querySelectorAll("[role=gridcell]")].map(cell => cell.textContent))
        """
        return list(self.driver.execute_script(script, table))

    def read_log(self, kind: str) -> list[dict[str, Any]]:
        """Return the browser's log entries of one kind since the last call."""
        return list(self.driver.get_log(kind))  # type: ignore[no-untyped-call]

    def assert_no_error(self) -> None:
        """Assert that neither the page nor the browser console shows an error."""
        assert not self.find_elements("[data-testid=stException], [data-testid=stAlert]")
        severe_entries = [entry for entry in self.read_log("browser") if entry["level"] == "SEVERE"]
        assert not severe_entries, severe_entries


@contextmanager
def start_browser(folder: Path) -> Iterator[BrowserPage]:
    """Start a browser with a new profile and a folder for downloads."""
    downloads = folder / "downloads"
    downloads.mkdir()
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*CHROMIUM_FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(CHROMEDRIVER))
    try:
        yield BrowserPage(driver, downloads)
    finally:
        driver.quit()
