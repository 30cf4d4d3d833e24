"""Catalogs with unusual content: lines without a product id, files without dates."""

import json

import pytest

from orchestration.dbt_runner import BUILD_COMMAND, TRAINING_INPUT_SELECTION, run_dbt
from tests.three_feed_shop import Shop
from warehouse.loading.loader import load


@pytest.mark.slow
def test_catalog_line_without_product_id(shop: Shop) -> None:
    lines = [{"id": "mug", "name": "Mug", "price": 5}, {"id": None, "name": "Total", "price": 5}]
    for day in ("2026-01-01", "2026-01-02"):
        shop.put(f"catalog/{day}.json", json.dumps({"data": {"items": lines}}))
    load(shop.settings)

    run_dbt(shop.settings, *BUILD_COMMAND, *TRAINING_INPUT_SELECTION)

    assert shop.query("select product_id, missed_catalog_count from intermediate.int_product_deliveries") == [
        ("mug", 0)
    ]


@pytest.mark.slow
def test_catalogs_without_dates_skip_no_product(shop: Shop) -> None:
    for file, products in (("first", ("mug", "pan")), ("second", ("mug",))):
        lines = [{"id": product, "name": product, "price": 5} for product in products]
        shop.put(f"catalog/{file}.json", json.dumps({"data": {"items": lines}}))
        load(shop.settings)

    run_dbt(shop.settings, "run", "--select", "+int_product_deliveries")

    assert shop.query("select product_id, row_status from intermediate.int_products_classified order by all") == [
        ("mug", "clean"),
        ("mug", "duplicate"),
        ("pan", "clean"),
    ]
    assert shop.query("from intermediate.int_product_deliveries") == []
