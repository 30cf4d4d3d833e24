"""Lists within JSON records: unnest, key_values, and ids that are objects or lists."""

import json
from typing import Any

import pytest

from tests.three_feed_shop import EVENTS_JSONL, Shop
from warehouse.errors import RecomartError
from warehouse.loading.loader import load

ORDERS: dict[str, Any] = {
    "files": "orders/*",
    "format": "jsonl",
    "unnest": "$.order.lines",
    "columns": {
        "product_id": "$.order.lines.sku",
        "purchased_at": "$.order.at",
        "user_id": "user",
        "quantity": "$.order.lines.qty",
    },
}

ROWS = "select product_id, user_id, quantity, _line, _extra from raw.purchases order by _file, _line"


def load_orders(shop: Shop, *records: object, **settings: Any) -> list[tuple[Any, ...]]:
    """Load records as lines of one file; a text is a line as it is."""
    shop.declare(purchases={**ORDERS, **settings})
    shop.put("orders/a", "\n".join(line if isinstance(line, str) else json.dumps(line) for line in records))
    report = load(shop.settings).feeds["purchases"]
    assert report.lines == report.rows_loaded + report.rows_rejected
    return shop.query(ROWS)


def make_order(user: str, lines: Any, **values: Any) -> dict[str, Any]:
    return {"user": user, "order": {"at": "2026-01-01", "lines": lines, **values}}


def test_each_item_becomes_a_row(shop: Shop) -> None:
    rows = load_orders(
        shop,
        make_order("u1", [{"sku": "A", "qty": 2, "note": None}, {"sku": "B", "size": "L"}], total=5),
        "broken",
        make_order("u2", [{"sku": "C", "qty": 1}]),
    )
    assert rows == [
        ("A", "u1", "2", 1, '{"order":{"total":5}}'),
        ("B", "u1", None, 2, '{"order":{"total":5,"lines":{"size":"L"}}}'),
        ("C", "u2", "1", 4, None),
    ]
    assert shop.query("select line, text, error from raw.rejected_rows") == [
        (3, "broken", "the line is not valid JSON"),
    ]
    assert shop.query("select lines, rows_loaded, rows_rejected from raw.loaded_files") == [(4, 3, 1)]


@pytest.mark.parametrize("lines", [[], None, 7, [None], "missing"])
def test_record_without_items_is_one_row(shop: Shop, lines: Any) -> None:
    order = make_order("u2", lines)
    if lines == "missing":
        order["order"].pop("lines")
    rows = load_orders(shop, make_order("u1", [{"sku": "A", "qty": 1}]), order)
    assert [row[:4] for row in rows] == [("A", "u1", "1", 1), (None, "u2", None, 2)]
    assert rows[1][4] == ('{"order":{"lines":7}}' if lines == 7 else None)


def test_object_in_place_of_list_is_one_item(shop: Shop) -> None:
    rows = load_orders(shop, make_order("u1", {"sku": "A", "qty": 3}), {"user": "u2", "order": 5})
    assert [row[:4] for row in rows] == [("A", "u1", "3", 1), (None, "u2", None, 2)]


def test_items_can_be_plain_values(shop: Shop) -> None:
    columns = {"product_id": "sku's", "purchased_at": "at", "user_id": "user"}
    record = {"user": "u1", "sku's": ["A", 12, '"q"'], "at": "t"}
    rows = load_orders(shop, record, unnest="sku's", columns=columns)
    assert [row[:2] for row in rows] == [("A", "u1"), ("12", "u1"), ('"q"', "u1")]


def test_rows_are_numbered_through_the_file(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 300)
    orders = [make_order(f"u{n}", [{"sku": f"p{n}_{i}", "qty": i} for i in range(n % 4)]) for n in range(100)]
    rows = load_orders(shop, *orders)
    expected = [
        (line["sku"] if line else None, order["user"]) for order in orders for line in order["order"]["lines"] or [{}]
    ]
    assert [(row[0], row[1], row[3]) for row in rows] == [(*row, number) for number, row in enumerate(expected, 1)]


def test_items_of_a_document(shop: Shop) -> None:
    orders = {"o1": make_order("u1", [{"sku": "A", "qty": 1}, {"sku": "B"}]), "o2": make_order("u2", [])}
    columns = {**ORDERS["columns"], "transaction_id": "id"}
    shop.declare(purchases={**ORDERS, "format": "json", "record_key": "id", "columns": columns})
    shop.put("orders/a", json.dumps(orders))
    load(shop.settings)
    assert shop.query("select transaction_id, product_id, _line from raw.purchases order by _line") == [
        *(("o1", "A", 1), ("o1", "B", 2), ("o2", None, 3)),
    ]


PARAMS: dict[str, Any] = {
    **EVENTS_JSONL,
    "key_values": ["$.params", "$.user.props"],
    "columns": {
        "user_id": "$.user.id",
        "product_id": "$.params.item",
        "event_type": "type",
        "event_at": "time",
        "session_id": '$.params."session id"',
        "device": "$.user.props.device",
    },
}


def test_keys_and_values_become_an_object(shop: Shop) -> None:
    shop.declare(events=PARAMS)
    params = [
        {"key": "item", "value": {"string_value": None, "int_value": 7, "float_value": None}},
        {"key": "session id", "value": "s\"1'"},
        {"key": "page", "value": {"string_value": None}},
        {"key": "tags", "value": {"list": [1, {"a": 2}]}},
        {"key": "empty"},
    ]
    user = {"id": "u1", "props": [{"key": "device", "value": {"string_value": "app"}}]}
    first = {"user": user, "params": params, "type": "view", "time": "t"}
    second = {"user": {"id": "u2", "props": []}, "params": [{"key": "item", "value": 1}, {"k": 5}], "type": "view"}
    third = {"user": {"id": "u3"}, "params": {"item": "p"}, "type": "view", "time": "t"}
    shop.put("events/a", "\n".join(["", *map(json.dumps, [first, second, third])]))
    load(shop.settings)
    rows = shop.query("select user_id, product_id, session_id, device, _line from raw.events order by _line")
    assert rows == [("u1", "7", "s\"1'", "app", 2), ("u2", None, None, None, 3), ("u3", "p", None, None, 4)]
    extras = [extra and json.loads(extra) for (extra,) in shop.query("select _extra from raw.events order by _line")]
    # A list in which an item has no key stays as it is.
    assert extras == [
        {"params": {"tags": [1, {"a": 2}]}},
        {"params": [{"key": "item", "value": 1}, {"k": 5}]},
        None,
    ]


def test_first_value_of_repeated_key_counts(shop: Shop) -> None:
    """A value that is null is a missing one."""
    shop.declare(events=PARAMS)
    values: list[Any] = [None, {"string_value": None}, {"int_value": None, "string_value": "p1"}, "p2", None]
    params = [{"key": "item", "value": value} for value in values]
    shop.put("events/a", json.dumps({"user": {"id": "u"}, "params": params, "type": "view", "time": "t"}))
    load(shop.settings)
    assert shop.query("select product_id, _extra from raw.events") == [("p1", None)]


def test_scientific_numbers_in_reshaped_records(shop: Shop) -> None:
    rows = load_orders(
        shop, '{"user": 8.85E12, "note": ":1e5, x", "order": {"at": "t", "lines": [{"sku": 1e15, "qty": 1.5E1}]}}'
    )
    assert [row[:3] for row in rows] == [("1e+15", "8.85E+12", "1.5E+1")]


def test_key_of_unnested_records_adds_item_number(shop: Shop) -> None:
    rows = load_orders(shop, make_order("u1", [{"sku": "A"}, {"sku": "A"}]), make_order("u2", {"sku": "B"}), key="user")
    assert [json.loads(row[4]) for row in rows] == [{"_item": 1}, {"_item": 2}, {"_item": 1}]
    assert shop.query("select column_name from raw.seen_columns where not is_declared") == []


def test_keys_and_values_of_items(shop: Shop) -> None:
    items = [
        {"sku": "A", "params": [{"key": "qty", "value": {"int_value": 2}}]},
        {"sku": "B", "params": [{"key": "qty", "value": {"int_value": 3}}]},
    ]
    columns = {"product_id": "$.items.sku", "purchased_at": "at", "quantity": "$.items.params.qty"}
    settings = {"unnest": "items", "key_values": "$.items.params", "columns": columns}
    rows = load_orders(shop, {"at": "t", "items": items}, **settings)
    assert [row[::2] for row in rows] == [("A", "2", None), ("B", "3", None)]


def test_name_within_items_is_checked(shop: Shop) -> None:
    with pytest.raises(RecomartError, match=r"columns\.product_id: no column '\$\.order\.lines\.id'"):
        load_orders(
            shop,
            make_order("u1", [{"sku": "A"}]),
            columns={**ORDERS["columns"], "product_id": "$.order.lines.id"},
        )


UNNEST_HINT = "is a list (first seen in events/a). Declare unnest: user, which makes each item a row"


@pytest.mark.parametrize(
    ("user", "problem"),
    [
        ({"no": 1, "ID": "u"}, "object with the keys no, ID (first seen in events/a). Write a path such as $.user.ID"),
        ({"my key": 7}, 'object with the keys my key (first seen in events/a). Write a path such as $.user."my key"'),
        ([{"name": "A", "user_id": 1}], f"{UNNEST_HINT}, and write a path such as $.user.user_id"),
        (["u1"], UNNEST_HINT),
        ({}, "object without keys (first seen in events/a). Write a path to the id"),
    ],
)
def test_object_as_id_fails(shop: Shop, user: Any, problem: str) -> None:
    event = {"item": "p", "type": "view", "time": "t"}
    shop.put("events/a", json.dumps(event | {"user": None}) + "\n" + json.dumps(event | {"user": user}))
    with pytest.raises(RecomartError, match=r"sources\.yml, line 7: feeds\.events\.columns\.user_id: ") as error:
        load(shop.settings)
    assert str(error.value).endswith(problem)
    # Where some records have an id, the rows of the others are quarantined.
    shop.put("events/b", json.dumps(event | {"user": "u1"}))
    assert load(shop.settings).rows_loaded == 3


def test_unnest_of_long_list(shop: Shop) -> None:
    """The time grows with the number of items, and not with its square: the record is repeated without the list."""
    items = [{"sku": f"p{number}", "note": "x" * 80} for number in range(5_000)]
    rows = load_orders(shop, make_order("u", items))
    assert len({product_id for product_id, *_ in rows}) == len(rows) == 5_000
