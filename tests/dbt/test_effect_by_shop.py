"""What can be said of a shop with purchases only, one with clicks and no impressions, and one with impressions."""

from datetime import datetime
from pathlib import Path

import pytest

from orchestration.dbt_runner import run_dbt
from tests.sample_list_log import write_list_log
from tests.three_feed_shop import EVENTS_JSONL, PRODUCTS_JSON, PURCHASES_CSV, Shop
from warehouse.effect_report import EffectReport, read_warehouse_effect
from warehouse.loading.loader import load

PURCHASES = {"purchases": PURCHASES_CSV | {"columns": PURCHASES_CSV["columns"] | {"price": "price"}}}
EVENTS = {"events": EVENTS_JSONL}
IMPRESSIONS = {
    "impressions": {
        "files": "impressions/*",
        "format": "csv",
        "columns": {"user_id": "who", "product_id": "sku", "position": "place", "seen_at": "when"},
    }
}

pytestmark = pytest.mark.slow


def build_report(folder: Path, **feeds: object) -> EffectReport:
    """Report on two customers whose lists are p1, p2 from March 1 on; the first one acts on two days."""
    shop = Shop(folder)
    shop.declare(products=PRODUCTS_JSON, **feeds)
    items = ", ".join(f'{{"id": "p{number}", "name": "Product {number}"}}' for number in (1, 2, 3))
    shop.put("catalog/1.json", f'{{"data": {{"items": [{items}]}}}}')
    shop.put(
        "purchases/1.csv",
        "sku,when,who,qty,price\np1,2026-03-02 09:00:00,ann,2,5\np3,2026-03-02 10:00:00,ann,1,7\n",
    )
    shop.put("events/1.jsonl", '{"user": "ann", "item": "p2", "type": "click", "time": "2026-03-03 07:00:00"}\n')
    shop.put("impressions/1.csv", "who,sku,place,when\nann,p2,2,2026-03-02 08:00:00\nbob,p1,1,2026-03-02 08:00:00\n")
    write_list_log(shop, datetime(2026, 3, 1), [("ann", None), ("bob", None)], ["p1", "p2"])
    load(shop.settings)
    run_dbt(shop.settings, "build", "--exclude-resource-types", "unit_test", "test")
    return read_warehouse_effect(shop.settings)


def read_totals(report: EffectReport) -> tuple[str, int, int, int, float]:
    """Return basis, impressions, clicks, purchases and revenue."""
    (total,) = report.recommendations["total"]
    return total.basis, total.impressions, total.clicks, total.purchases, total.revenue


def test_shop_with_purchases_only(tmp_path: Path) -> None:
    """The list counts as seen on the day of the purchases, and the purchase of p1 follows it."""
    report = build_report(tmp_path, **PURCHASES)
    assert read_totals(report) == ("inferred", 2, 0, 1, 10)
    assert [note.split(".")[0] for note in report.notes] == [
        "The shop has no impressions",
        "The shop has no events, so clicks and carts are not known",
        "No experiment is declared",
    ]


def test_shop_with_events_only(tmp_path: Path) -> None:
    """The list counts as seen on both days on which the customer acts."""
    report = build_report(tmp_path, **PURCHASES, **EVENTS)
    assert read_totals(report) == ("inferred", 4, 1, 1, 10)
    assert [note.split(".")[0] for note in report.notes] == ["The shop has no impressions", "No experiment is declared"]


def test_shop_with_impressions(tmp_path: Path) -> None:
    """The customer who bought p1 did not see it."""
    report = build_report(tmp_path, **PURCHASES, **EVENTS, **IMPRESSIONS)
    assert read_totals(report) == ("measured", 2, 1, 0, 0)
    assert [(rank.group, rank.impressions, rank.clicks) for rank in report.recommendations["rank"]] == [
        ("1", 1, 0), ("2", 1, 1)
    ]  # fmt: skip
    assert [note.split(".")[0] for note in report.notes] == [
        "The first measured impression is of 2 Mar 2026", "No experiment is declared"
    ]  # fmt: skip
