"""The benchmark of the app: first paint, page switch and search in a headless Chromium, and memory, on a large copy."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict

from apps.benchmarks.app_browser import open_browser, require_browser, run_app, wait_until_drawn
from apps.benchmarks.measurement import get_machine_info
from apps.benchmarks.synthetic_copy import SyntheticCopy, publish_synthetic_copy
from apps.benchmarks.targets import Target
from apps.merchandiser.page_list import PAGES
from warehouse.settings import Settings

MAX_PAINT_SECONDS = 2
MAX_SWITCH_SECONDS = 0.5
MAX_MEMORY_MIB = 1024

SEARCHES = {
    "customers": ("Find a customer", ("U0000", "U00123", "U009", "999", "U0055")),
    "products": ("Find a product", ("kettle", "rosmere webcam", "P00012", "oil 99", "lumora building 1")),
}
"""Label of the search of a page, and searches with several results."""

ADDRESSES = {"customers": "?customer=U00000070", "products": "?product=P0000000"}
"""The parameters of a page with a customer or product."""


class PageTime(BaseModel):
    """Seconds of a page; the median of several measurements."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    page: str
    first_paint_seconds: float
    """From the request of the address to the drawn page, in a browser that has the app's files."""

    paint_with_id_seconds: float | None
    """The same for the address of a customer or product."""

    switch_seconds: float
    """From the click in the navigation to the drawn page."""

    search_seconds: float | None
    """From the last key of a search to the drawn results."""


class AppResult(BaseModel):
    """The figures of one benchmark run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    machine: dict[str, str | int | float]
    shop: SyntheticCopy
    copy_mib: int
    pages: list[PageTime]
    memory_mib: int
    """Largest resident memory of the app."""

    @property
    def targets(self) -> list[Target]:
        """The targets of a shop with a million customers and 200,000 products."""
        default = SyntheticCopy()
        is_default = self.shop.customers >= default.customers and self.shop.products >= default.products
        paints = [page.first_paint_seconds for page in self.pages]
        paints += [page.paint_with_id_seconds for page in self.pages if page.paint_with_id_seconds is not None]
        searches = [page.search_seconds for page in self.pages if page.search_seconds is not None]
        limits: list[tuple[str, float, float]] = [
            ("slowest first paint s", max(paints), MAX_PAINT_SECONDS),
            ("slowest page switch s (median)", max(page.switch_seconds for page in self.pages), MAX_SWITCH_SECONDS),
            ("slowest search s (median)", max(searches), MAX_SWITCH_SECONDS),
            ("memory MiB", self.memory_mib, MAX_MEMORY_MIB),
        ]
        return [Target.evaluate(name, value, limit, is_default_size=is_default) for name, value, limit in limits]


def run_app_benchmark(
    settings: Settings,
    shop: SyntheticCopy,
    template: Settings,
    repetitions: int = 5,
    on_stage: Callable[[str], None] = lambda _: None,
) -> AppResult:
    """Publish a large synthetic copy unless the folder has one, start the app, and measure its pages.

    Raises:
        RecomartError: Chromium, its driver or selenium is not installed, or a page is not drawn in time.
    """
    require_browser()
    machine = get_machine_info()
    copies = sorted(settings.serving_dir.glob("recomart-*.duckdb"))
    if not copies:
        published = publish_synthetic_copy(settings, shop, template, on_stage)
        copies = [settings.serving_dir / published.file]
    with run_app(settings) as (url, process), open_browser(settings.warehouse / "browser") as browser:
        on_stage("measure")
        pages = [_measure_page(browser, url, name, repetitions) for name in [page.name for page in PAGES]]
        memory = _measure_peak_memory(process)
    return AppResult(
        machine=machine, shop=shop, copy_mib=copies[-1].stat().st_size >> 20, pages=pages, memory_mib=memory
    )


def _measure_page(browser: Any, url: str, name: str, repetitions: int) -> PageTime:
    address = _build_address(url, name)
    # The first visit of all fills the caches of the app, like the first visitor of the day.
    paints = [_time_open(browser, address) for _ in range(repetitions)]
    id_paints = (
        [_time_open(browser, address + ADDRESSES[name]) for _ in range(repetitions)] if name in ADDRESSES else []
    )
    other = next(page for page in PAGES if page.name != name)
    title = next(page.title for page in PAGES if page.name == name)
    switches = []
    for _ in range(repetitions):
        _time_open(browser, _build_address(url, other.name))
        switches.append(_time_switch(browser, title))
    searches = []
    if name in SEARCHES:
        label, texts = SEARCHES[name]
        for text in texts:
            _time_open(browser, address)
            searches.append(_time_search(browser, label, text))
    return PageTime(
        page=title,
        first_paint_seconds=round(statistics.median(paints), 3),
        paint_with_id_seconds=round(statistics.median(id_paints), 3) if id_paints else None,
        switch_seconds=round(statistics.median(switches), 3),
        search_seconds=round(statistics.median(searches), 3) if searches else None,
    )


def _build_address(url: str, name: str) -> str:
    """Return the address of a page; the start page has that of the app."""
    return f"{url}/" if name == PAGES[0].name else f"{url}/{name}"


def _time_open(browser: Any, address: str) -> float:
    start = time.perf_counter()
    browser.get(address)
    return wait_until_drawn(browser, start)


def _time_switch(browser: Any, title: str) -> float:
    links = browser.find_elements("xpath", f"//a[.//*[text()='{title}'] or text()='{title}']")
    text_before = browser.execute_script("return document.querySelector('[data-testid=stMain]').innerText")
    start = time.perf_counter()
    links[0].click()
    return wait_until_drawn(browser, start, other_text=text_before)


def _time_search(browser: Any, label: str, text: str) -> float:
    browser.execute_script("document.querySelector(`input[aria-label='${arguments[0]}']`).focus()", label)
    box = browser.switch_to.active_element
    box.send_keys(text[:-1])
    wait_until_drawn(browser, time.perf_counter(), f"“{text[:-1].strip()}”")
    start = time.perf_counter()
    box.send_keys(text[-1])
    return wait_until_drawn(browser, start, f"“{text}”")


def _measure_peak_memory(process: psutil.Process) -> int:
    """Return the largest resident memory of the process so far, in MiB."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return int(process.memory_info().rss >> 20)
    peaks = [line.split()[1] for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) >> 10
