"""Random deliveries to a shop: files of every feed, changed, emptied or deleted, and other declarations."""

import io
import json
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.crash_recovery import kill_build
from tests.three_feed_shop import EVENTS_JSONL, PRODUCTS_JSON, PURCHASES_CSV, Shop
from warehouse.loading.loader import load

DAY_COUNT = 24
MAX_BUILD_SECONDS = 10

KEYED_EVENTS_CSV: dict[str, Any] = {
    "kind": "events",
    "files": "tracker/*",
    "format": "csv",
    "leave_out": {"state": "void"},
    "columns": {"event_id": "id", "user_id": "who", "product_id": "sku", "event_type": "what", "event_at": "when"},
}
JOINED_ORDERS_CSV: dict[str, Any] = {
    "kind": "purchases",
    "files": "lines/*",
    "format": "csv",
    "key": ["order", "line"],
    "is_return": {"state": "refunded"},
    "columns": {"transaction_id": "order", "product_id": "sku", "quantity": "qty"},
    "join": {
        "files": "orders/*",
        "columns": {"transaction_id": "id", "user_id": "who", "purchased_at": "when"},
    },
}
IMPRESSIONS_JSONL: dict[str, Any] = {
    "files": "seen/*",
    "format": "jsonl",
    "columns": {
        "impression_id": "id",
        "user_id": "user",
        "session_id": "session",
        "product_id": "item",
        "position": "place",
        "seen_at": "time",
    },
}
Delivery = Callable[[Shop, Random], None]


def format_day(number: int) -> str:
    return f"2026-01-{1 + number:02d}"


def draw_timestamp(rng: Random, day_number: int) -> str:
    """Return a time on the day; sometimes on another day, and seldom an invalid time."""
    if rng.random() < 0.05:
        return rng.choice(["", "soon", "1970-01-01T00:00:00Z"])
    number = day_number if rng.random() < 0.8 else rng.randrange(DAY_COUNT)
    return f"{format_day(number)}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:00Z"


def draw_event(rng: Random, day_number: int) -> str:
    row = {
        "user": rng.choice(["u1", "u2", "u3", ""]),
        "session": rng.choice(["", *(f"s{number}" for number in range(12))]),
        "item": f"p{rng.randrange(8)}",
        "type": rng.choice(["view", "click", "add_to_cart", "remove_from_cart", "hover"]),
        "time": draw_timestamp(rng, day_number),
    }
    return json.dumps(row if rng.random() < 0.9 else row | {"seen_in": "shop window"})


def write_events(shop: Shop, rng: Random) -> None:
    """Write or replace a day's clickstream, with lines of other days, repeated lines and broken lines."""
    number = rng.randrange(DAY_COUNT)
    lines = [draw_event(rng, number) for _ in range(rng.randrange(25))]
    earlier = sorted((shop.landing / "events").glob("*"))
    if earlier and rng.random() < 0.6:
        lines += rng.choice(earlier).read_text(encoding="utf-8").splitlines()[:8]
    lines += ["{broken"] * rng.randrange(2)
    shop.put(f"events/{format_day(number)}.jsonl", "".join(line + "\n" for line in lines))


def write_purchases(shop: Shop, rng: Random) -> None:
    """Write or replace a day's purchases and returns."""
    number = rng.randrange(DAY_COUNT)

    def draw_purchase() -> str:
        product, user, quantity = (
            rng.randrange(8),
            rng.choice(["u1", "u2", "u3", ""]),
            rng.choice([1, 2, 3, -1, -2, 0]),
        )
        return f"p{product},{draw_timestamp(rng, number)},{user},{quantity}"

    rows = [draw_purchase() for _ in range(rng.randrange(12))]
    shop.put(f"purchases/{format_day(number)}.csv", "\n".join(["sku,when,who,qty", *rows]) + "\n")


def write_keyed_events(shop: Shop, rng: Random) -> None:
    """Write or replace events with ids that other files, and other days, have too."""
    number = rng.randrange(DAY_COUNT)

    def draw_row() -> str:
        event_id, user, product = rng.choice(["", *range(15)]), rng.choice(["u1", "u2"]), rng.randrange(8)
        kind, state = rng.choice(["view", "click", "hover"]), rng.choice(["", "", "void"])
        return f"{event_id},{user},p{product},{kind},{draw_timestamp(rng, number)},{state}"

    rows = [draw_row() for _ in range(rng.randrange(10))]
    shop.put(f"tracker/{format_day(number)}.csv", "\n".join(["id,who,sku,what,when,state", *rows, *rows[:2]]) + "\n")


def write_order_lines(shop: Shop, rng: Random) -> None:
    """Write or replace order lines; their orders come before or after them."""
    number = rng.randrange(DAY_COUNT)
    rows = [
        f"{rng.choice(['', *range(12)])},{rng.randrange(2)},p{rng.randrange(8)},{rng.randrange(3)}"
        for _ in range(rng.randrange(8))
    ]
    shop.put(f"lines/{format_day(number)}.csv", "\n".join(["order,line,sku,qty", *rows]) + "\n")


def write_orders(shop: Shop, rng: Random) -> None:
    """Write or replace the orders of order lines."""
    number = rng.randrange(DAY_COUNT)
    rows = [
        f"{order},{rng.choice(['u1', 'u2', ''])},{draw_timestamp(rng, number)},{rng.choice(['', 'refunded'])}"
        for order in ["", *range(12)]
        if rng.random() < 0.5
    ]
    shop.put(f"orders/{format_day(number)}.csv", "\n".join(["id,who,when,state", *rows]) + "\n")


def write_impressions(shop: Shop, rng: Random) -> None:
    """Write or replace a day's impressions, most of them without a customer, some with the id of another one."""
    number = rng.randrange(DAY_COUNT)

    def draw_row() -> str:
        row = {
            "id": rng.choice(["", "", *range(15)]),
            "user": rng.choice(["u1", "", "", ""]),
            "session": rng.choice(["", *(f"s{session}" for session in range(12))]),
            "item": f"p{rng.randrange(8)}",
            "place": rng.choice([1, 2, "top"]),
            "time": draw_timestamp(rng, number),
        }
        return json.dumps(row)

    rows = [draw_row() for _ in range(rng.randrange(12))]
    shop.put(f"seen/{format_day(number)}.jsonl", "".join(row + "\n" for row in [*rows, *rows[:2]]))


def write_list_log(shop: Shop, rng: Random) -> None:
    """Write or replace the log of a publication; sometimes as a copy of another one."""
    number = rng.randrange(DAY_COUNT)
    users = [user for user in ("u1", "u2", "u3", "") if rng.random() < 0.6]
    lists = [[f"p{rng.randrange(8)}" for _ in range(rng.randrange(3))] for _ in users]
    published_at = datetime(2026, 1, 1 + (number if rng.random() < 0.8 else 0), 12)
    put_list_log(shop, f"recomart-{number:08d}-{number}", published_at, dict(zip(users, lists, strict=True)))


def put_list_log(shop: Shop, publication: str, published_at: datetime, lists: dict[str, list[str]]) -> None:
    """Write the log of a publication with these lists by customer, of every second one with propensities."""
    propensities = [[0.5] * len(ids) for ids in lists.values()]
    has_propensities = publication.endswith(("0", "2", "4", "6", "8"))
    table = pa.table(
        {
            "user_id": pa.array(lists.keys(), pa.string()),
            "placement": pa.array(["customer"] * len(lists)),
            "published_at": pa.array([published_at] * len(lists), pa.timestamp("us")),
            **{name: pa.array([None] * len(lists), pa.string()) for name in ("experiment", "arm", "run_id")},
            "product_ids": pa.array(lists.values(), pa.list_(pa.string())),
            "sources": pa.array([["model"] * len(ids) for ids in lists.values()], pa.list_(pa.string())),
            "reason_keys": pa.array([["a"] * len(ids) for ids in lists.values()], pa.list_(pa.string())),
            **({"propensities": pa.array(propensities, pa.list_(pa.float64()))} if has_propensities else {}),
            "publication": pa.array([publication] * len(lists)),
            "list_hash": pa.array(["h"] * len(lists)),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    shop.put(f"recommendation_log/published/{publication}.parquet", sink.getvalue())


def write_served_log(shop: Shop, rng: Random) -> None:
    """Write or replace a file of the service's log, with answers that other files have too."""
    number = rng.randrange(DAY_COUNT)
    rows = [
        {
            "recommendation_id": rng.choice(["", *(f"r{answer}" for answer in range(30))]),
            "served_at": draw_timestamp(rng, number),
            "user_id": rng.choice(["u1", None]),
            "placement": "basket",
            "product_ids": rng.choice([[], ["p1", "p2"], "p1"]),
            "is_fallback": False,
        }
        for _ in range(rng.randrange(8))
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    shop.put(f"recommendation_log/served/{format_day(number)}.jsonl", text)


def write_catalog(shop: Shop, rng: Random) -> None:
    """Write or replace a catalog in which products are added, removed and repriced."""
    items = [
        {"id": f"p{number}", "name": f"Product {number}", "price": rng.randrange(1, 4)}
        for number in range(8)
        if rng.random() < 0.8
    ]
    shop.put(f"catalog/{format_day(rng.choice([0, 0, 9, 18]))}.json", json.dumps({"data": {"items": items}}))


def empty_file(shop: Shop, rng: Random) -> None:
    """Replace an events file by an empty file."""
    files = sorted((shop.landing / "events").glob("*"))
    if files:
        rng.choice(files).write_text("", encoding="utf-8")


def delete_file(shop: Shop, rng: Random) -> None:
    """Delete a landing file; its rows stay."""
    files = sorted(path for path in shop.landing.rglob("*") if path.is_file())
    if files:
        rng.choice(files).unlink()


def kill_random_build(shop: Shop, rng: Random) -> None:
    """Load the deliveries so far and kill the build of their tables."""
    load(shop.settings)
    kill_build(shop.settings, rng.uniform(0, MAX_BUILD_SECONDS))


def declare_feeds(shop: Shop, **changes: Any) -> None:
    """Declare the feeds, with other settings of the feeds of events."""
    events_columns = {**EVENTS_JSONL["columns"], "session_id": "session"}
    shop.declare(
        events={**EVENTS_JSONL, "columns": events_columns, **changes},
        tracker=KEYED_EVENTS_CSV | changes,
        purchases=PURCHASES_CSV,
        lines=JOINED_ORDERS_CSV,
        products=PRODUCTS_JSON,
        impressions=IMPRESSIONS_JSONL,
    )


def change_declaration(shop: Shop, rng: Random) -> None:
    """Declare another event type, time zone, key or condition for the events, or none of them."""
    changes: list[dict[str, Any]] = [
        {"event_types": {"view": ["hover"]}},
        {"event_types": {"ignored": ["hover"]}},
        {"time_zone": "Asia/Tokyo"},
        {"key": []},
        {"duplicates": "keep"},
        {},
    ]
    declare_feeds(shop, **rng.choice(changes))


DELIVERIES: list[Delivery] = [
    write_events,
    write_events,
    write_events,
    write_purchases,
    write_purchases,
    write_keyed_events,
    write_keyed_events,
    write_order_lines,
    write_orders,
    write_impressions,
    write_impressions,
    write_list_log,
    write_list_log,
    write_served_log,
    write_catalog,
    empty_file,
    delete_file,
    change_declaration,
    kill_random_build,
]
"""The deliveries to choose from; frequent ones are repeated."""
