"""Twenty browser sessions click around while new copies are published."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import pytest

from tests.apps.merchandiser.app_server import run_app
from tests.apps.merchandiser.browser import BrowserPage, needs_browser, start_browser
from tests.apps.merchandiser.page_views import VIEWS, find_examples, make_address
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

pytestmark = [needs_browser, pytest.mark.slow]

BROWSERS = 4
SESSIONS_PER_BROWSER = 5
MAX_NOTICE_SECONDS = 60
CLICKING_SECONDS = 15
SECONDS_BETWEEN_CLICKS = 3
"""Seconds between two clicks of a session."""

START_VIEWS = ("customer", "product", "data", "today", "home", "shown most", "rules", "effect", "audiences", "history")
"""Pages that the sessions begin with. The first session of each browser stays there."""

RECORD_MESSAGES = """
    window.messages = [];
    new MutationObserver(() => {
        for (const element of document.querySelectorAll(
            "[data-testid=stToast], [data-testid=stAlert], [data-testid=stException], [role=dialog]"
        )) {
            const text = `${element.dataset.testid}: ${element.innerText}`;
            if (!window.messages.includes(text)) window.messages.push(text);
        }
    }).observe(document, {childList: true, subtree: true, characterData: true});
"""
"""Script of each new page that collects the messages, also those that the next run removes."""

CLICK = """
    const choices = [...document.querySelectorAll(
        "[data-testid=stTopNavLink], [role=tab], [data-testid=stButtonGroup] button, .stButton button:not([disabled])"
    )].filter(element => element.checkVisibility());
    choices[Math.floor(arguments[0] * choices.length)]?.click();
"""
"""Script that clicks on a link, a tab or a button of the page."""


class Sessions:
    """The sessions of a browser, a window each."""

    def __init__(self, page: BrowserPage, addresses: list[str], seed: int) -> None:
        self._page = page
        self._random = random.Random(seed)
        self.messages: dict[str, list[str]] = {}
        for number, address in enumerate(addresses):
            if number:
                page.driver.switch_to.new_window("window")
            page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": RECORD_MESSAGES})
            page.open(address)
            self.messages[page.driver.current_window_handle] = []

    def click_around(self, is_over: threading.Event) -> None:
        """Click in one session after the other, but not in the first one, and read the messages of all."""
        while not is_over.is_set():
            for number, handle in enumerate(self.messages):
                self._page.driver.switch_to.window(handle)
                if number:
                    self._page.driver.execute_script(CLICK, self._random.random())
                self.messages[handle] = self._page.driver.execute_script("return window.messages")
                time.sleep(SECONDS_BETWEEN_CLICKS / SESSIONS_PER_BROWSER)

    def check(self) -> None:
        """Check that no session had an error, and close the sessions."""
        for handle, messages in self.messages.items():
            self._page.driver.switch_to.window(handle)
            self._page.assert_no_failure()
            # Alerts of forms are there, such as for a missing field.
            assert not [text for text in messages if not text.startswith(("stToast:", "stAlert:"))]
            assert not [text for text in messages if "No data to show" in text]
            # A page that is still open would log that its app has ended.
            self._page.driver.get("about:blank")


def test_sessions_see_new_versions(
    writable_warehouse: Settings,
    published_tables: list[str],
    demo_copy: ServingCopy,
    tmp_path: Path,
) -> None:
    """No session has an error, and each has the notice of each version within a minute."""

    def publish_version(hour: int) -> str:
        publish(writable_warehouse, published_tables, published_at=datetime(2026, 5, 4, hour, tzinfo=UTC))
        return f"version published at {hour:02}:00 UTC on 4 May"

    examples = find_examples(demo_copy)
    paths = cycle(make_address(VIEWS[name], examples) for name in START_VIEWS)
    publish_version(1)
    is_over = threading.Event()
    log_file = tmp_path / "app.log"
    with ExitStack() as stack:
        url = stack.enter_context(run_app(writable_warehouse, tmp_path, log_file=log_file))
        groups = []
        for number in range(BROWSERS):
            folder = tmp_path / f"browser_{number}"
            folder.mkdir()
            page = stack.enter_context(start_browser(folder))
            groups.append(Sessions(page, [url + next(paths) for _ in range(SESSIONS_PER_BROWSER)], number))
        executor = stack.enter_context(ThreadPoolExecutor(BROWSERS))
        stack.callback(is_over.set)
        clicks = [executor.submit(group.click_around, is_over) for group in groups]
        time.sleep(CLICKING_SECONDS)
        for hour in (2, 3, 4):
            notice = publish_version(hour)
            deadline = time.monotonic() + MAX_NOTICE_SECONDS
            while waiting := list(find_sessions_without(groups, notice)):
                assert time.monotonic() < deadline, f"no notice of “{notice}”: {waiting}"
                time.sleep(0.5)
            time.sleep(CLICKING_SECONDS)
        is_over.set()
        for click in clicks:
            click.result()
        for group in groups:
            group.check()
    assert "Traceback" not in log_file.read_text(encoding="utf-8")


def find_sessions_without(groups: list[Sessions], notice: str) -> Iterator[list[str]]:
    """Yield the messages of the sessions that did not have a notice."""
    for group in groups:
        for messages in list(group.messages.values()):
            if not any(notice in text for text in messages):
                yield messages
