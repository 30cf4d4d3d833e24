"""Margin, currency and addresses of products, from the catalog to dim_product_history."""

import pytest
import yaml

from orchestration.dbt_runner import run_dbt
from tests.three_feed_shop import PRODUCTS_JSON, Shop
from warehouse.database import open_writer
from warehouse.loading.loader import load

COLUMNS = {
    **PRODUCTS_JSON["columns"],
    "currency": "currency",
    "margin": "margin",
    "product_url": "url",
    "image_url": "picture",
}
CATALOG = """{"data": {"items": [
    {"id": "mug", "name": "Mug", "price": 5, "currency": "usd", "margin": 0.4, "url": "https://shop.example/mug",
     "picture": "javascript:alert(1)"},
    {"id": "pan", "name": "Pan", "margin": "40", "picture": "https://shop.example/pan.png"}
]}}"""
ATTRIBUTES = """
select product_id, currency, margin, product_url, image_url from marts.dim_product_history
where is_current
order by product_id
"""


@pytest.mark.slow
def test_product_attributes_of_catalog(shop: Shop) -> None:
    """An earlier warehouse gets the columns, null until the sources file maps them."""
    with open_writer(shop.settings) as connection:
        for column in ("margin", "product_url", "image_url"):
            connection.execute(f"alter table raw.products drop column {column}")
    shop.put("catalog/2026-01-01.json", CATALOG)
    load(shop.settings)
    run_dbt(shop.settings, "run", "--select", "+dim_product_history", "+audit_unread_values")
    assert shop.query(ATTRIBUTES) == [("mug", None, None, None, None), ("pan", None, None, None, None)]

    shop.declare(products={**PRODUCTS_JSON, "columns": COLUMNS})
    load(shop.settings)
    run_dbt(shop.settings, "run", "--select", "+dim_product_history", "+audit_unread_values")
    assert shop.query(ATTRIBUTES) == [
        ("mug", "USD", 0.4, "https://shop.example/mug", None),
        ("pan", None, None, None, "https://shop.example/pan.png"),
    ]
    assert shop.query("select column_name, value from marts.audit_unread_values order by all") == [
        ("image_url", "javascript:alert(1)"),
        ("margin", "40"),
    ]


@pytest.mark.slow
def test_currency_of_declared_shop(shop: Shop) -> None:
    """Prices are converted, so the currency is the declared one."""
    feeds = {"products": {**PRODUCTS_JSON, "columns": COLUMNS}}
    shop.settings.sources.write_text(
        yaml.safe_dump({"currency": "EUR", "exchange_rates": {"USD": 0.5}, "feeds": feeds}), encoding="utf-8"
    )
    shop.put("catalog/2026-01-01.json", CATALOG)
    load(shop.settings)

    run_dbt(shop.settings, "run", "--select", "+dim_product_history")

    assert shop.query(
        "select product_id, price, currency from marts.dim_product_history where is_current order by product_id"
    ) == [
        ("mug", 2.5, "EUR"),
        ("pan", None, None),
    ]
