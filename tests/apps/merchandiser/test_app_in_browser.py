"""The merchandiser app under `streamlit run` in a real browser."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

import pandas as pd
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from apps.merchandiser.markdown import WORD_JOINER
from tests.apps.conftest import APP_FILE
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import PROJECT_ROOT, Settings

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

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="needs chromium and chromedriver, which are not installed here"
)


@pytest.fixture(scope="module")
def app_url(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the app, started like `make app` in a home folder without Streamlit settings."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("streamlit")), "run", str(APP_FILE.relative_to(PROJECT_ROOT))]
    environment = {**os.environ, **demo_warehouse.build_environment(), "HOME": str(tmp_path_factory.mktemp("home"))}
    process = subprocess.Popen(
        [*command, "--server.headless=true", f"--server.port={port}"],
        cwd=PROJECT_ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    try:
        _wait_until_healthy(f"http://localhost:{port}/_stcore/health", process)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(TIMEOUT_SECONDS)


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        assert process.poll() is None, "the app exited before it was ready"
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, "the app is not ready in time"
            time.sleep(0.2)


class BrowserPage:
    """A browser window with the app."""

    def __init__(self, driver: webdriver.Chrome, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads

    def wait_for(self, condition: Callable[[], T]) -> T:
        """Wait until the condition returns a true value and return that value."""
        return WebDriverWait(self.driver, TIMEOUT_SECONDS).until(lambda _: condition())

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
        assert not severe_entries


@pytest.fixture(scope="module")
def browser_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserPage]:
    """A headless Chromium with a new profile."""
    downloads = tmp_path_factory.mktemp("downloads")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*CHROMIUM_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(CHROMEDRIVER))
    try:
        yield BrowserPage(driver, downloads)
    finally:
        driver.quit()


def get_recommended_names(copy: ServingCopy, user_id: str) -> list[str]:
    """Return the names of a customer's top 10 recommendations."""
    return list(copy.get_recommendations(user_id, 10)["product_name"])


def test_search_and_export_recommendations(browser_page: BrowserPage, app_url: str, demo_copy: ServingCopy) -> None:
    user_id = str(demo_copy.search_customers(limit=300)["user_id"].iloc[-1])
    browser_page.open(app_url)
    (search_box,) = browser_page.wait_for(lambda: browser_page.find_elements("input[aria-label='Find a customer']"))
    search_box.send_keys(user_id)
    browser_page.wait_for(
        lambda: (
            [row[1] for row in browser_page.read_rows("Recommendations")] == get_recommended_names(demo_copy, user_id)
        )
    )
    assert browser_page.driver.current_url.endswith(f"?customer={user_id}")
    assert browser_page.read_rows("History")[0][2] == demo_copy.get_timeline(user_id)["product_name"].iloc[0]

    browser_page.find_elements(".st-key-customer_export button")[0].click()
    file = browser_page.downloads / f"recomart-recommendations-{user_id}.csv"
    browser_page.wait_for(file.exists)
    exported = pd.read_csv(file)
    assert list(exported["product_name"]) == get_recommended_names(demo_copy, user_id)
    assert list(exported["reason"]) == list(demo_copy.get_recommendations(user_id, 10)["reason"])
    browser_page.assert_no_error()


def test_select_customer_by_typing(browser_page: BrowserPage, app_url: str, demo_copy: ServingCopy) -> None:
    user_id = str(demo_copy.search_customers(limit=50)["user_id"].iloc[-1])
    browser_page.open(app_url)
    select_box = browser_page.wait_for(lambda: browser_page.find_elements("input[aria-label='Customer']"))[0]
    select_box.click()
    select_box.send_keys(user_id, Keys.ENTER)
    browser_page.wait_for(
        lambda: (
            [row[1] for row in browser_page.read_rows("Recommendations")] == get_recommended_names(demo_copy, user_id)
        )
    )
    browser_page.assert_no_error()


def test_navigation_opens_every_page(browser_page: BrowserPage, app_url: str, demo_copy: ServingCopy) -> None:
    browser_page.open(app_url)
    browser_page.wait_for(lambda: browser_page.read_rows("History"))
    browser_page.find_elements("a[href$='/new_customers']")[0].click()
    popular = list(demo_copy.get_popular_products(10)["product_name"])
    browser_page.wait_for(
        lambda: [row[1] for row in browser_page.read_rows("Recommendations for new customers")] == popular
    )
    browser_page.assert_no_error()
    browser_page.find_elements("a[href$='/quality']")[0].click()
    browser_page.wait_for(
        lambda: len(browser_page.read_rows("Rows by feed and status")) == len(demo_copy.get_feed_accounting())
    )
    browser_page.wait_for(
        lambda: (
            len(browser_page.find_elements("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"))
            >= 3
        )
    )
    browser_page.assert_no_error()


def test_unknown_customer_shows_message(browser_page: BrowserPage, app_url: str) -> None:
    browser_page.open(f"{app_url}/?customer=who-is-this")
    alert = browser_page.wait_for(lambda: browser_page.find_elements("[data-testid=stAlert]"))[0]
    assert "who-is-this" in alert.text
    assert not browser_page.find_elements("[data-testid=stException]")


def test_link_text_is_escaped(browser_page: BrowserPage, app_url: str) -> None:
    markdown_text = (
        "[Click](http://evil.example) https://evil.example www.evil.example a@evil.example ![x](http://evil.example/x) "
        "$x^2$ **b** :red[c] :smile: `d` <a href='http://evil.example'>e</a> \\ & &amp; ~~f~~ 1. g"
    )
    for path in (f"/?customer={quote(markdown_text)}", "/"):
        browser_page.open(app_url + path)
        if path == "/":
            browser_page.wait_for(lambda: browser_page.find_elements("input[aria-label='Find a customer']"))[
                0
            ].send_keys(markdown_text)
        alert = browser_page.wait_for(lambda: browser_page.find_elements("[data-testid=stAlert]"))[0]
        assert markdown_text in browser_page.wait_for(lambda alert=alert: alert.text).replace(WORD_JOINER, "")
        assert not browser_page.find_elements(
            "[data-testid=stAlert] :is(a, img, strong, code, del, .katex, [style*=color])"
        )


def test_all_requests_go_to_localhost(browser_page: BrowserPage, app_url: str) -> None:
    browser_page.read_log("performance")
    for path in ("/", "/new_customers", "/quality"):
        browser_page.open(app_url + path)
        browser_page.wait_for(lambda: browser_page.find_elements("[data-testid=stDataFrame] canvas"))
    messages = [json.loads(entry["message"])["message"] for entry in browser_page.read_log("performance")]
    urls = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    assert len(urls) > 10
    assert {urlsplit(url).hostname for url in urls if urlsplit(url).scheme.startswith("http")} == {"localhost"}
