"""The merchandiser app in a real browser."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import duckdb
import pandas as pd
import pytest

from apps.merchandiser.markdown import WORD_JOINER
from apps.merchandiser.page_list import PAGES
from tests.apps.merchandiser.app_server import run_app
from tests.apps.merchandiser.browser import BrowserPage, needs_browser, start_browser
from warehouse.publishing.publisher import publish
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


def wait_for_list(page: BrowserPage, copy: ServingCopy, user_id: str) -> None:
    """Wait until the page shows the recommendations of a customer."""
    names = get_recommended_names(copy, user_id)
    page.wait_for(lambda: [row[1] for row in page.read_rows("Recommendations")] == names)


def read_texts(page: BrowserPage, selector: str) -> list[str]:
    """Return the texts of the elements below the page's header."""
    return [element.text for element in page.find_elements(f"[data-testid=stMain] {selector}")]


def type_search(page: BrowserPage, text: str) -> None:
    """Type a text into the empty search box of the customers."""
    (search_box,) = page.wait_for(
        lambda: [box for box in page.find_elements("input[aria-label='Find a customer']") if box.is_displayed()]
    )
    search_box.send_keys(text)


def test_search_and_export_recommendations(browser_page: BrowserPage, app_url: str, demo_copy: ServingCopy) -> None:
    user_id = str(demo_copy.search_customers(limit=300)["user_id"].iloc[-1])
    browser_page.open(f"{app_url}/customers")
    type_search(browser_page, user_id)
    wait_for_list(browser_page, demo_copy, user_id)
    assert browser_page.driver.current_url.endswith(f"?customer={user_id}")

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


def test_back_and_reload_keep_customer(browser_page: BrowserPage, app_url: str, demo_copy: ServingCopy) -> None:
    first, second = (str(user_id) for user_id in demo_copy.search_customers(limit=2)["user_id"])
    browser_page.open(f"{app_url}/customers?customer={first}")
    wait_for_list(browser_page, demo_copy, first)
    type_search(browser_page, second)
    wait_for_list(browser_page, demo_copy, second)
    browser_page.driver.back()
    wait_for_list(browser_page, demo_copy, first)
    assert browser_page.find_elements("input[aria-label='Find a customer']")[0].get_attribute("value") == ""
    browser_page.driver.forward()
    wait_for_list(browser_page, demo_copy, second)

    browser_page.find_elements("a[href$='/quality']")[0].click()
    browser_page.wait_for(
        lambda: "Anything unusual this week?" in " ".join(read_texts(browser_page, "[data-testid=stAlert]"))
    )
    browser_page.find_elements("a[href$='/customers']")[0].click()
    wait_for_list(browser_page, demo_copy, second)
    browser_page.wait_for(lambda: browser_page.driver.current_url.endswith(f"customer={second}"))
    browser_page.driver.refresh()
    wait_for_list(browser_page, demo_copy, second)
    browser_page.assert_no_error()


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1400, "light"),
        (1280, "dark"),
        (390, "light"),
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in ((1400, "dark"), (1280, "light"), (390, "dark"))),
    ],
)
def test_customer_fits_window(
    browser_page: BrowserPage, app_url: str, demo_copy: ServingCopy, width: int, scheme: str
) -> None:
    """No text of the table is cut, no toolbar covers anything, and the theme is that of the system."""
    user_id = str(demo_copy.search_customers(limit=1)["user_id"].iloc[0])
    browser_page.record_cut_texts()
    browser_page.resize(width)
    browser_page.prefer_scheme(scheme)
    try:
        for view, table in (("Recommendations", "Recommendations"), ("History", "History")):
            browser_page.open(f"{app_url}/customers?customer={user_id}&view={view}")
            browser_page.wait_for(lambda table=table: browser_page.read_rows(table))
            if width > 390:
                assert not browser_page.read_cut_texts()
            assert not browser_page.find_covered_texts()
            assert not browser_page.is_scrollable_sideways()
            background = browser_page.find_elements("[data-testid=stApp]")[0].value_of_css_property("background-color")
            assert (background == "rgba(255, 255, 255, 1)") == (scheme == "light")
            browser_page.assert_no_error()
    finally:
        browser_page.resize(1400)
        browser_page.prefer_scheme("light")


def test_unknown_address_has_links_only(browser_page: BrowserPage, app_url: str, demo_copy: ServingCopy) -> None:
    browser_page.open(f"{app_url}/no-such-page?customer={demo_copy.search_customers(limit=1)['user_id'].iloc[0]}")
    browser_page.wait_for(lambda: [text for text in read_texts(browser_page, "h3") if text == "Page not found"])
    (sentence,) = (text for text in read_texts(browser_page, "p") if text.startswith("This app has no page"))
    assert "no-such-page" in sentence.replace(WORD_JOINER, "")
    assert not browser_page.find_elements("[data-testid=stDataFrame], [data-testid=stMetric], [role=dialog]")
    selector = "[data-testid=stMain] [data-testid=stPageLink] a"
    browser_page.wait_for(lambda: browser_page.find_elements(selector))[-1].click()
    browser_page.wait_for(
        lambda: "Anything unusual this week?" in " ".join(read_texts(browser_page, "[data-testid=stAlert]"))
    )
    browser_page.assert_no_failure()


@pytest.mark.slow
def test_open_page_shows_new_publication(
    browser_page: BrowserPage, writable_warehouse: Settings, published_tables: list[str], tmp_path: Path
) -> None:
    """The open page shows a new version and a notice within a minute, without a click."""
    publish(writable_warehouse, published_tables)
    with run_app(writable_warehouse, tmp_path) as url:
        browser_page.open(f"{url}/customers?section=New+customers")
        browser_page.wait_for(lambda: len(browser_page.read_rows("Recommendations for new customers")) == 10)
        with duckdb.connect(str(writable_warehouse.database)) as connection:
            connection.execute("delete from marts.rec_popular_products where rank > 4")
        publish(writable_warehouse, published_tables)
        browser_page.wait_for(lambda: len(browser_page.read_rows("Recommendations for new customers")) == 4)
        (notice,) = browser_page.wait_for(lambda: browser_page.find_elements("[data-testid=stToast]"))
        assert "this page now shows the version published at" in notice.text
        browser_page.assert_no_error()
        # A page that is still open would log that its app has ended.
        browser_page.driver.get("about:blank")


def test_navigation_opens_every_page(browser_page: BrowserPage, app_url: str) -> None:
    browser_page.open(app_url)
    for entry in PAGES:
        path = "/" if entry is PAGES[0] else f"/{entry.name}"
        (link,) = browser_page.wait_for(
            lambda entry=entry: [
                link
                for link in browser_page.find_elements("[data-testid=stTopNavLink]")
                if link.text.endswith(entry.title)
            ]
        )
        link.click()
        browser_page.wait_for(lambda path=path: urlsplit(browser_page.driver.current_url).path == path)
        browser_page.wait_for(
            lambda: browser_page.find_elements("[data-testid=stApp][data-test-script-state=notRunning]")
        )
        browser_page.assert_no_failure()


def test_quality_tabs_show_figures(browser_page: BrowserPage, app_url: str, demo_copy: ServingCopy) -> None:
    browser_page.open(f"{app_url}/quality?part=Data")
    browser_page.wait_for(
        lambda: len(browser_page.read_rows("Rows by feed and status")) == len(demo_copy.get_feed_accounting())
    )
    browser_page.open(f"{app_url}/quality?part=Model")
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
        browser_page.open(f"{app_url}/quality?part=Lists")
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
    browser_page.open(f"{app_url}/customers?customer=who-is-this")
    alert = browser_page.wait_for(lambda: browser_page.find_elements("[data-testid=stAlert]"))[0]
    assert "who-is-this" in alert.text
    assert not browser_page.find_elements("[data-testid=stException]")


def test_link_text_is_escaped(browser_page: BrowserPage, app_url: str) -> None:
    markdown_text = (
        "[Click](http://evil.example) https://evil.example www.evil.example a@evil.example ![x](http://evil.example/x) "
        "$x^2$ **b** :red[c] :smile: `d` <a href='http://evil.example'>e</a> \\ & &amp; ~~f~~ 1. g"
    )
    for path in (f"/customers?customer={quote(markdown_text)}", "/customers"):
        browser_page.open(app_url + path)
        if path == "/customers":
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
    for path in ("/customers?section=New+customers", "/quality?part=Model"):
        browser_page.open(app_url + path)
        browser_page.wait_for(lambda: browser_page.find_elements("[data-testid=stDataFrame] canvas"))
    messages = [json.loads(entry["message"])["message"] for entry in browser_page.read_log("performance")]
    urls = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    assert len(urls) > 10
    assert {urlsplit(url).hostname for url in urls if urlsplit(url).scheme.startswith("http")} == {"localhost"}
