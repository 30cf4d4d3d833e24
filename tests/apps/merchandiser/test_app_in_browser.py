"""The merchandiser app in a real browser."""

import json
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pandas as pd
import pytest
from selenium.webdriver.common.keys import Keys

from apps.merchandiser.markdown import WORD_JOINER
from tests.apps.merchandiser.app_server import run_app
from tests.apps.merchandiser.browser import BrowserPage, needs_browser, start_browser
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

pytestmark = needs_browser


@pytest.fixture(scope="module")
def app_url(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the app, started like `make app` in a home folder without Streamlit settings."""
    with run_app(demo_warehouse, tmp_path_factory.mktemp("home")) as url:
        yield url


@pytest.fixture(scope="module")
def browser_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserPage]:
    """A headless Chromium with a new profile."""
    with start_browser(tmp_path_factory.mktemp("browser")) as page:
        yield page


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

    # Streamlit's own download would not neutralise formulas.
    assert browser_page.find_elements("[data-testid='stElementToolbar'] [aria-label^='Search']")
    assert not browser_page.find_elements("[data-testid='stElementToolbar'] [aria-label^='Download']")
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
    browser_page.find_elements("a[href$='/effect']")[0].click()
    browser_page.wait_for(
        lambda: any(
            "No experiment is declared." in text.text
            for text in browser_page.find_elements("[data-testid=stCaptionContainer]")
        )
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


def test_quality_table_fits_narrow_window(browser_page: BrowserPage, app_url: str, demo_copy: ServingCopy) -> None:
    """The metrics of the lists and their explanations are visible without scrolling sideways."""
    window_size = browser_page.driver.get_window_size()
    browser_page.driver.set_window_size(800, 1000)
    try:
        browser_page.open(app_url)
        browser_page.wait_for(lambda: browser_page.find_elements("a[href$='/quality']"))[0].click()
        (table,) = browser_page.wait_for(lambda: browser_page.find_elements("[data-testid=stTable] table"))
        text = " ".join(table.text.split())
        model = demo_copy.get_metrics().query("method == 'als' and k == 10").iloc[0]
        for label, share in (("Diversity", model["diversity"]), ("Ten most listed products", model["top_ten_share"])):
            assert f"{label} {share:.1%}" in text
        assert "no two of them have a customer in common" in text
        width = browser_page.driver.execute_script("return document.documentElement.clientWidth")
        assert table.rect["x"] >= 0
        assert table.rect["x"] + table.rect["width"] <= width
    finally:
        browser_page.driver.set_window_size(window_size["width"], window_size["height"])
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
