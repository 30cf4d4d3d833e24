"""Formatting of rows as lines of their files; equal rows give equal bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.demo.config import DemoConfig
from warehouse.demo.dirt import Dirt
from warehouse.demo.sessions import DAY_MS, DEVICES, EVENT_TYPES, Rows
from warehouse.demo.world import Ints, World

IMPRESSION_COLUMNS = ("user_id", "session_id", "product_id", "placement", "position", "seen_at", "recommendation_id")
PLACEMENT = "home"
"""Placement of the lists that sessions show."""

PURCHASE_COLUMNS = ("transaction_id", "user_id", "product_id", "quantity", "price", "timestamp")
NEW_COLUMN = "app_version"

ODD_SPELLINGS = ("VIEW", " View ", "Click", "CLICK ", "Add-To-Cart", " ADD-TO-CART ")
UNKNOWN_EVENT_TYPES = ("hover", "scroll")
MISSING_USERS = ('"user_id":null,', '"user_id":"",', '"user_id":"  ",', "")
MISSING_PRODUCTS = ("null", '""')
UNKNOWN_PRODUCT_COUNT = 20
IMPOSSIBLE_DATES = ("0000-00-00", "2026-02-30", "2026-13-01")
APP_VERSIONS = ("4.1.0", "4.2.0", "4.2.1")


@dataclass(frozen=True, eq=False)
class LineFragments:
    """Fragments of a clickstream line: in each list, the valid texts in the order of their codes, then invalid ones."""

    users: pa.Array
    products: pa.Array
    event_types: pa.Array
    dates: pa.Array
    times: pa.Array
    milliseconds: pa.Array
    devices: pa.Array
    app_versions: pa.Array


@lru_cache(maxsize=1)
def _build_fragments(config: DemoConfig, world: World) -> LineFragments:
    products = [f'"{product}"' for product in (*world.product_ids, *_make_unknown_product_ids(config))]
    return LineFragments(
        users=pa.array([*(f'"user_id":"{user}",' for user in world.user_ids), *MISSING_USERS]),
        products=pa.array([f'"product_id":{product},' for product in (*products, *MISSING_PRODUCTS)]),
        event_types=pa.array([f'"event_type":"{t}",' for t in (*EVENT_TYPES, *ODD_SPELLINGS, *UNKNOWN_EVENT_TYPES)]),
        dates=pa.array([*(format_day(config, day) for day in range(world.count_days())), *IMPOSSIBLE_DATES]),
        times=pa.array([f"T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}." for s in range(DAY_MS // 1000)]),
        milliseconds=pa.array([f"{ms:03d}Z" for ms in range(1000)]),
        devices=pa.array([f'","device":"{device}","session_id":"s' for device in DEVICES]),
        app_versions=pa.array(['"}', *(f'","{NEW_COLUMN}":"{version}"}}' for version in APP_VERSIONS)]),
    )


def format_day(config: DemoConfig, day: int) -> str:
    """Format a day, counted from 0, as an ISO date."""
    return (config.start_date + timedelta(days=day)).isoformat()


def has_new_column(config: DemoConfig, rows: Rows) -> Ints:
    """Return whether each clickstream row has the column that is added in the middle of the period: (rows,)."""
    return np.asarray(rows["time"] >= config.days * DAY_MS // 2)


def format_json_lines(config: DemoConfig, world: World, rows: Rows) -> bytes:
    """Format clickstream rows as JSON lines."""
    if not len(rows):
        return b""
    fragments, dirt, session = _build_fragments(config, world), rows["dirt"], rows["session"]
    product_count = len(world.product_ids)
    user = np.where(dirt == Dirt.MISSING_USER, len(world.user_ids) + session % len(MISSING_USERS), rows["user"])
    product = np.where(dirt == Dirt.UNKNOWN_PRODUCT, product_count + session % UNKNOWN_PRODUCT_COUNT, rows["product"])
    missing_product = product_count + UNKNOWN_PRODUCT_COUNT + session % len(MISSING_PRODUCTS)
    product = np.where(dirt == Dirt.MISSING_PRODUCT, missing_product, product)
    event = np.where(dirt == Dirt.ODD_CASING, len(EVENT_TYPES) + 2 * rows["event"] + session % 2, rows["event"])
    unknown_event = len(EVENT_TYPES) + len(ODD_SPELLINGS) + session % len(UNKNOWN_EVENT_TYPES)
    event = np.where(dirt == Dirt.UNKNOWN_EVENT_TYPE, unknown_event, event)
    version = np.where(has_new_column(config, rows), 1 + session % len(APP_VERSIONS), 0)
    lines = pc.binary_join_element_wise(
        "{",
        _take(fragments.users, user),
        _take(fragments.products, product),
        _take(fragments.event_types, event),
        '"timestamp":"',
        *_format_timestamps(world, fragments, rows),
        _take(fragments.devices, rows["device"]),
        pc.utf8_lpad(pa.array(session).cast(pa.string()), 13, "0"),
        _take(fragments.app_versions, version),
        "",
    )
    is_broken = dirt == Dirt.BROKEN
    if is_broken.any():
        texts = zip(lines.filter(pa.array(is_broken)).to_pylist(), session[is_broken], strict=True)
        truncated = pa.array([text[: 15 + int(number) % (len(text) - 20)] for text, number in texts])
        lines = pc.replace_with_mask(lines, pa.array(is_broken), truncated)
    joined = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")
    return bytes(joined[0].as_buffer()) + b"\n"


def format_csv_lines(config: DemoConfig, world: World, rows: Rows, columns: Sequence[str]) -> bytes:
    """Format purchase rows as CSV lines with the columns in the given order."""
    if not len(rows):
        return b""
    timestamps = pc.binary_join_element_wise(
        *_format_timestamps(world, _build_fragments(config, world), rows), ""
    ).to_pylist()
    unknown_product_ids = _make_unknown_product_ids(config)
    lines = []
    for row, timestamp in zip(rows.tolist(), timestamps, strict=True):
        user, product, session, _, dirt, quantity, cents = row
        fields = {
            "transaction_id": f"{'r' if dirt == Dirt.RETURNED else 't'}{session:013d}",
            "user_id": world.user_ids[user],
            "product_id": world.product_ids[product],
            "quantity": str(quantity),
            "price": f"{cents / 100:.2f}",
            "timestamp": timestamp,
        }
        if dirt == Dirt.MISSING_USER:
            fields["user_id"] = ""
        elif dirt == Dirt.MISSING_PRODUCT:
            fields["product_id"] = ""
        elif dirt == Dirt.UNKNOWN_PRODUCT:
            fields["product_id"] = unknown_product_ids[session % UNKNOWN_PRODUCT_COUNT]
        elif dirt == Dirt.BAD_QUANTITY:
            fields["quantity"] = ("0", "abc")[session % 2]
        elif dirt == Dirt.BAD_PRICE:
            fields["price"] = ("on request", "-1.00")[session % 2]
        line_columns = columns[: 2 + session % 3] if dirt == Dirt.BROKEN else columns
        lines.append(",".join(fields[column] for column in line_columns))
    return ("\n".join(lines) + "\n").encode()


def format_impression_lines(config: DemoConfig, world: World, rows: Rows) -> bytes:
    """Format impressions as CSV lines; published lists have no recommendation id."""
    if not len(rows):
        return b""
    date_text, clock, milliseconds = _format_timestamps(world, _build_fragments(config, world), rows)
    lines = pc.binary_join_element_wise(
        _take(pa.array(world.user_ids), rows["user"]),
        pc.binary_join_element_wise("s", pc.utf8_lpad(pa.array(rows["session"]).cast(pa.string()), 13, "0"), ""),
        _take(pa.array(world.product_ids), rows["product"]),
        PLACEMENT,
        pa.array(rows["position"]).cast(pa.string()),
        pc.binary_join_element_wise(date_text, clock, milliseconds, ""),
        "",
        ",",
    )
    return ("\n".join(lines.to_pylist()) + "\n").encode()


def _format_timestamps(world: World, fragments: LineFragments, rows: Rows) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Format date, time and milliseconds of each row; bad timestamps have a date that does not exist."""
    time, session = rows["time"], rows["session"]
    impossible_date = world.count_days() + session % len(IMPOSSIBLE_DATES)
    day = np.where(rows["dirt"] == Dirt.BAD_TIMESTAMP, impossible_date, time // DAY_MS)
    parts = (
        (fragments.dates, day),
        (fragments.times, time // 1000 % (DAY_MS // 1000)),
        (fragments.milliseconds, time % 1000),
    )
    date_text, clock, milliseconds = (_take(texts, codes) for texts, codes in parts)
    return date_text, clock, milliseconds


def _make_unknown_product_ids(config: DemoConfig) -> list[str]:
    """Make product ids that are never in the catalog."""
    return [f"p{config.products + 501 + i:05d}" for i in range(UNKNOWN_PRODUCT_COUNT)]


def _take(texts: pa.Array, codes: Ints) -> pa.Array:
    return texts.take(pa.array(np.ascontiguousarray(codes)))
