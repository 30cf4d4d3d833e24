"""Drafts of feeds from several files: globs, joined files, and files of several feeds."""

import json
from pathlib import Path

import pytest

from tests.warehouse.drafting.drafted_folder import draft, put, write
from warehouse.drafting.shop_drafts import draft_sources, make_glob


def test_draft_joins_conditions(landing: Path) -> None:
    """Lines and orders keep their conditions."""
    put(landing, "order_lines.csv", "order_id,sku,qty,status", "1,a,1,cancelled", "2,b,1,ok", "1,b,1,ok")
    orders = ["1,c1,2026-01-01 10:00:00,paid,failed", "2,c2,2026-01-02 11:00:00,paid,done"]
    put(landing, "orders.csv", "order_id,customer_id,order_date,status,payment_status", *orders)
    (feed,) = draft(landing).values()
    assert feed["leave_out"] == {"status": ["cancelled"], "payment_status": ["failed"]}


def test_draft_joins_orders_with_lines(landing: Path) -> None:
    """A status such as open is no event type."""
    put(landing, "order_lines.csv", "order_id,sku,qty,price,shelf", "1,a,1,5.00,x", "2,b,1,6.50,y")
    orders = ["1,c1,2026-01-01 10:00:00,open,web", "2,c2,2026-01-02 11:00:00,shipped,shop"]
    put(landing, "orders.csv", "order_id,customer_id,order_date,state,channel", *orders)
    feeds = draft(landing)
    assert feeds["purchases"]["join"] == {
        "files": "orders.csv",
        "columns": {"transaction_id": "order_id", "user_id": "customer_id", "purchased_at": "order_date"},
    }
    assert len(feeds) == 1
    assert "# Not mapped: shelf, state, channel" in write(landing)


def test_draft_splits_events_with_lists(landing: Path) -> None:
    """Events with a product and orders with a list of items are two feeds of the same files."""
    events = [
        {"name": name, "visitor": f"v{number}", "time": 1767225600 + number, "data": data}
        for number, (name, data) in enumerate(
            [
                ("item_viewed", {"sku": "a", "price": 5.5}),
                ("cart_add", {"sku": "a", "price": 5.5}),
                (
                    "purchase",
                    {"order_no": "1", "basket": [{"sku": "a", "qty": 1, "price": 5.5}]},
                ),
            ]
        )
    ]
    put(landing, "events.jsonl", *map(json.dumps, events))
    events_feed, orders_feed = draft(landing).values()
    assert events_feed["columns"]["product_id"] == "$.data.sku"
    assert events_feed["leave_out"] == orders_feed["where"] == {"name": ["purchase"]}
    assert orders_feed["unnest"] == "$.data.basket"
    assert orders_feed["columns"] == {
        "transaction_id": "$.data.order_no",
        "user_id": "visitor",
        "product_id": "$.data.basket.sku",
        "quantity": "$.data.basket.qty",
        "price": "$.data.basket.price",
        "purchased_at": "time",
    }


def test_draft_keyed_catalog_and_clicks(landing: Path) -> None:
    """The ids of the catalog identify the products in a file without a header."""
    catalog = {f"W-{number}": {"title": f"Lamp {number}", "brand": "Lux", "in_stock": True} for number in range(4)}
    put(landing, "catalog.json", json.dumps(catalog))
    clicks = [f"2026-01-05 10:0{number},a{number}@mail.example,W-{number % 4},spring" for number in range(8)]
    put(landing, "newsletter_clicks.csv", *clicks)
    feeds = draft(landing)
    assert feeds["products"]["record_key"] == feeds["products"]["columns"]["product_id"] == "id"
    assert feeds["events"]["columns"] == {
        "user_id": "column_2",
        "product_id": "column_3",
        "event_at": "column_1",
        "event_type": {"value": "click"},
    }
    assert "? user_id: column_2 was chosen by its values only." in write(landing)


def test_draft_joins_by_equal_ids(landing: Path) -> None:
    """Of two ids of an order, the lines have the one that is not called so; the orders have another format."""
    put(landing, "order_items.csv", "order_id,sku,qty,price", *(f"{i},s{i % 3},1,5.00" for i in range(9)))
    orders = [
        {"pk": f"{i}", "order_no": f"B-{i}", "client": f"c{i % 4}", "created": "2026-01-05T10:00:00Z"} for i in range(9)
    ]
    put(landing, "orders.jsonl", *map(json.dumps, orders))
    (feed,) = draft(landing).values()
    assert feed["join"] == {
        "files": "orders.jsonl",
        "format": "jsonl",
        "columns": {"transaction_id": "pk", "user_id": "client", "purchased_at": "created"},
    }


def test_draft_of_stores(landing: Path) -> None:
    """Files of several stores are one feed: date and time of day are in two columns."""
    for store, customer in (("nord", "c1"), ("sued", "c2")):
        put(
            landing,
            f"till/{store}_20260131.csv",
            "BonNr;Datum;Uhrzeit;Kundenkarte;EAN;Menge;Gesamtpreis",
            f"1;31.01.2026;09:15;{customer};40001;2;1.234,50",
        )
    (feed,) = draft(landing).values()
    assert feed["files"] == ["till/nord_*.csv", "till/sued_*.csv"]
    assert feed["columns"]["purchased_at"] == ["Datum", "Uhrzeit"]
    assert feed["timestamp_formats"] == ["%d.%m.%Y %H:%M"]
    assert (feed["columns"]["line_total"], feed["decimal"]) == ("Gesamtpreis", ",")


@pytest.mark.parametrize(
    ("paths", "other_path", "globs"),
    [
        (["orders_2026.csv"], "orders_old_2025.csv", ["orders_[0-9][0-9][0-9][0-9].csv"]),
        (["orders_2026.csv"], "orders_2025_old.csv", ["orders_[0-9][0-9][0-9][0-9].csv"]),
        (["a/1.csv", "a/12.csv"], "a/x.csv", ["a/[0-9].csv", "a/[0-9][0-9].csv"]),
        (["x-deadbeefdeadbeef.csv"], "x-y.csv", ["x-deadbeefdeadbeef.csv"]),
        (["a[1].csv", "a[2].csv"], "a1.csv", ["a[[]*].csv"]),
    ],
)
def test_globs_match_own_files_only(landing: Path, paths: list[str], other_path: str, globs: list[str]) -> None:
    for path in paths:
        put(landing, path, "receipt,sku,sold_at", "1,a,2026-01-05", "2,b,2026-01-05")
    put(landing, other_path, "ticket,client,article,sold_at", "1,c,a,2025-01-05", "2,c,b,2025-01-05")
    assert globs in [feed.globs for feed in draft_sources(landing).feeds.values()]
    assert sorted(file for glob in globs for file in landing.glob(glob)) == [landing / path for path in paths]


@pytest.mark.parametrize(
    ("path", "glob"),
    [
        ("a.csv", "a.csv"),
        ("2026-01-31.csv", "*.csv"),
        ("clicks/2026/01/31/part-0001.jsonl.gz", "clicks/*/*/*/part-*.jsonl.gz"),
        ("orders_20260131_120000.csv", "orders_*.csv"),
        ("part-00000-8c4f2a31-11aa-4bcd-9e00-aabbccddeeff-c000.snappy.parquet", "part-*-c*.snappy.parquet"),
    ],
)
def test_glob_of_files(path: str, glob: str) -> None:
    assert make_glob(path) == glob


def test_draft_of_impressions(landing: Path) -> None:
    """The names of files say that rows are impressions; events that are called impressions stay events."""
    rows = [
        f"{number},s{number % 3},sku{number},home,{number % 4 + 1},2026-01-05T10:00:0{number}Z,r{number}"
        for number in range(8)
    ]
    header = "id,session_id,product_id,placement,position,seen_at,recommendation_id"
    put(landing, "impressions/2026-01-05.csv", header, *rows)
    put(landing, "clicks.csv", "user_id,product_id,event,time", *["u1,sku1,impression,2026-01-05T10:00:00Z"] * 3)
    feeds = draft(landing)
    assert feeds["impressions"]["columns"] == {
        "impression_id": "id",
        "session_id": "session_id",
        "product_id": "product_id",
        "placement": "placement",
        "position": "position",
        "seen_at": "seen_at",
        "recommendation_id": "recommendation_id",
    }
    assert "carries" not in feeds["impressions"]
    assert "events" in feeds


def test_draft_of_nested_impressions(landing: Path) -> None:
    messages = [
        {
            "userId": f"u{number % 4}",
            "timestamp": f"2026-01-05T10:00:0{number}Z",
            "products": [{"product_id": f"p{number}", "position": 1}, {"product_id": f"p{number + 1}", "position": 2}],
        }
        for number in range(8)
    ]
    put(landing, "product_impressions.jsonl", *map(json.dumps, messages))
    feed = draft(landing)["impressions"]
    assert feed["unnest"] == "products"
    assert feed["columns"] == {
        "user_id": "userId",
        "product_id": "$.products.product_id",
        "position": "$.products.position",
        "seen_at": "timestamp",
    }
