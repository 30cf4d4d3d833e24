"""Devices of feeds of purchases."""

import pytest

from orchestration.dbt_runner import run_dbt
from tests.three_feed_shop import EVENTS_JSONL, PRODUCTS_JSON, PURCHASES_CSV, Shop
from warehouse.database import open_writer
from warehouse.loading.loader import load

COLUMNS = PURCHASES_CSV["columns"]


@pytest.mark.slow
def test_purchases_have_devices_of_feed(shop: Shop) -> None:
    """A feed that declares no device has none, in a warehouse that an earlier version made."""
    with open_writer(shop.settings) as connection:
        connection.execute("alter table raw.purchases drop column device")
    shop.declare(
        events=EVENTS_JSONL,
        products=PRODUCTS_JSON,
        purchases=PURCHASES_CSV,
        app={**PURCHASES_CSV, "kind": "purchases", "files": "app/*", "columns": {**COLUMNS, "device": "on"}},
    )
    shop.put("catalog/2026-01-01.json", '{"data": {"items": [{"id": "mug", "name": "Mug", "price": 5}]}}')
    shop.put("purchases/a.csv", "sku,when,who,qty,on\nmug,2026-01-05,till,1,iPhone\n")
    shop.put(
        "app/a.csv",
        "sku,when,who,qty,on\nmug,2026-01-05,u,1,iPhone\nmug,2026-01-05,v,1,Desktop\n"
        "mug,2026-01-05,w,1,fridge\nmug,2026-01-05,x,1,\n",
    )
    load(shop.settings)

    run_dbt(shop.settings, "run", "--select", "+fct_transactions", "+audit_unread_values")

    assert shop.query("select user_id, device from marts.fct_transactions order by user_id") == [
        ("till", None), ("u", "mobile"), ("v", "web"), ("w", "unknown"), ("x", None),
    ]  # fmt: skip
    assert shop.query("select feed, column_name, value from marts.audit_unread_values") == [("app", "device", "fridge")]
