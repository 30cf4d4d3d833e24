"""The app as its users have it: `streamlit run`, and a real browser."""

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
    """Address of the app, started as `make app` does it, by somebody who never started Streamlit before."""
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
    give_up = time.monotonic() + TIMEOUT_SECONDS
    while True:
        assert process.poll() is None, "the app ended before it answered"
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < give_up, "the app does not answer"
            time.sleep(0.2)


class BrowserPage:
    """A browser that looks at the app."""

    def __init__(self, driver: webdriver.Chrome, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads

    def wait_for(self, condition: Callable[[], T]) -> T:
        """Wait until something is so; returns it."""
        return WebDriverWait(self.driver, TIMEOUT_SECONDS).until(lambda _: condition())

    def open(self, url: str) -> None:
        """Open a page and wait until its script has run."""
        self.driver.get(url)
        self.wait_for(lambda: self.find_element("[data-testid=stApp][data-test-script-state=notRunning]"))

    def find_element(self, selector: str) -> list[WebElement]:
        """Elements by CSS selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def read_rows(self, table: str) -> list[list[str]]:
        """The drawn rows of a table, as assistive technologies read them."""
        script = """
            return [...document.querySelectorAll(`[aria-label="${arguments[0]}"] canvas tbody tr`)].map(
                row => [...row.querySelectorAll("[role=gridcell]")].map(cell => cell.textContent))
        """
        return list(self.driver.execute_script(script, table))

    def read_log(self, kind: str) -> list[dict[str, Any]]:
        """What the browser logged of a kind since this was asked last."""
        return list(self.driver.get_log(kind))  # type: ignore[no-untyped-call]

    def assert_no_error(self) -> None:
        """Neither the page nor the console shows an error."""
        assert not self.find_element("[data-testid=stException], [data-testid=stAlert]")
        severe = [entry for entry in self.read_log("browser") if entry["level"] == "SEVERE"]
        assert not severe


@pytest.fixture(scope="module")
def browser_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserPage]:
    """A fresh headless Chromium."""
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
    """Names of a customer's ten best products."""
    return list(copy.get_recommendations(user_id, 10)["product_name"])


def test_a_customer_is_found_by_typing_and_their_offers_are_taken_away(
    browser_page: BrowserPage, app_url: str, demo_copy: ServingCopy
) -> None:
    wanted = str(demo_copy.search_customers(limit=300)["user_id"].iloc[-1])
    browser_page.open(app_url)
    browser_page.find_element("input[aria-label='Find a customer']")[0].send_keys(wanted)
    browser_page.wait_for(
        lambda: (
            [row[1] for row in browser_page.read_rows("What they are offered")]
            == get_recommended_names(demo_copy, wanted)
        )
    )
    assert browser_page.driver.current_url.endswith(f"?customer={wanted}")
    assert browser_page.read_rows("What they did")[0][2] == demo_copy.get_timeline(wanted)["product_name"].iloc[0]

    browser_page.find_element(".st-key-customer_export button")[0].click()
    file = browser_page.downloads / f"recomart-recommendations-{wanted}.csv"
    browser_page.wait_for(file.exists)
    exported = pd.read_csv(file)
    assert list(exported["product_name"]) == get_recommended_names(demo_copy, wanted)
    assert list(exported["reason"]) == list(demo_copy.get_recommendations(wanted, 10)["reason"])
    browser_page.assert_no_error()


def test_a_customer_is_chosen_from_the_list_by_typing(
    browser_page: BrowserPage, app_url: str, demo_copy: ServingCopy
) -> None:
    wanted = str(demo_copy.search_customers(limit=50)["user_id"].iloc[-1])
    browser_page.open(app_url)
    box = browser_page.wait_for(lambda: browser_page.find_element("input[aria-label='Customer']"))[0]
    box.click()
    box.send_keys(wanted, Keys.ENTER)
    browser_page.wait_for(
        lambda: (
            [row[1] for row in browser_page.read_rows("What they are offered")]
            == get_recommended_names(demo_copy, wanted)
        )
    )
    browser_page.assert_no_error()


def test_every_page_opens_from_the_bar_above(browser_page: BrowserPage, app_url: str, demo_copy: ServingCopy) -> None:
    browser_page.open(app_url)
    browser_page.wait_for(lambda: browser_page.read_rows("What they did"))
    browser_page.find_element("a[href$='/new_customers']")[0].click()
    popular = list(demo_copy.get_popular_products(10)["product_name"])
    browser_page.wait_for(lambda: [row[1] for row in browser_page.read_rows("What a stranger is offered")] == popular)
    browser_page.assert_no_error()
    browser_page.find_element("a[href$='/quality']")[0].click()
    browser_page.wait_for(
        lambda: len(browser_page.read_rows("Row accounting of each feed")) == len(demo_copy.get_feed_accounting())
    )
    browser_page.wait_for(
        lambda: (
            len(browser_page.find_element("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"))
            >= 3
        )
    )
    browser_page.assert_no_error()


def test_an_unknown_customer_in_the_link_gets_words_and_no_traceback(browser_page: BrowserPage, app_url: str) -> None:
    browser_page.open(f"{app_url}/?customer=who-is-this")
    alert = browser_page.wait_for(lambda: browser_page.find_element("[data-testid=stAlert]"))[0]
    assert "who-is-this" in alert.text
    assert not browser_page.find_element("[data-testid=stException]")


def test_what_the_link_says_is_shown_as_it_is(browser_page: BrowserPage, app_url: str) -> None:
    said = (
        "[Click](http://evil.example) https://evil.example www.evil.example a@evil.example ![x](http://evil.example/x) "
        "$x^2$ **b** :red[c] :smile: `d` <a href='http://evil.example'>e</a> \\ & &amp; ~~f~~ 1. g"
    )
    for path in (f"/?customer={quote(said)}", "/"):
        browser_page.open(app_url + path)
        if path == "/":
            browser_page.wait_for(lambda: browser_page.find_element("input[aria-label='Find a customer']"))[
                0
            ].send_keys(said)
        alert = browser_page.wait_for(lambda: browser_page.find_element("[data-testid=stAlert]"))[0]
        assert said in browser_page.wait_for(lambda alert=alert: alert.text).replace(WORD_JOINER, "")
        assert not browser_page.find_element(
            "[data-testid=stAlert] :is(a, img, strong, code, del, .katex, [style*=color])"
        )


def test_nothing_is_fetched_from_elsewhere(browser_page: BrowserPage, app_url: str) -> None:
    browser_page.read_log("performance")
    for path in ("/", "/new_customers", "/quality"):
        browser_page.open(app_url + path)
        browser_page.wait_for(lambda: browser_page.find_element("[data-testid=stDataFrame] canvas"))
    messages = [json.loads(entry["message"])["message"] for entry in browser_page.read_log("performance")]
    urls = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    assert len(urls) > 10
    assert {urlsplit(url).hostname for url in urls if urlsplit(url).scheme.startswith("http")} == {"localhost"}
