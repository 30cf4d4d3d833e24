"""The page of pictures about a shop, whatever the shop has."""

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
from orchestration.dbt_runner import MODEL_INPUT_SELECTION, run_dbt
from tests.apps.merchandiser.test_app_in_browser import CHROMEDRIVER, CHROMIUM, CHROMIUM_FLAGS
from tests.warehouse.conftest import EVENTS_JSONL, PURCHASES_CSV, Shop
from warehouse.database import open_reader
from warehouse.loading.loader import load
from warehouse.settings import Settings

SECTION_TITLES = [section.title for sections in CHAPTERS.values() for section in sections]


class PageParser(HTMLParser):
    """What a page is made of."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text.append(data.strip())

    def find_all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]


def write(settings: Settings, output: Path | None = None) -> ProfileSummary:
    return write_profile(settings, partial(compile_analyses, settings, "profile"), output)


@pytest.fixture(scope="module")
def demo_profile(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> ProfileSummary:
    """The demo shop's page."""
    return write(demo_warehouse, tmp_path_factory.mktemp("profile") / "new" / "page.html")


def load_and_build(shop: Shop) -> Settings:
    """The shop's marts, without tests, which other tests run."""
    load(shop.settings)
    run_dbt(shop.settings, "build", "--exclude-resource-types", "unit_test", "test", *MODEL_INPUT_SELECTION)
    return shop.settings


def test_the_page_has_every_section_with_a_picture_that_says_what_it_shows(demo_profile: ProfileSummary) -> None:
    page = PageParser(demo_profile.path)
    assert list(demo_profile.sentences) == SECTION_TITLES
    assert all(sentence in page.text for sentence in demo_profile.sentences.values())
    pictures = page.find_all("img")
    assert len(pictures) == len(SECTION_TITLES)
    for picture, sentence in zip(pictures, demo_profile.sentences.values(), strict=True):
        assert (picture["alt"] or "").endswith(f". {sentence}")


def test_the_page_needs_nothing_but_itself(demo_profile: ProfileSummary) -> None:
    page = PageParser(demo_profile.path)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "form"})
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "url(" not in demo_profile.path.read_text(encoding="utf-8")


def test_the_same_data_give_the_same_page(
    demo_profile: ProfileSummary, demo_warehouse: Settings, tmp_path: Path
) -> None:
    again = write(demo_warehouse, tmp_path / "again.html")
    assert again.path.read_bytes() == demo_profile.path.read_bytes()


def test_sentences_are_computed_from_the_data(demo_profile: ProfileSummary, demo_warehouse: Settings) -> None:
    with open_reader(demo_warehouse) as connection:

        def ask(query: str) -> Any:
            return connection.execute(query).fetchall()[0][0]

        customers = ask("select count(*) from marts.dim_users")
        buyers = ask("select count(*) from marts.dim_users where purchase_count > 0")
        lines = ask("select sum(lines) from raw.loaded_files")
        recent = ask(
            """
            select count(*) from marts.dim_users
            where last_seen_at > (select max(last_seen_at) from marts.dim_users) - interval 8 day
            """
        )
        busiest, most = connection.execute(
            """
            select action_at::date, count(*) from intermediate.int_user_product_actions
            group by 1 order by 2 desc limit 1
            """
        ).fetchall()[0]
        top_fifth = ask(
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
    said = demo_profile.sentences
    assert f"{lines:,} lines in " in said["Rows set aside"]
    assert f", {buyers:,} bought." in said["From looking to buying"]
    assert f"{recent / customers:.0%} of {customers:,} customers" in said["Who is still here"]
    assert f"the busiest, {busiest}, has {most:,}." in said["Every day"]
    assert f"20% of the products get {top_fifth:.0%} of all actions" in said["The long tail"]


@pytest.mark.slow
def test_a_shop_with_purchases_alone_has_a_page(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.declare(purchases=PURCHASES_CSV)
    rows = [f"p{n % 3},2026-01-{1 + n:02} 10:00,u{n % 2},1" for n in range(20)]
    shop.put("purchases/a.csv", "\n".join(["sku,when,who,qty", *rows, "p1,2026-01-05 10:00,,2", ",x,,"]))
    said = write(load_and_build(shop)).sentences
    assert said["Devices"] == "There are no events, so no device is known."
    assert said["From looking to buying"].startswith("The feeds tell of one kind of action alone")
    assert "2 customers bought something, 6 pairs" in said["From looking to buying"]
    assert said["Categories"] == "None of 3 products has a category."
    assert said["Prices"] == "No product has a price."
    assert said["Who comes back"].startswith("100% of customers came back")
    assert "purchases (price, transaction_id)" in said["Missing values"]


@pytest.mark.slow
def test_a_clickstream_of_one_row_has_a_page(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.declare(events=EVENTS_JSONL)
    row = {"user": "u", "item": "<p & co>", "type": "view", "time": "2026-01-01T10:00:00"}
    shop.put("events/a.jsonl", json.dumps(row))
    said = write(load_and_build(shop)).sentences
    assert said["Rows set aside"].startswith("100% of 1 line in 1 file are in use")
    assert said["Devices"] == "None of 1 event names a device that is recognized."
    assert said["Who comes back"] == "Nobody has acted in a later week than that of their first action yet."
    assert said["Quarantine"] == "No row is in quarantine."


@pytest.mark.slow
def test_a_shop_without_a_single_row_has_a_page(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.declare(purchases=PURCHASES_CSV)
    shop.put("purchases/a.csv", "sku,when,who,qty\n")
    settings = load_and_build(shop)
    profile = write(settings)
    assert profile.path == settings.warehouse / "profile.html"
    assert profile.sentences["How much they do"] == "No customer is known."
    assert "There are no actions yet." in PageParser(profile.path).text


@pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="needs chromium and chromedriver, which are not installed here"
)
@pytest.mark.parametrize("width", [390, 1200], ids=["phone", "desktop"])
def test_a_browser_shows_every_picture_and_no_line_runs_off_the_side(demo_profile: ProfileSummary, width: int) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in CHROMIUM_FLAGS:
        options.add_argument(flag)
    # A window cannot be as narrow as a phone; its page can be.
    options.add_experimental_option(
        "mobileEmulation", {"deviceMetrics": {"width": width, "height": 900, "pixelRatio": 1}}
    )
    browser = webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER or ""))
    try:
        browser.get(demo_profile.path.as_uri())
        drawn = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
        assert len(drawn) == len(SECTION_TITLES)
        assert all(drawn)
        assert browser.execute_script("return document.documentElement.scrollWidth") == width
    finally:
        browser.quit()
