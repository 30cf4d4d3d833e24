"""The pages of the app in their states, for the tests in a browser."""

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote

import duckdb
from selenium.webdriver.common.keys import Keys

from tests.apps.merchandiser.browser import BrowserPage
from tests.sample_effect import create_effect_marts
from warehouse.publishing.product_queries import search_products
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

TABLE = "Table "
"""Beginning of an expected text that is the name of a table."""


class View(NamedTuple):
    """A page in one of its states."""

    path: str
    """Address, with the names of `find_examples` in braces."""

    expected: str
    """Text or table of the page."""

    act: Callable[[BrowserPage], None] | None = None
    """Clicks and inputs after the page is open."""


def choose(label: str) -> Callable[[BrowserPage], None]:
    """Return a function that chooses an option of a segmented control."""

    def act(page: BrowserPage) -> None:
        selector = "[data-testid=stButtonGroup] button"
        page.wait_for(lambda: [button for button in page.find_elements(selector) if button.text == label])[0].click()

    return act


def type_into(label: str, text: str) -> Callable[[BrowserPage], None]:
    """Return a function that types a text into a field."""

    def act(page: BrowserPage) -> None:
        selector = f"input[aria-label='{label}']"
        page.wait_for(lambda: [box for box in page.find_elements(selector) if box.is_displayed()])[0].send_keys(
            text, Keys.TAB
        )

    return act


def filter_by(label: str) -> Callable[[BrowserPage], None]:
    """Return a function that selects all values of a filter with an `a`."""

    def act(page: BrowserPage) -> None:
        selector = f"input[role=combobox][aria-label='{label}']"
        field = page.wait_for(lambda: page.find_elements(selector))[0]
        field.send_keys("a")
        page.wait_for(lambda: page.find_elements("[role=option]"))
        field.send_keys(Keys.ENTER)
        page.wait_for(lambda: page.find_elements("[data-tag]"))
        field.send_keys(Keys.ESCAPE)

    return act


def preview_block(page: BrowserPage) -> None:
    """Choose the product p00001, and press the button of the preview."""
    type_into("Product", "p00001")(page)
    page.wait_for(lambda: page.find_elements("input[role=combobox][value*=p00001]"))
    page.find_elements(".st-key-rule_preview button")[0].click()


CUSTOMER = "/customers?customer={customer}"
PRODUCT = "/products?product={product}"
TRY_IT = "/try_it?placement="
VIEWS = {
    "today": View("/", "Lists live since"),
    "customers": View("/customers", "Most active customers"),
    "customer": View(CUSTOMER, "Table Recommendations"),
    "customer in cards": View(CUSTOMER, "how well it fits", choose("Cards")),
    "customer with a filter": View(CUSTOMER, "that match the filters", filter_by("Category")),
    "history": View(CUSTOMER + "&view=History", "Table History"),
    "what changed": View(CUSTOMER + "&view=What+changed", "Table Changes of the list"),
    "why not": View(
        CUSTOMER + "&view=Why+not%3F", "1 found", type_into("Why is this product not recommended?", "p00001")
    ),
    "unknown customer": View("/customers?customer=none", "has no customer"),
    "audiences": View("/customers?section=Audiences", "Table Customers of the audience"),
    "new customers": View("/customers?section=New+customers", "Table Recommendations for new customers"),
    "products": View("/products", "Products shown most"),
    "product": View(PRODUCT, "Table Customers"),
    "trend": View(PRODUCT + "&product_view=Trend+and+prices", "Table Price history"),
    "bought together": View(PRODUCT + "&product_view=Bought+together", "Bought together"),
    "similar": View(PRODUCT + "&product_view=Similar", "Table Similar products"),
    "shown most": View("/products?products_section=Shown+most+and+never", "Table Shown most"),
    "never shown": View("/products?products_section=Shown+most+and+never", "Table Never shown", choose("Never shown")),
    "below the top 10": View(
        "/products?products_section=Shown+most+and+never&exposure=Only+below+the+top+10", "Table Only below the top 10"
    ),
    "categories": View("/products?products_section=Shown+most+and+never", "Table Categories", choose("Categories")),
    "brands": View("/products?products_section=Shown+most+and+never", "Table Brands", choose("Brands")),
    "home": View(TRY_IT + "home&customer={customer}", "how well it fits"),
    "home in a table": View(TRY_IT + "home&customer={customer}", "Table Home page", choose("Table")),
    "email": View(TRY_IT + "email&customer={customer}", "how well it fits"),
    "recently viewed": View(TRY_IT + "recently_viewed&customer={customer}", "Export"),
    "buy again": View(TRY_IT + "buy_again&customer={customer}", "Buy again"),
    "product page": View(TRY_IT + "product_page&product={product}", "Export"),
    "basket": View(TRY_IT + "basket&basket={product}&basket={other_product}", "In the basket"),
    "new arrivals": View(TRY_IT + "new_arrivals&category={category}", "Export"),
    "popular": View(TRY_IT + "popular_in_category&category={category}", "Export"),
    "rules": View("/rules", "Table Merchandising rules"),
    "rule": View("/rules?rule=r1", "Table History of rule r1"),
    "new rule": View("/rules?rules_section=Add+a+rule", "What the rule does"),
    "preview": View("/rules?rules_section=Add+a+rule", "Preview:", preview_block),
    "changes of rules": View("/rules?rules_section=History", "Table Changes of all rules"),
    "effect": View("/effect", "Recommendations"),
    "quality": View("/quality", "Anything unusual this week?"),
    "model": View("/quality?part=Model", "Table Model runs"),
    "lists": View("/quality?part=Lists", "Catalog coverage"),
    "data": View("/quality?part=Data", "Table Rows by feed and status"),
    "page not found": View("/no-such-page", "Page not found"),
}


PAIRS = """
    insert into marts.rec_product_pairs by name
    select
        products.product_id, 1 as rank, other.product_id as other_product_id, other.product_name as other_product_name,
        other.category as other_category, other.price as other_price, 12 as joint_order_count, 34 as order_count,
        12 / 34 as confidence, 2.5 as lift, timestamp '2026-02-01' as last_joint_order_at
    from marts.dim_products as products, (from marts.dim_products where is_available limit 1) as other
"""
"""Statement that gives each product one that is bought together with it; the small shop has too few orders."""


def publish_tables_of_views(settings: Settings) -> None:
    """Publish a version with other lists than before, bought-together products, and a measured effect."""
    with ServingCopy(settings) as copy:
        tables = list(copy.published.rows)
    with duckdb.connect(str(settings.database)) as connection:
        connection.execute("update marts.rec_top_n set rank = 4 - rank where rank < 4")
        connection.execute(PAIRS)
        create_effect_marts(connection)
    publish(settings, tables)


def find_examples(copy: ServingCopy) -> dict[str, str]:
    """Return the ids and the category that the addresses of the pages need."""
    product, other_product = search_products(copy, "", 2)["product_id"]
    categories = copy.query_frame(
        "select min(list_category) as category from rec_placement_lists where placement = 'popular_in_category'"
    )
    return {
        "customer": str(copy.search_customers(limit=1)["user_id"].iloc[0]),
        "product": product,
        "other_product": other_product,
        "category": categories["category"].iloc[0],
    }


def make_address(view: View, examples: Mapping[str, str]) -> str:
    """Return the address of a page, below the address of the app."""
    return view.path.format(**{name: quote(value, safe="") for name, value in examples.items()})


def open_view(page: BrowserPage, url: str, view: View, examples: Mapping[str, str]) -> None:
    """Open a page of the app and bring it into its state."""
    page.open(url + make_address(view, examples))
    if view.act is not None:
        view.act(page)
    if view.expected.startswith(TABLE):
        page.wait_for(lambda: page.read_rows(view.expected.removeprefix(TABLE)))
    else:
        page.wait_for(lambda: view.expected in page.find_elements("[data-testid=stMain]")[0].text)
