"""The counts of the ground truth match an independent audit of the files."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.demo.conftest import GeneratedShop
from tests.warehouse.demo.file_audit import audit_events, audit_products, audit_purchases, read_known_products
from warehouse.demo import DemoConfig, generate_shop


def _read_counts(planted: dict[str, Any], feed: str) -> Counter[str]:
    counts = dict(planted["feeds"][feed])
    return Counter(counts | counts.pop("quarantined_by_reason"))


def test_planted_event_counts_match_files(shop: GeneratedShop) -> None:
    planted = _read_counts(shop.truth_json, "events")
    assert planted.pop("undeclared_columns") == 1
    assert +planted == +shop.events[0]


def test_planted_purchase_counts_match_files(shop: GeneratedShop) -> None:
    assert +_read_counts(shop.truth_json, "purchases") == +shop.purchases[0]


def test_planted_product_counts_match_files(shop: GeneratedShop) -> None:
    assert +_read_counts(shop.truth_json, "products") == +audit_products(shop.landing)


def test_day_counts_add_up_to_feed(shop: GeneratedShop) -> None:
    for feed, days in shop.truth_json["days"].items():
        total: Counter[str] = Counter()
        for day_counts in days.values():
            total += Counter(day_counts | day_counts.pop("quarantined_by_reason"))
        feed_counts = _read_counts(shop.truth_json, feed)
        assert +total == +Counter({name: feed_counts[name] for name in total})
        assert sum(total.values()) > 0
    assert len(shop.truth_json["days"]["events"]) == shop.config.days


def test_planted_totals_match_clean_rows(shop: GeneratedShop) -> None:
    events, purchases = shop.events[1], shop.purchases[1]
    assert shop.truth_json["customers"] == len({row["user_id"] for row in (*events, *purchases)} - {None})
    assert shop.truth_json["products"] == len(read_known_products(shop.landing)) == shop.config.products
    assert shop.truth_json["transactions"] == len({row["transaction_id"] for row in purchases if row["quantity"] > 0})


def test_new_column_starts_in_middle(shop: GeneratedShop) -> None:
    first_date = min(row["timestamp"] for row in shop.events[1]).date()
    middle = shop.config.days // 2
    assert all(
        row["has_new_column"] == ((row["timestamp"].date() - first_date).days >= middle) for row in shop.events[1]
    )


def test_default_shop_has_all_dirt_kinds(tmp_path: Path) -> None:
    generate_shop(DemoConfig(), tmp_path / "landing", tmp_path / "truth")
    planted = json.loads((tmp_path / "truth" / "planted.json").read_text())
    assert abs(planted["feeds"]["events"]["lines"] / DemoConfig().events - 1) < 0.05
    expected = {
        "events": "rejected duplicates late odd_casing repeated_files undeclared_columns missing_user missing_product "
        "unknown_product unknown_event_type bad_timestamp",
        "purchases": "rejected duplicates late returns missing_user_kept reordered_headers missing_product "
        "unknown_product bad_timestamp bad_quantity bad_price",
        "products": "duplicates missing_product bad_price",
    }
    for feed, kinds in expected.items():
        counts = _read_counts(planted, feed)
        assert [kind for kind in kinds.split() if not counts[kind]] == []


@pytest.mark.parametrize(
    "config",
    [
        DemoConfig(customers=1, products=1, days=1, events=1, dirt=0.2),
        DemoConfig(customers=3, products=5, days=2, events=40, dirt=0.2),
        DemoConfig(customers=200, products=80, days=12, events=4_000, dirt=0.2),
        DemoConfig(customers=50, products=40, days=1, events=60_000, dirt=0.05),
        DemoConfig(customers=200, products=80, days=12, events=4_000, dirt=0.0),
    ],
    ids=["minimum", "few", "much dirt", "one large day", "no dirt"],
)
def test_accounting_for_different_sizes(config: DemoConfig, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    generate_shop(config, landing, tmp_path / "truth")
    planted = json.loads((tmp_path / "truth" / "planted.json").read_text())
    events = _read_counts(planted, "events")
    del events["undeclared_columns"]
    assert +events == +audit_events(landing)[0]
    assert +_read_counts(planted, "purchases") == +audit_purchases(landing)[0]
    assert +_read_counts(planted, "products") == +audit_products(landing)
    if not config.dirt:
        assert all(feed["clean"] == feed["lines"] for feed in planted["feeds"].values())
