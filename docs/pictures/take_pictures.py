"""Take the README's picture of the app: `.venv/bin/python docs/pictures/take_pictures.py CUSTOMER`.

The app shows a customer of the warehouse of RECOMART_WAREHOUSE. It needs chromium, chromedriver and the `dev` extra.
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
from selenium.webdriver.support.ui import WebDriverWait

PICTURE_DIR = Path(__file__).resolve().parent
PROJECT_ROOT = PICTURE_DIR.parent.parent
VIEWPORT_SIZE = (1400, 970)
TIMEOUT_SECONDS = 60
DRAWING_SECONDS = 3
"""Time that the tables take to draw after their elements exist."""

APP_COMMAND = [sys.executable, "-m", "streamlit", "run", "apps/merchandiser/app.py", "--server.headless=true"]
FINISHED_TABLE = "[data-testid=stApp][data-test-script-state=notRunning] [data-testid=stDataFrame] canvas"
"""CSS selector of a table on a page that Streamlit has finished."""


@contextmanager
def run_app() -> Iterator[str]:
    """Start the app on a free port; yield its address."""
    with socket.socket() as free_socket:
        free_socket.bind(("localhost", 0))
        port = free_socket.getsockname()[1]
    process = subprocess.Popen([*APP_COMMAND, "--server.port", str(port)], cwd=PROJECT_ROOT)
    try:
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def open_browser() -> Iterator[webdriver.Chrome]:
    """Open headless Chromium with a new profile and without background requests."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    with tempfile.TemporaryDirectory() as profile:
        for flag in (
            "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
            f"--disable-background-networking --disable-component-update --disable-sync --user-data-dir={profile}"
        ).split():
            options.add_argument(flag)
        driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        # The size of a headless window includes a title bar, that of the viewport does not.
        width, height = VIEWPORT_SIZE
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        try:
            yield driver
        finally:
            driver.quit()


def open_page(driver: webdriver.Chrome, url: str) -> None:
    """Open the page when its server answers, and wait until its tables are drawn."""

    def try_to_open(driver: webdriver.Chrome) -> bool:
        driver.get(url)
        return True

    WebDriverWait(driver, TIMEOUT_SECONDS, ignored_exceptions=[WebDriverException]).until(try_to_open)
    WebDriverWait(driver, TIMEOUT_SECONDS).until(lambda driver: driver.find_elements(By.CSS_SELECTOR, FINISHED_TABLE))
    time.sleep(DRAWING_SECONDS)


def main() -> None:
    """Save a picture of a customer's page."""
    page = f"/customers?customer={quote(sys.argv[1])}"
    with run_app() as address, open_browser() as driver:
        open_page(driver, address + page)
        driver.save_screenshot(str(PICTURE_DIR / "app.png"))


if __name__ == "__main__":
    main()
