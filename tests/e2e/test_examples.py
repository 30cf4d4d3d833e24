"""The declarations in warehouse/examples on the invented files beside them."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from orchestration.dbt_runner import BUILD_COMMAND, run_dbt
from warehouse.database import open_reader
from warehouse.loading.loader import load
from warehouse.settings import PROJECT_ROOT, Settings

EXAMPLES_DIR = PROJECT_ROOT / "warehouse" / "examples"

SELECTION = ("--select", "+fct_events", "+fct_transactions", "+dim_products", "+audit_feeds")

TRANSACTIONS_QUERY = """
    select
        -- Lines without an order id get a hash of customer and time.
        case when length(transaction_id) < 32 then transaction_id end, user_id, product_id, quantity::integer,
        price::double, is_return
    from marts.fct_transactions
    order by all
"""
EVENTS_QUERY = "select user_id, product_id, event_type from marts.fct_events order by event_at, product_id"
PRODUCTS_QUERY = "select product_id, product_name, category, brand, is_available from marts.dim_products order by all"
COUNTS_QUERY = "select feed, lines, clean, duplicates, excluded, quarantined from marts.audit_feeds order by feed"


QUICK_EXAMPLES = ("shopify",)
"""Examples of the quick tests, with lists in records and variants."""


class Shop(NamedTuple):
    """What a shop's files contain."""

    counts: list[tuple[Any, ...]]
    """Feed, lines, clean, duplicates, excluded, quarantined."""

    transactions: list[tuple[Any, ...]]
    products: list[tuple[Any, ...]]
    events: tuple[tuple[Any, ...], ...] = ()


SHOPS = {
    "shopify": Shop(
        counts=[("products", 6, 5, 0, 1, 0), ("purchases", 7, 3, 0, 4, 0)],
        transactions=[
            ("#1001", "ana@shop.example", "HAT", 1, 20.0, False),
            ("#1001", "ana@shop.example", "TEE-S", 2, 19.9, False),
            ("#1004", "ben@shop.example", "TEE-S", 1, 19.9, False),
        ],
        products=[
            ("HAT", "Hat", "hats", "acme", True),
            ("SCARF-B", "Scarf", "scarves", "acme", False),
            ("SCARF-R", "Scarf", "scarves", "acme", False),
            ("TEE-L", "Plain Tee", "shirts", "acme", True),
            ("TEE-S", "Plain Tee", "shirts", "acme", True),
        ],
    ),
    "woocommerce": Shop(
        counts=[("products", 4, 3, 0, 1, 0), ("purchases", 7, 4, 0, 3, 0)],
        transactions=[
            ("501", "7", "31", 1, 39.5, False),
            ("501", "7", "32", 4, 6.0, False),
            ("503", None, "32", 2, 6.0, False),
            ("504", "9", "32", 6, 6.0, False),
        ],
        products=[
            ("31", "Teapot", "kitchen > tea", "chai", True),
            ("32", "Cup", "kitchen > tea", "chai", True),
            ("33", "Saucer", "kitchen > tea", "chai", False),
        ],
    ),
    "magento": Shop(
        counts=[("products", 5, 3, 0, 2, 0), ("purchases", 6, 3, 0, 3, 0)],
        transactions=[
            ("000000011", "3", "JACKET-M", 1, 80.0, False),
            ("000000011", "3", "SOCKS", 3, 5.0, False),
            ("000000013", None, "JACKET-L", 1, 80.0, False),
        ],
        products=[
            ("JACKET-L", "Jacket L", "default category/men/jackets", "norra", False),
            ("JACKET-M", "Jacket M", "default category/men/jackets", "norra", True),
            ("SOCKS", "Socks", "default category/men/socks", "norra", True),
        ],
    ),
    "ga4": Shop(
        counts=[("events", 6, 4, 0, 2, 0)],
        transactions=[
            ("T1", "111.222", "A", 2, 30.0, False),
            ("T1", "111.222", "B", 1, 5.0, False),
        ],
        products=[("A", "Lamp", "light", "lumo", True), ("B", "Bulb", "light", None, True)],
        events=(
            ("111.222", "A", "view"),
            ("111.222", "A", "purchase"),
            ("111.222", "B", "purchase"),
            ("333.444", "B", "add_to_cart"),
        ),
    ),
    "segment": Shop(
        counts=[("events", 5, 2, 1, 2, 0), ("purchases", 6, 2, 0, 4, 0)],
        transactions=[("o1", "a1", "p1", 2, 8.5, False), ("o1", "a1", "p2", 1, 2.0, False)],
        products=[("p1", "Mug", "kitchen", "chai", True), ("p2", "Spoon", "kitchen", "chai", True)],
        events=(("a1", "p1", "view"), ("a1", "p1", "add_to_cart")),
    ),
    "olist": Shop(
        counts=[
            ("products", 2, 2, 0, 0, 0),
            ("purchases", 4, 3, 0, 1, 0),
            ("purchases.join", 3, 3, 0, 0, 0),
        ],
        transactions=[
            ("o1", "u1", "p1", 1, 29.99, False),
            ("o1", "u1", "p1", 1, 29.99, False),
            ("o3", "u1", "p2", 1, 118.7, False),
        ],
        products=[
            ("p1", "p1", "perfumaria", None, True),
            ("p2", "p2", "utilidades_domesticas", None, True),
        ],
    ),
    "hm": Shop(
        counts=[("products", 2, 2, 0, 0, 0), ("purchases", 4, 4, 0, 0, 0)],
        transactions=[
            (None, "c1", "0541518023", 1, 0.0305, False),
            (None, "c1", "0663713001", 1, 0.0508, False),
            (None, "c1", "0663713001", 1, 0.0508, False),
            (None, "c2", "0663713001", 1, 0.0508, False),
        ],
        products=[
            ("0541518023", "Rae Push", "bra", "lingeries/tights", True),
            ("0663713001", "Atlanta Push Body", "underwear body", "lingeries/tights", True),
        ],
    ),
    "instacart": Shop(
        counts=[
            ("products", 2, 2, 0, 0, 0),
            ("products.join", 2, 2, 0, 0, 0),
            ("purchases", 5, 5, 0, 0, 0),
            ("purchases.join", 4, 4, 0, 0, 0),
        ],
        transactions=[
            ("11", "1", "10258", 1, None, False),
            ("11", "1", "196", 1, None, False),
            ("12", "1", "196", 1, None, False),
            ("13", "1", "196", 1, None, False),
            ("21", "2", "10258", 1, None, False),
        ],
        products=[
            ("10258", "Pistachios", "nuts seeds dried fruit", None, True),
            ("196", "Soda", "soft drinks", None, True),
        ],
    ),
    "merchant_feed": Shop(
        counts=[("products", 5, 4, 1, 0, 0), ("purchases", 3, 3, 0, 0, 0)],
        transactions=[
            ("1", "c1", "sku-1", 1, 249.0, False),
            ("2", "c2", "sku-2", 2, 89.0, False),
            ("3", "c1", "sku-3", 1, 1049.0, False),
        ],
        products=[
            ("sku-1", "Desk", "home > desks", "nord", False),
            ("sku-2", "Chair", "home > chairs", "nord", True),
            ("sku-3", "Lamp", "home > lamps", "lumo", True),
        ],
    ),
}


@pytest.mark.parametrize(
    "name", [name if name in QUICK_EXAMPLES else pytest.param(name, marks=pytest.mark.slow) for name in SHOPS]
)
def test_example(name: str, dbt_folder: Path) -> None:
    settings = Settings(
        warehouse=dbt_folder / "warehouse",
        landing=EXAMPLES_DIR / name,
        sources=EXAMPLES_DIR / f"{name}.yml",
        settle_seconds=0,
    )
    report = load(settings)
    assert not report.rejected_files
    run_dbt(settings, *BUILD_COMMAND, "--indirect-selection", "cautious", *SELECTION)
    with open_reader(settings) as connection:
        counts, transactions, products, events = (
            connection.execute(query).fetchall()
            for query in (COUNTS_QUERY, TRANSACTIONS_QUERY, PRODUCTS_QUERY, EVENTS_QUERY)
        )
    shop = SHOPS[name]
    assert counts == shop.counts
    assert transactions == shop.transactions
    assert products == shop.products
    assert tuple(events) == shop.events
