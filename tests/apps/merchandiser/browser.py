"""A headless Chromium for the tests of the app."""

import re
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
TIMEOUT_SECONDS = 120
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

PROBE_PATTERN = re.compile(r"/[^/]+/_stcore/(health|host-config) - Failed to load resource: .* 404")

T = TypeVar("T")

RECORD_CUT_TEXTS = """
(() => {
    if (window.cutTexts) return;
    window.cutTexts = [];
    const prototype = CanvasRenderingContext2D.prototype;
    const {rect, clip, save, restore, fillText} = prototype;
    prototype.rect = function (...box) { this.lastBox = box; return rect.apply(this, box); };
    prototype.clip = function (...values) { this.clipBox = this.lastBox; return clip.apply(this, values); };
    prototype.save = function () { (this.boxes ??= []).push(this.clipBox); return save.apply(this); };
    prototype.restore = function () { this.clipBox = this.boxes?.pop(); return restore.apply(this); };
    prototype.fillText = function (text, x, ...rest) {
        const right = this.clipBox ? this.clipBox[0] + this.clipBox[2] : Infinity;
        const end = this.textAlign === "right" ? x : x + this.measureText(text).width;
        const edge = Math.min(right, this.canvas.width / window.devicePixelRatio);
        if (this.canvas.isConnected && end > edge + 1 && x < edge) window.cutTexts.push(text);
        return fillText.apply(this, [text, x, ...rest]);
    };
})();
"""
"""Script of each new page that collects the texts of tables that do not fit into their cells or into the window."""

FIND_COVERED = """
    const covers = (a, b) =>
        a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    const textBox = element => {
        const range = document.createRange();
        range.selectNodeContents(element);
        return range.getBoundingClientRect();
    };
    const others = [...document.querySelector("[data-testid=stMain]").querySelectorAll(
        "button, a, h1, h2, h3, label, [data-testid=stCaptionContainer] p"
    )].filter(element => !element.closest("[data-testid=stElementToolbar]"));
    return [...document.querySelectorAll("[data-testid=stElementToolbar]")].flatMap(toolbar => others
        .filter(element => textBox(element).width && covers(toolbar.getBoundingClientRect(), textBox(element)))
        .map(element => element.textContent));
"""
"""Script that returns the texts of the buttons, links and headings that the toolbar of a table covers."""

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

    def resize(self, width: int, height: int = 1000) -> None:
        """Give the page's view a size; a window cannot be as narrow as a phone."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer_scheme(self, scheme: str) -> None:
        """Prefer light or dark pages, as the settings of a system do."""
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)

    def record_cut_texts(self) -> None:
        """Collect the cut texts of the tables on the pages that are opened from now on."""
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": RECORD_CUT_TEXTS})

    def read_cut_texts(self) -> set[str]:
        """Return the texts of tables that did not fit into their cells."""
        return set(self.driver.execute_script("return window.cutTexts"))

    def find_covered_texts(self) -> list[str]:
        """Return the buttons, links and headings that the toolbar of a table covers."""
        return list(self.driver.execute_script(FIND_COVERED))

    def is_scrollable_sideways(self) -> bool:
        """Return whether the page is wider than the window."""
        script = (
            "const main = document.querySelector('[data-testid=stMain]'); return main.scrollWidth > main.clientWidth"
        )
        return bool(self.driver.execute_script(script))

    def read_log(self, kind: str) -> list[dict[str, Any]]:
        """Return the browser's log entries of one kind since the last call."""
        return list(self.driver.get_log(kind))  # type: ignore[no-untyped-call]

    def assert_no_error(self) -> None:
        """Assert that neither the page nor the browser console shows an error."""
        assert not self.find_elements("[data-testid=stAlert]")
        self.assert_no_failure()

    def assert_no_failure(self) -> None:
        """Assert that the page shows no exception, and the browser console no error; messages may be there."""
        assert not self.find_elements("[data-testid=stException]")
        severe_entries = [
            entry
            for entry in self.read_log("browser")
            # Streamlit's page looks for the server below the address of the page first.
            if entry["level"] == "SEVERE" and not PROBE_PATTERN.search(entry["message"])
        ]
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
