"""Take the README's pictures: `.venv/bin/python docs/pictures/take_pictures.py [CUSTOMER]`.

The app shows the warehouse that RECOMART_WAREHOUSE names, and its busiest customer unless another is given. Needs
chromium, chromedriver and the `dev` extra.
"""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PICTURE_DIR = Path(__file__).resolve().parent
ROOT = PICTURE_DIR.parent.parent
WINDOW_SIZE = (1400, 970)
TIMEOUT_SECONDS = 60
"""Seconds to wait for a page."""

APP_COMMAND = [sys.executable, "-m", "streamlit", "run", "apps/merchandiser/app.py", "--server.headless=true"]
DAGSTER_COMMAND = [str(Path(sys.executable).with_name("dagster")), "dev"]


@contextmanager
def run_server(command: list[str], port_option: str) -> Iterator[str]:
    """Start a server on a free port; yields its address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([*command, port_option, str(port)], cwd=ROOT)
    try:
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def open_browser(pixels_per_point: int = 1) -> Iterator[webdriver.Chrome]:
    """A fresh headless Chromium that talks to nobody but the app."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    with tempfile.TemporaryDirectory() as profile:
        for flag in (
            "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
            f"--disable-background-networking --disable-component-update --disable-sync --user-data-dir={profile}"
        ).split():
            options.add_argument(flag)
        driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        # The viewport, not the window: a headless window has a title bar's height too.
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": WINDOW_SIZE[0], "height": WINDOW_SIZE[1], "deviceScaleFactor": pixels_per_point, "mobile": False},
        )
        try:
            yield driver
        finally:
            driver.quit()


def main() -> None:
    """Take a picture of a customer's page, and one of the asset graph."""
    customer = f"/?customer={quote(sys.argv[1])}" if len(sys.argv) > 1 else "/"
    with run_server(APP_COMMAND, "--server.port") as address, open_browser() as driver:
        _open_page(driver, address + customer)
        finished = "[data-testid=stApp][data-test-script-state=notRunning] [data-testid=stDataFrame] canvas"
        _wait_for_element(driver, By.CSS_SELECTOR, finished)
        driver.save_screenshot(str(PICTURE_DIR / "app.png"))
    with run_server(DAGSTER_COMMAND, "--port") as address, open_browser(pixels_per_point=2) as driver:
        _open_page(driver, address + "/asset-groups")
        _wait_for_element(driver, By.XPATH, "//*[text()='Hide navigation']").click()
        _wait_for_element(driver, By.XPATH, "//*[text()='Global asset lineage']")
        driver.refresh()
        # The picture is the graph and nothing else, so that its words can be read.
        graph = _wait_for_element(driver, By.CSS_SELECTOR, "svg foreignObject").find_element(
            By.XPATH, "./ancestor::*[name()='svg']"
        )
        graph.screenshot(str(PICTURE_DIR / "graph.png"))


def _open_page(driver: webdriver.Chrome, url: str) -> None:
    def answers(driver: webdriver.Chrome) -> bool:
        driver.get(url)
        return True

    WebDriverWait(driver, TIMEOUT_SECONDS, ignored_exceptions=[WebDriverException]).until(answers)


def _wait_for_element(driver: webdriver.Chrome, by: str, what: str) -> WebElement:
    found = WebDriverWait(driver, TIMEOUT_SECONDS).until(lambda driver: driver.find_elements(by, what))
    # Tables and graphs are drawn a moment after they are there.
    time.sleep(3)
    return found[0]


if __name__ == "__main__":
    main()
