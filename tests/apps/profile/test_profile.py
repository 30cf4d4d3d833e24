"""The profile page of the demo shop and of shops with little data."""

import json
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from apps.profile.page import ProfileSummary, write_profile
from apps.profile.sections import CHAPTERS
from orchestration.dbt_manifest import compile_analyses
from orchestration.dbt_runner import TRAINING_INPUT_SELECTION, run_dbt
from tests.apps.merchandiser.browser import CHROMEDRIVER, CHROMIUM, CHROMIUM_FLAGS
from tests.three_feed_shop import EVENTS_JSONL, PURCHASES_CSV, Shop
from warehouse.database import open_reader
from warehouse.loading.loader import load
from warehouse.settings import Settings

SECTION_TITLES = [section.title for sections in CHAPTERS.values() for section in sections]


class PageParser(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Record a text."""
        self.text.append(data.strip())

    def find_all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all tags of this name."""
        return [attributes for name, attributes in self.tags if name == tag]


def write(settings: Settings, output: Path | None = None) -> ProfileSummary:
    return write_profile(settings, partial(compile_analyses, settings, "profile"), output)


@pytest.fixture(scope="module")
def demo_profile(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> ProfileSummary:
    """The profile of the demo shop."""
    return write(demo_warehouse, tmp_path_factory.mktemp("profile") / "new" / "page.html")


def load_and_build(shop: Shop) -> Settings:
    """Load the shop and build its marts without the dbt tests, which other tests run."""
    load(shop.settings)
    run_dbt(shop.settings, "build", "--exclude-resource-types", "unit_test", "test", *TRAINING_INPUT_SELECTION)
    return shop.settings


def test_page_has_a_chart_for_every_section(demo_profile: ProfileSummary) -> None:
    page = PageParser(demo_profile.path)
    assert list(demo_profile.sentences) == SECTION_TITLES
    assert all(sentence in page.text for sentence in demo_profile.sentences.values())
    images = page.find_all("img")
    assert len(images) == len(SECTION_TITLES)
    for image, sentence in zip(images, demo_profile.sentences.values(), strict=True):
        assert (image["alt"] or "").endswith(f". {sentence}")


def test_page_is_self_contained(demo_profile: ProfileSummary) -> None:
    page = PageParser(demo_profile.path)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "form"})
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "url(" not in demo_profile.path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_page_is_deterministic(demo_profile: ProfileSummary, demo_warehouse: Settings, tmp_path: Path) -> None:
    second_profile = write(demo_warehouse, tmp_path / "again.html")
    assert second_profile.path.read_bytes() == demo_profile.path.read_bytes()


def test_sentences_match_the_marts(demo_profile: ProfileSummary, demo_warehouse: Settings) -> None:
    with open_reader(demo_warehouse) as connection:

        def fetch_value(query: str) -> Any:
            return connection.execute(query).fetchall()[0][0]

        customers = fetch_value("select count(*) from marts.dim_users")
        buyers = fetch_value("select count(*) from marts.dim_users where purchase_count > 0")
        lines = fetch_value("select sum(lines) from marts.audit_files")
        recent = fetch_value(
            """
            select count(*) from marts.dim_users
            where last_seen_at > (select max(last_seen_at) from marts.dim_users) - interval 8 day
            """
        )
        busiest_day, busiest_count = connection.execute(
            """
            select action_at::date, count(*) from intermediate.int_user_product_actions
            group by 1 order by 2 desc limit 1
            """
        ).fetchall()[0]
        top_fifth = fetch_value(
            """
            with products as (
                select coalesce(n, 0) as n from marts.dim_products
                left join (
                    select product_id, count(*) as n from intermediate.int_user_product_actions
                    where action_type != 'return' group by 1
                ) using (product_id)
            )
            select sum(n) filter (place <= 0.2 * products) / sum(n)
            from (select n, row_number() over (order by n desc) as place, count(*) over () as products from products)
            """
        )
    sentences = demo_profile.sentences
    assert f"{lines:,} lines in " in sentences["Rows by status"]
    assert f", {buyers:,} bought." in sentences["Purchase funnel"]
    assert f"{recent / customers:.0%} of {customers:,} customers" in sentences["Recency"]
    assert f"the busiest day, {busiest_day}, has {busiest_count:,}." in sentences["Actions per day"]
    assert f"The top 20% of the products get {top_fifth:.0%} of all actions" in sentences["Long tail"]


@pytest.mark.slow
def test_page_of_shop_with_purchases_only(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.declare(purchases=PURCHASES_CSV)
    rows = [f"p{n % 3},2026-01-{1 + n:02} 10:00,u{n % 2},1" for n in range(20)]
    shop.put("purchases/a.csv", "\n".join(["sku,when,who,qty", *rows, "p1,2026-01-05 10:00,,2", ",x,,"]))
    sentences = write(load_and_build(shop)).sentences
    assert sentences["Devices"] == "There are no events, so no device is known."
    assert sentences["Purchase funnel"].startswith("The feeds have only one type of action")
    assert "2 customers bought products, 6 customer-product pairs" in sentences["Purchase funnel"]
    assert sentences["Categories"] == "None of 3 products has a category."
    assert sentences["Prices"] == "No product has a price."
    assert sentences["Retention"].startswith("100% of customers returned")
    assert "purchases (price, transaction_id)" in sentences["Missing values"]


@pytest.mark.slow
def test_page_of_shop_with_one_event(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.declare(events=EVENTS_JSONL)
    row = {"user": "u", "item": "<p & co>", "type": "view", "time": "2026-01-01T10:00:00"}
    shop.put("events/a.jsonl", json.dumps(row))
    sentences = write(load_and_build(shop)).sentences
    assert sentences["Rows by status"].startswith("100% of 1 line in 1 file are clean")
    assert sentences["Devices"] == "None of 1 event has a known device."
    assert sentences["Retention"] == "No customer has acted in a later week than the first one yet."
    assert sentences["Quarantine"] == "No row is quarantined."


@pytest.mark.slow
def test_page_of_shop_without_rows(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.declare(purchases=PURCHASES_CSV)
    shop.put("purchases/a.csv", "sku,when,who,qty\n")
    settings = load_and_build(shop)
    profile = write(settings)
    assert profile.path == settings.warehouse / "profile.html"
    assert profile.sentences["Actions per customer"] == "No customer is known."
    assert "There are no actions yet." in PageParser(profile.path).text


@pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="needs chromium and chromedriver, which are not installed here"
)
@pytest.mark.parametrize("width", [390, 1200], ids=["phone", "desktop"])
def test_page_fits_the_browser_window(demo_profile: ProfileSummary, width: int) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in CHROMIUM_FLAGS:
        options.add_argument(flag)
    # A browser window cannot be as narrow as a phone; an emulated device can.
    options.add_experimental_option(
        "mobileEmulation", {"deviceMetrics": {"width": width, "height": 900, "pixelRatio": 1}}
    )
    browser = webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER or ""))
    try:
        browser.get(demo_profile.path.as_uri())
        widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
        assert len(widths) == len(SECTION_TITLES)
        assert all(widths)
        assert browser.execute_script("return document.documentElement.scrollWidth") == width
    finally:
        browser.quit()
