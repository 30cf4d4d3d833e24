"""Parquet, Arrow and Excel files: rows become records with a number in place of a line."""

import datetime as dt
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from tests.three_feed_shop import EVENTS_JSONL, PURCHASES_CSV, Shop
from warehouse.errors import RecomartError
from warehouse.loading.loader import load


def write_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=7)
    return bytes(sink.getvalue())


def write_stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    return bytes(sink.getvalue())


def write_feather(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    feather.write_feather(table, sink, compression="lz4", chunksize=7)
    return bytes(sink.getvalue())


def write_excel(rows: Sequence[Sequence[Any]], sheet: str = "Sales") -> bytes:
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    book.create_sheet("Other").append(["nothing"])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


FORMATS: dict[str, tuple[str, Callable[[pa.Table], bytes]]] = {
    "parquet": ("parquet", write_parquet),
    "stream": ("arrow", write_stream),
    "feather": ("arrow", write_feather),
}

EVENTS = pa.table(
    {
        "user": [f"u{number}" for number in range(20)],
        "item": [str(number) if number else None for number in range(20)],
        "type": pa.array(["view"] * 20).dictionary_encode(),
        "time": pa.array([dt.datetime(2026, 1, 1, 10)] * 20, pa.timestamp("us")),
        "app": [{"version": number, "tags": ["a"]} for number in range(20)],
    }
)


@pytest.mark.parametrize("name", FORMATS)
def test_rows_of_tables_load(shop: Shop, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.loading.tabular_records.BATCH_ROWS", 6)
    file_format, write = FORMATS[name]
    shop.declare(events={**EVENTS_JSONL, "format": file_format})
    file = shop.put("events/*[a", write(EVENTS))
    shop.put("events/empty", write(EVENTS[:0]))
    shop.put("events/nothing", b"")
    report = load(shop.settings)
    assert (report.feeds["events"].lines, report.feeds["events"].rows_loaded) == (20, 20)
    rows = shop.query("select user_id, product_id, event_type, event_at, _extra, _line from raw.events order by _line")
    assert rows == [
        (
            *(f"u{number}", str(number) if number else None, "view", "2026-01-01 10:00:00"),
            *(f'{{"app":{{"version":{number},"tags":["a"]}}}}', number + 1),
        )
        for number in range(20)
    ]
    ledger = shop.query("select checksum, size_bytes, lines, rows_loaded from raw.loaded_files order by path")
    assert ledger[0] == (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size, 20, 20)
    assert [row[2:] for row in ledger[1:]] == [(0, 0)] * 2
    assert load(shop.settings).rows_loaded == 0


VALUES: list[tuple[pa.Array, str | None]] = [
    (pa.array([Decimal("12.50")]), "12.50"),
    (pa.array([Decimal("120.00")]), "120"),
    (pa.array([9.99], pa.float32()), "9.99"),
    (pa.array([1234567890123456789]), "1234567890123456789"),
    (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
    (pa.array([float("nan")]), None),
    (pa.array([10.0]), "10.0"),
    (pa.array([1.5], pa.float16()), "1.5"),
    (pa.array([True]), "true"),
    (pa.array([b"caf\xc3\xa9"]), "café"),
    (pa.array([b"\xff"]), "\\xFF"),
    (pa.array([dt.date(2026, 1, 2)]), "2026-01-02"),
    (pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, 678000)], pa.timestamp("ns")), "2026-01-02 03:04:05.678"),
    (pa.array([dt.datetime(2026, 1, 2, 3)], pa.timestamp("ms", "Europe/Madrid")), "2026-01-02 03:00:00+00"),
    (pa.array([dt.time(3, 4)]), "03:04:00"),
    (pa.array([None]), None),
    (pa.array(['say "hi"\n\0']), 'say "hi"\n\0'),
    (pa.array(["L"]).dictionary_encode(), "L"),
    (pa.array([{"a": Decimal("1.50"), "b": [float("nan"), 1.5]}]), '{"a":"1.50","b":["nan","1.5"]}'),
]


@pytest.mark.parametrize(("column", "text"), VALUES, ids=[str(column.type) for column, _ in VALUES])
def test_values_of_tables_become_text(shop: Shop, column: pa.Array, text: str | None) -> None:
    columns = {**EVENTS_JSONL["columns"], "device": "it's", "brand": "Value"}
    shop.declare(events={**EVENTS_JSONL, "format": "parquet", "columns": columns})
    shop.put("events/a", write_parquet(EVENTS[:1].append_column("Value", column).append_column("it's", column)))
    load(shop.settings)
    assert shop.query("select brand, device from raw.events") == [(text, text)]


NUMBERS: list[tuple[pa.Array, str]] = [
    (pa.array([1.125, 12.5, float("nan")]), "1.1250 12.5 None"),
    (pa.array([9.99, 1.125, None], pa.float32()), "9.99 1.1250 None"),
    (pa.array([Decimal("12.500"), Decimal("-1.125"), Decimal("1000")], pa.decimal128(9, 3)), "12.5 -1.1250 1000.0"),
    (pa.array([Decimal(3), Decimal(10**25), None], pa.decimal128(38, 0)), f"3 {10**25} None"),
    (pa.array([1000, 2, None]), "1000 2 None"),
    (pa.array(["1.125", "1,5", None]), "1.125 1,5 None"),
]


@pytest.mark.parametrize(("column", "texts"), NUMBERS, ids=[str(column.type) for column, _ in NUMBERS])
def test_stored_numbers_have_no_decimal_comma(shop: Shop, column: pa.Array, texts: str) -> None:
    """In a feed with a decimal comma, 1.125 would be 1125. Ids are as they are."""
    columns = {"product_id": "$.item.sku", "price": "price", "line_total": "$.item.total", "purchased_at": "at"}
    shop.declare(purchases={**PURCHASES_CSV, "format": "parquet", "columns": columns, "decimal": ","})
    item = pa.StructArray.from_arrays([pa.array([1.125, 1.0, 2.5]), column], names=["sku", "total"])
    shop.put("purchases/a", write_parquet(pa.table({"price": column, "item": item, "at": ["t"] * 3})))
    load(shop.settings)
    prices = shop.query("select price, line_total from raw.purchases order by _line")
    assert " ".join(str(price) for price, _ in prices) == texts
    # NaN within an object stays, and is a missing value later; a float of four bytes gets the digits of its value.
    totals = [None if total == "NaN" else total for _, total in prices]
    assert totals == [price if price != "9.99" else "9.989999771118164" for price, _ in prices]
    assert shop.query("select product_id from raw.purchases order by _line") == [("1.125",), ("1.0",), ("2.5",)]


@pytest.mark.parametrize("name", FORMATS)
def test_repeated_names_of_tables(shop: Shop, name: str) -> None:
    """A repeated name is refused where the feed declares it, also as the start of a path."""
    file_format, write = FORMATS[name]
    columns = {**EVENTS_JSONL["columns"], "device": "$.app.version"}
    shop.declare(events={**EVENTS_JSONL, "format": file_format, "columns": columns, "leave_out": {"test": "1"}})
    columns_by_name = {
        "note": pa.array(["n"] * 20),
        "user": EVENTS["user"],
        "app": EVENTS["app"],
        "test": EVENTS["item"],
    }
    for number, (repeated_name, column) in enumerate(columns_by_name.items()):
        table = EVENTS.append_column("note", pa.array(["a"] * 20)).append_column("test", pa.array(["0"] * 20))
        shop.put(f"events/{number}", write(table.append_column(repeated_name, column)))
    assert load(shop.settings).rejected_files == {
        f"events/{number}": f"the header has the column '{repeated_name}' twice"
        for number, repeated_name in enumerate(columns_by_name)
        if repeated_name != "note"
    }
    ((extra,),) = shop.query("select _extra from raw.events where _line = 1")
    assert json.loads(extra) == {"app": {"tags": ["a"]}, "note": "a", "note (column 8)": "n", "test": "0"}


def test_names_can_differ_in_case_only(shop: Shop) -> None:
    shop.declare(events={**EVENTS_JSONL, "format": "parquet"})
    shop.put("events/a", write_parquet(EVENTS[:1].append_column("USER", pa.array(["other"]))))
    load(shop.settings)
    assert shop.query("select user_id, _extra::json ->> 'USER' from raw.events") == [("u0", "other")]


def test_lists_in_tables_are_unnested(shop: Shop) -> None:
    columns = {"product_id": "$.items.sku", "purchased_at": "at"}
    shop.declare(purchases={**PURCHASES_CSV, "format": "parquet", "columns": columns, "unnest": "items"})
    items = [[{"sku": "A"}, {"sku": "B"}], [], [{"sku": "C"}]]
    shop.put("purchases/a", write_parquet(pa.table({"at": ["t"] * 3, "items": items})))
    load(shop.settings)
    assert shop.query("select product_id, _line from raw.purchases order by _line") == [
        *(("A", 1), ("B", 2), (None, 3), ("C", 4)),
    ]


def test_item_of_list_in_table(shop: Shop) -> None:
    columns = {**EVENTS_JSONL["columns"], "category": "$.tags.1"}
    shop.declare(events={**EVENTS_JSONL, "format": "parquet", "columns": columns})
    shop.put("events/a", write_parquet(EVENTS[:2].append_column("tags", pa.array([["a"], ["b", "c"]]))))
    load(shop.settings)
    assert shop.query("select category from raw.events order by _line") == [(None,), ("c",)]
    shop.declare(events={**EVENTS_JSONL, "format": "parquet", "columns": {**columns, "category": "$.tags.2"}})
    with pytest.raises(RecomartError, match=r"columns\.category: no column '\$\.tags\.2'"):
        load(shop.settings)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_tables_are_rejected(shop: Shop, name: str) -> None:
    file_format, write = FORMATS[name]
    shop.declare(events={**EVENTS_JSONL, "format": file_format})
    data = write(EVENTS)
    shop.put("events/half", data[: len(data) // 2])
    shop.put("events/text", EVENTS_TEXT)
    shop.put("events/whole", data)
    report = load(shop.settings)
    assert report.rows_loaded == 20
    assert set(report.rejected_files) == {"events/half", "events/text"}


EVENTS_TEXT = '{"user":"u1","item":"p1","type":"view","time":"t"}\n' * 20


def test_missing_name_in_tables_fails(shop: Shop) -> None:
    shop.declare(events={**EVENTS_JSONL, "format": "parquet"})
    shop.put("events/a", write_parquet(EVENTS.rename_columns(["id", *EVENTS.column_names[1:]])))
    with pytest.raises(RecomartError, match=r"columns\.user_id: no column 'user' in events/a"):
        load(shop.settings)


EXCEL = {**PURCHASES_CSV, "format": "excel"}
HEADER = ["sku", "when", "who", "qty", "note", None, "note"]
ROWS = "select product_id, purchased_at, user_id, quantity, _line from raw.purchases order by _line"


def load_excel(shop: Shop, rows: Sequence[Sequence[Any]], **settings: Any) -> list[tuple[Any, ...]]:
    shop.declare(purchases={**EXCEL, **settings})
    shop.put("purchases/a.xlsx", write_excel(rows))
    load(shop.settings)
    return shop.query(ROWS)


def test_rows_of_sheet_load(shop: Shop) -> None:
    rows = load_excel(
        shop,
        [
            HEADER,
            ["00123", dt.datetime(2026, 1, 2, 3, 4, 5), 17, 2.0, "a", "b", "c"],
            [],
            [124, dt.date(2026, 1, 2), "u2", 1.5],
            HEADER,
            [True, None, 12345678901, None, None],
            ["p4", "d", "u", 1, "a", "b", "c", "too many"],
        ],
    )
    assert rows == [
        ("00123", "2026-01-02 03:04:05", "17", "2", 2),
        ("124", "2026-01-02 00:00:00", "u2", "1.5", 4),
        ("true", None, "12345678901", None, 6),
    ]
    extras = [json.loads(extra) for (extra,) in shop.query("select _extra from raw.purchases order by _line")]
    assert extras[0] == {"note": "a", "": "b", "note (column 7)": "c"}
    assert shop.query("select line, error from raw.rejected_rows") == [(7, "8 fields where the header has 7")]
    assert shop.query("select lines, rows_loaded, rows_rejected from raw.loaded_files") == [(4, 3, 1)]


def test_numbers_of_sheet_have_no_decimal_comma(shop: Shop) -> None:
    rows = load_excel(shop, [HEADER, ["p1", "d", 1.0, 1.125], ["p2", "d", "u", "1.125"]], decimal=",")
    assert [row[2:4] for row in rows] == [("1", "1.1250"), ("u", "1.125")]


def test_numbers_of_more_digits_than_a_sheet_has(shop: Shop) -> None:
    rows = load_excel(shop, [HEADER, [123456789012345678, "d", 999999999999999, 1], [1e22, "d", -1.5e18, 1]])
    assert [row[0] for row in rows] == ["1.23456789012346E+17", "1.00000000000000E+22"]
    assert [row[2] for row in rows] == ["999999999999999", "-1.50000000000000E+18"]


def test_formula_without_value_is_missing(shop: Shop) -> None:
    """A program can write a formula without its value, which only a spreadsheet computes."""
    assert load_excel(shop, [HEADER, ["p1", "d", "u", "=1+1"]]) == [("p1", "d", "u", None, 2)]


def test_lines_before_sheet_header(shop: Shop) -> None:
    rows = [["Report"], ["of", "all", "sales", "in", "USD"], [], HEADER, ["p1", "d", "u", 1]]
    shop.declare(purchases=EXCEL)
    shop.put("purchases/a.xlsx", write_excel(rows))
    (reason,) = load(shop.settings).rejected_files.values()
    assert reason == (
        "the header has no 'sku' (for product_id); it has Report. Row 4 looks like the header: declare skip_lines: 3"
    )
    assert load_excel(shop, rows, skip_lines=3) == [("p1", "d", "u", "1", 5)]


def test_sheet_without_header(shop: Shop) -> None:
    names = ["sku", "when", "who", "qty"]
    assert load_excel(shop, [["p1", "d", "u", 1]], names=names) == [("p1", "d", "u", "1", 1)]


def test_sheet_is_chosen_by_name(shop: Shop) -> None:
    assert load_excel(shop, [HEADER, ["p1", "d", "u", 1]], sheet="Sales") == [("p1", "d", "u", "1", 2)]
    shop.declare(purchases={**EXCEL, "sheet": "Returns"})
    (reason,) = load(shop.settings).rejected_files.values()
    assert reason == "the file has no sheet 'Returns'; it has Sales, Other"


def test_damaged_workbooks_are_rejected(shop: Shop) -> None:
    data = write_excel([HEADER, ["p1", "d", "u", 1]])
    shop.declare(purchases=EXCEL)
    shop.put("purchases/half.xlsx", data[: len(data) // 2])
    shop.put("purchases/old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600)
    shop.put("purchases/text.xlsx", "sku,when,who,qty\np1,d,u,1\n")
    shop.put("purchases/empty.xlsx", b"")
    shop.put("purchases/blank.xlsx", write_excel([]))
    shop.put("purchases/whole.xlsx", data)
    report = load(shop.settings)
    assert report.rows_loaded == 1
    assert {path.partition("/")[2] for path in report.rejected_files} == {"half.xlsx", "old.xls", "text.xlsx"}
