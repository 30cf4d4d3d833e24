"""The page Try it in a real browser."""

from pathlib import Path

import pytest

from apps.recommendations.recommendation_queries import RecommendationQueries
from tests.apps.merchandiser.app_server import run_app
from tests.apps.merchandiser.browser import BrowserPage, needs_browser, start_browser
from warehouse.publishing.product_queries import search_products
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

pytestmark = [needs_browser, pytest.mark.slow]

LIST_SELECTOR = "[data-testid=stMain] [data-testid=stMarkdown] strong"


def read_card_titles(page: BrowserPage) -> list[str]:
    """Return the rank and name of each card; names in buttons are left out."""
    return [
        element.text
        for element in page.find_elements(LIST_SELECTOR)
        if element.text and element.text.split(".")[0].isdigit()
    ]


def add_to_basket(page: BrowserPage, name: str, product_id: str) -> None:
    """Type a product's name, and click on the product."""
    search_box = page.wait_for(lambda: page.find_elements("input[aria-label='Add a product']"))[0]
    search_box.send_keys(name)
    selector = f".st-key-choose_product_{product_id} button"
    page.wait_for(lambda: [button for button in page.find_elements(selector) if button.is_displayed()])[0].click()
    page.wait_for(lambda: page.find_elements(f".st-key-remove_{product_id} button"))


@pytest.mark.parametrize("width", [1280, 390])
def test_basket_by_names(demo_warehouse: Settings, demo_copy: ServingCopy, tmp_path: Path, width: int) -> None:
    """Two products are typed; the list is that of the shop, a link reopens it, and Back removes the second product."""
    products = search_products(demo_copy, "", 2)
    ids, names = list(products["product_id"]), list(products["product_name"])
    with RecommendationQueries(demo_warehouse) as queries:
        one, both = (
            [
                f"{row.rank}. {row.product_name}"
                for row in queries.recommend_for_basket(basket, 12).recommendations.itertuples()
            ]
            for basket in (ids[:1], ids)
        )
    with run_app(demo_warehouse, tmp_path) as url, start_browser(tmp_path) as page:
        page.resize(width)
        page.open(f"{url}/try_it?placement=basket")
        add_to_basket(page, names[0], ids[0])
        page.wait_for(lambda: read_card_titles(page) == one)
        add_to_basket(page, names[1], ids[1])
        page.wait_for(lambda: read_card_titles(page) == both)
        address = page.driver.current_url
        assert address.endswith(f"?placement=basket&basket={ids[0]}&basket={ids[1]}")
        assert not page.is_scrollable_sideways()
        page.assert_no_error()

        page.driver.back()
        page.wait_for(lambda: read_card_titles(page) == one)
        page.open(address)
        page.wait_for(lambda: read_card_titles(page) == both)
        page.find_elements(".st-key-clear_basket button")[0].click()
        page.wait_for(lambda: not read_card_titles(page))
        page.assert_no_error()
