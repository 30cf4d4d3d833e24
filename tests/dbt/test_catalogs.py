"""Catalogs with unusual content: lines without a product id, files without dates."""

import json

from orchestration.dbt_runner import BUILD_COMMAND, TRAINING_INPUT_SELECTION, run_dbt
from tests.warehouse.conftest import Shop
from warehouse.loading.loader import load


def test_catalog_line_without_product_id(three_feed_shop: Shop) -> None:
    lines = [{"id": "mug", "name": "Mug", "price": 5}, {"id": None, "name": "Total", "price": 5}]
    for day in ("2026-01-01", "2026-01-02"):
        three_feed_shop.put(f"catalog/{day}.json", json.dumps({"data": {"items": lines}}))
    load(three_feed_shop.settings)

    run_dbt(three_feed_shop.settings, *BUILD_COMMAND, *TRAINING_INPUT_SELECTION)

    assert three_feed_shop.query(
        "select product_id, missed_catalog_count from intermediate.int_product_deliveries"
    ) == [("mug", 0)]


def test_catalogs_without_dates_skip_no_product(three_feed_shop: Shop) -> None:
    for file, products in (("first", ("mug", "pan")), ("second", ("mug",))):
        lines = [{"id": product, "name": product, "price": 5} for product in products]
        three_feed_shop.put(f"catalog/{file}.json", json.dumps({"data": {"items": lines}}))
        load(three_feed_shop.settings)

    run_dbt(three_feed_shop.settings, "run", "--select", "+int_product_deliveries")

    assert three_feed_shop.query(
        "select product_id, row_status from intermediate.int_products_classified order by all"
    ) == [
        ("mug", "clean"),
        ("mug", "duplicate"),
        ("pan", "clean"),
    ]
    assert three_feed_shop.query("from intermediate.int_product_deliveries") == []
