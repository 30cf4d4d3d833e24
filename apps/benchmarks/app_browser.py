"""The app as a process and a headless Chromium, for the benchmarks that measure its pages."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from socket import socket
from typing import Any
from urllib.request import urlopen

import psutil

from apps.benchmarks.optional_libraries import require_library
from warehouse.errors import RecomartError
from warehouse.settings import PROJECT_ROOT, Settings

TIMEOUT_SECONDS = 60
POLL_SECONDS = 0.01

IS_READY_SCRIPT = """
    const app = document.querySelector("[data-testid=stApp]");
    const main = document.querySelector("[data-testid=stMain]");
    const isStale = document.querySelector("[data-stale=true], [data-testid=stSkeleton]");
    const text = main?.innerText ?? "";
    return app?.dataset.testScriptState === "notRunning" && !isStale && text.length > 30
        && text.includes(arguments[0]) && text !== arguments[1];
"""


def require_browser() -> None:
    """Check that selenium, Chromium and its driver are installed.

    Raises:
        RecomartError: One of them is not.
    """
    require_library("selenium", " or `pip install selenium`")
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        raise RecomartError("chromium and chromedriver are not installed. Install Debian's chromium-driver")


def wait_until_drawn(browser: Any, start: float, text: str = "", other_text: str = "") -> float:
    """Wait until the page is drawn, has a text, and is not another text; return the seconds since the start."""
    while time.perf_counter() - start < TIMEOUT_SECONDS:
        is_ready = False
        # A page that is being replaced has no elements.
        with suppress(Exception):
            is_ready = browser.execute_script(IS_READY_SCRIPT, text, other_text)
        if is_ready:
            return time.perf_counter() - start
        time.sleep(POLL_SECONDS)
    raise RecomartError(f"the app did not draw {browser.current_url} in {TIMEOUT_SECONDS} s. See the app's output")


@contextmanager
def run_app(settings: Settings, *options: str) -> Iterator[tuple[str, psutil.Process]]:
    """Run `recomart app` with options; yield its address and its process when it is ready."""
    with closing(socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = {**os.environ, **settings.build_environment(), "RECOMART_APP_PORT": str(port)}
    # The process that the command starts replaces it, so its id is that of the app.
    command = [sys.executable, "-c", "from apps.cli.entry_point import main; main()", "app", *options]
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.DEVNULL)
    url = f"http://localhost:{port}"
    try:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            with suppress(OSError), urlopen(f"{url}/_stcore/health", timeout=5):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RecomartError("the app did not start. `recomart app` shows why")
            time.sleep(0.2)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(TIMEOUT_SECONDS)


@contextmanager
def open_browser(folder: Path) -> Iterator[Any]:
    """Start a browser whose profile is in a folder."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync", "--window-size=1400,1000", f"--user-data-dir={folder}"),
    ):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()
