"""Checks of the declaration against the files: missing and misspelt names, changed mappings, files of no feed."""

import json
from typing import Any

import pytest

from tests.three_feed_shop import EVENTS_JSONL, PURCHASES_CSV, Shop
from tests.warehouse.loading.test_loader import make_events, make_purchases
from warehouse.errors import RecomartError
from warehouse.loading.loader import load


def test_changed_mapping_reloads_files(shop: Shop) -> None:
    shop.put("purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2,9.5"], header="sku,when,who,qty,cost"))
    load(shop.settings)
    assert load(shop.settings).undeclared_columns == {"purchases": ["cost"]}
    shop.declare(purchases={**PURCHASES_CSV, "columns": {**PURCHASES_CSV["columns"], "price": "cost"}})
    report = load(shop.settings)
    assert report.feeds["purchases"].files_replaced == 1
    assert report.undeclared_columns == {}
    assert shop.query("select price, _extra from raw.purchases") == [("9.5", None)]


def test_load_rejects_undeclared_loaded_feed(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(2))
    load(shop.settings)
    shop.declare(clicks={**EVENTS_JSONL, "kind": "events"})
    with pytest.raises(RecomartError, match=r"feed events is not declared, but .* has its files"):
        load(shop.settings)
    assert shop.query("select count(*) from raw.events") == [(2,)]


def test_mapped_column_of_late_csv_file(shop: Shop) -> None:
    shop.declare(purchases={**PURCHASES_CSV, "columns": {**PURCHASES_CSV["columns"], "price": "cost"}})
    for number in range(30):
        shop.put(f"purchases/{number:02}.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    shop.put("purchases/99.csv", make_purchases(["p1,2026-01-01,u1,2,9.5"], header="sku,when,who,qty,cost"))
    load(shop.settings)
    assert shop.query("select count(*), count(price) from raw.purchases") == [(31, 1)]


def test_mapping_to_missing_column_fails(shop: Shop) -> None:
    shop.put("purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    shop.declare(purchases={**PURCHASES_CSV, "columns": {**PURCHASES_CSV["columns"], "price": "cost"}})
    with pytest.raises(RecomartError, match=r"feeds\.purchases\.columns\.price: no column 'cost' in purchases/a\.csv"):
        load(shop.settings)
    shop.declare(events={**EVENTS_JSONL, "columns": {**EVENTS_JSONL["columns"], "user_id": "usr"}})
    shop.put("events/a.jsonl", make_events(2))
    with pytest.raises(RecomartError, match=r"feeds\.events\.columns\.user_id: no column 'usr'"):
        load(shop.settings)
    assert shop.query("select (select count(*) from raw.events) + (select count(*) from raw.purchases)") == [(0,)]


def test_landing_without_matching_files_fails(shop: Shop) -> None:
    shop.put("readme.txt", "hello")
    with pytest.raises(RecomartError, match=r"no file belongs to a feed .*events: events/\*"):
        load(shop.settings)


def test_shared_files_are_reported(shop: Shop) -> None:
    shop.declare(purchases=PURCHASES_CSV, returns={**PURCHASES_CSV, "kind": "purchases", "files": "*/b*"})
    shop.put("purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    shop.put("purchases/b.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    report = load(shop.settings)
    assert report.shared_files == {"purchases/b.csv": ["purchases", "returns"]}
    assert report.rows_loaded == 3


@pytest.mark.parametrize(
    "setting",
    [
        {"where": {"statuss": "paid"}},
        {"leave_out": {"statuss": "void"}},
        {"is_return": {"statuss": "back"}},
        {"key": ["who", "statuss"]},
        {"fill_down": "statuss"},
    ],
)
def test_misspelt_name_of_condition_fails(shop: Shop, setting: dict[str, Any]) -> None:
    """Also when the condition is declared after the files were loaded."""
    shop.put("purchases/1.csv", "sku,when,who,qty,status\na,2026-01-01,u,1,paid\n")
    (name,) = setting
    for _ in range(2):
        shop.declare(purchases={**PURCHASES_CSV, **setting})
        with pytest.raises(RecomartError, match=rf"feeds.purchases.{name}.*no column 'statuss' in the files"):
            load(shop.settings)
        shop.declare(purchases={**PURCHASES_CSV, "where": {"status": "paid"}})
        load(shop.settings)


def test_missing_condition_name_in_json(shop: Shop) -> None:
    """JSON records omit keys without a value: only names without which rows would be lost are checked."""
    shop.put("events/1.jsonl", '{"user": "u", "item": "a", "type": "view", "time": "2026-01-01", "x": {"y": 1}}\n')
    shop.declare(events={**EVENTS_JSONL, "leave_out": {"test": "yes"}, "where": {"parent": "", "$.x.y": "1"}})
    load(shop.settings)
    shop.declare(events={**EVENTS_JSONL, "where": {"parent": "a"}})
    with pytest.raises(RecomartError, match=r"feeds.events.where.parent: no column 'parent' in the files of the feed"):
        load(shop.settings)


def test_many_undeclared_keys_load(shop: Shop) -> None:
    """With a statement for each of the keys, the load would need more than its memory."""
    event = {"user": "u", "item": "a", "type": "view", "time": "2026-01-01"}
    lines = [json.dumps(event | {f"key {i * 100 + j}": 1 for j in range(100)}) for i in range(200)]
    shop.put("events/1.jsonl", "\n".join(lines) + "\n")
    load(shop.settings.model_copy(update={"memory_limit": "300MB"}))
    assert shop.query("select count(*), count(*) filter (is_declared) from raw.seen_columns") == [(20_004, 4)]


def test_missing_landing_folder_fails(shop: Shop) -> None:
    shop.landing.rmdir()
    with pytest.raises(RecomartError, match="landing: no such landing folder"):
        load(shop.settings)
