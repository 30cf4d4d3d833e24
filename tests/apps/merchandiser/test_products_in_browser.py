"""The page of the products in a real browser."""

from pathlib import Path

import pytest

from tests.apps.merchandiser.app_server import run_app
from tests.apps.merchandiser.browser import needs_browser, start_browser
from warehouse.publishing.product_queries import get_customers_of_product, search_products
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

pytestmark = [needs_browser, pytest.mark.slow]


def test_search_product_and_open_customer(demo_warehouse: Settings, demo_copy: ServingCopy, tmp_path: Path) -> None:
    product = search_products(demo_copy, "", 1).iloc[0]
    customers = get_customers_of_product(demo_copy, product["product_id"], 1)
    with run_app(demo_warehouse, tmp_path) as url, start_browser(tmp_path) as page:
        # Streamlit logs requests that fail when a browser opens the address of another page than the first one.
        page.open(url)
        next(link for link in page.find_elements("a") if "Products" in link.text).click()
        search_box = page.wait_for(lambda: page.find_elements("input[aria-label='Find a product']"))[0]
        search_box.send_keys(" ".join(reversed(str(product["product_name"]).split())))
        page.wait_for(lambda: page.read_rows("Customers"))
        assert page.driver.current_url.endswith(f"?product={product['product_id']}")
        assert page.read_rows("Customers")[0][0] == customers["user_id"].iloc[0]
        assert [link.get_attribute("rel") for link in page.find_elements("[data-testid=stLinkButton] a")] != [""]
        page.assert_no_error()

        page.open(f"{url}/customers?customer={customers['user_id'].iloc[0]}")
        page.wait_for(lambda: page.read_rows("Recommendations"))
        page.assert_no_error()
        # Nothing comes from another server.
        requests = [entry["message"] for entry in page.read_log("performance")]
        assert not any("shop.example" in message and "requestWillBeSent" in message for message in requests)
