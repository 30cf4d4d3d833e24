"""JSON documents and paths of nested values."""

import codecs
import gzip
import json
from typing import Any

import pytest

from tests.three_feed_shop import EVENTS_JSONL, PRODUCTS_JSON, Shop
from warehouse.errors import RecomartError
from warehouse.loading.loader import load

NESTED: dict[str, Any] = {
    **EVENTS_JSONL,
    "columns": {
        "user_id": "$.visitor.id",
        "product_id": '$."product.v2"."item/no"',
        "event_type": "type",
        "event_at": "$.meta.at.utc",
        "session_id": "user.session",
    },
}


NESTED_VALUES = {"product.v2": {"item/no": 1}, "meta": {"at": {"utc": "t"}}}


def read_extras(shop: Shop) -> list[Any]:
    return [
        json.loads(extra) if extra else None for (extra,) in shop.query("select _extra from raw.events order by _line")
    ]


def test_mapped_paths_are_removed_from_extra(shop: Shop) -> None:
    shop.declare(events=NESTED)
    first = {
        "visitor": {"id": "u1", "country": "ES"},
        "product.v2": {"item/no": 7},
        "type": "view",
        "meta": {"at": {"utc": "t1"}, "version": None},
        "user.session": "s1",
        "other": {"id": "x"},
    }
    second = {"visitor": "u2", "product.v2": {"item/no": None, "tags": []}, "meta": {"at": ["utc"]}, "type": "view"}
    shop.put("events/a.jsonl", "\n".join(map(json.dumps, [first, second, {"type": "view"}])))
    load(shop.settings)
    rows = shop.query("select user_id, product_id, event_type, event_at, session_id from raw.events order by _line")
    assert rows == [("u1", "7", "view", "t1", "s1"), (None, None, "view", None, None), (None, None, "view", None, None)]
    assert read_extras(shop) == [
        {"visitor": {"country": "ES"}, "meta": {"version": None}, "other": {"id": "x"}},
        {"visitor": "u2", "product.v2": {"tags": []}, "meta": {"at": ["utc"]}},
        None,
    ]


def test_document_paths_select_list_and_values(shop: Shop) -> None:
    columns = {"product_id": "$.ids.sku", "price": "$.price.amount"}
    shop.declare(products={**PRODUCTS_JSON, "columns": columns, "records": '$."page.1".items'})
    items = [{"ids": {"sku": "p1"}, "price": {"amount": 1.50, "currency": "EUR"}}, {"ids": {"sku": "p2"}}]
    shop.put("catalog/a.json", json.dumps({"items": [], "page.1": {"items": items}}))
    load(shop.settings)
    assert shop.query("select product_id, price, _extra from raw.products order by _line") == [
        ("p1", "1.5", '{"price":{"currency":"EUR"}}'),
        ("p2", None, None),
    ]


def test_numbers_have_no_decimal_comma(shop: Shop) -> None:
    """Only texts follow the decimal mark of the feed, which decides how the file is read."""
    shop.declare(products=PRODUCTS_JSON)
    prices = ["1.125", "-12.125", "1.5", "0.125", "1234.125", "1000", "1.125E3", '"1.125"', '"1,5"', "null"]
    items = ", ".join(f'{{"id": {number}.125, "price": {price}}}' for number, price in enumerate(prices, start=1))
    shop.put("catalog/a.json", f'{{"data": {{"items": [{items}]}}}}')
    load(shop.settings)
    shop.declare(products={**PRODUCTS_JSON, "decimal": ","})
    assert load(shop.settings).rows_loaded == len(prices)
    assert shop.query("select product_id, price from raw.products order by _line") == [
        (f"{number}.125", price)
        for number, price in enumerate(
            ["1.1250", "-12.1250", "1.5", "0.125", "1234.125", "1000", "1125.0", "1.125", "1,5", None], start=1
        )
    ]


def test_scientific_numbers_stay_recognizable(shop: Shop) -> None:
    """DuckDB reads 8.85E12 as 8850000000000.0, which looks like an id."""
    records = [
        '{"user": 8.85E12, "item": "8.85e12", "type": "view", "time": 1.7676072e+12, "rate": 1e-05}',
        '{"user": 1e15, "item": "x \\": 1e5, ", "type" : "view", "time" :1767607200000.0 , "n": {"a": 2e3}}',
        '{"user": 4006381333931.0, "item": "p\\\\", "type": "view", "time": "t"}',
    ]
    shop.put("events/a.jsonl", "\n".join(records))
    load(shop.settings)
    assert shop.query("select user_id, product_id, event_at from raw.events order by _line") == [
        ("8.85E+12", "8.85e12", "1.7676072e+12"),
        ("1e+15", 'x ": 1e5, ', "1767607200000.0"),
        ("4006381333931.0", "p\\", "t"),
    ]


@pytest.mark.parametrize("file_format", ["jsonl", "json"])
def test_item_of_list_by_number(shop: Shop, file_format: str) -> None:
    columns = {"product_id": "$.skus.0", "category": "$.tags.1", "brand": "$.makers.0.name"}
    shop.declare(products={**PRODUCTS_JSON, "format": file_format, "columns": columns})
    items = [{"skus": ["A", "B"], "tags": ["x", "y"], "makers": [{"name": "M"}]}, {"skus": {"0": "C"}, "tags": []}]
    document = {"data": {"items": items}}
    shop.put("catalog/a", "\n".join(map(json.dumps, items)) if file_format == "jsonl" else json.dumps(document))
    if file_format == "jsonl":
        shop.declare(products={"files": "catalog/*", "format": "jsonl", "columns": columns})
    load(shop.settings)
    assert shop.query("select product_id, category, brand from raw.products order by _line") == [
        *(("A", "y", "M"), ("C", None, None)),
    ]
    ((extra,),) = shop.query("select _extra from raw.products where _line = 1")
    # An item cannot leave its list without renumbering the others.
    assert json.loads(extra) == items[0]


def test_path_missing_in_all_records_fails(shop: Shop) -> None:
    shop.declare(events=NESTED)
    shop.put("events/a.jsonl", json.dumps({"visitor": {}, "type": "view"} | NESTED_VALUES))
    with pytest.raises(RecomartError, match=r"columns\.user_id: no column '\$\.visitor\.id'.*they have .*visitor"):
        load(shop.settings)


@pytest.mark.parametrize("path", ["$.", "$.a.", "$.items[0].id", '$."a', "$.a b"])
def test_invalid_path_fails(shop: Shop, path: str) -> None:
    shop.declare(events={**EVENTS_JSONL, "columns": {**EVENTS_JSONL["columns"], "user_id": path}})
    with pytest.raises(RecomartError, match=r"columns.user_id: '.*' is not a path of keys\. Write it like"):
        load(shop.settings)


def test_document_larger_than_window(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 61)
    monkeypatch.setattr("warehouse.loading.json_records.TABLE_BYTES", 500)
    items = [
        {"id": f"p{number}", "name": '日本"\\' * (number % 7), "n": [number, {"a": None}]} for number in range(300)
    ]
    for name, ascii_only in (("a", True), ("b", False)):
        document = {"before": items[:50], "data": {"items": items}, "after": {"items": [1]}}
        shop.put(f"catalog/{name}.json", json.dumps(document, ensure_ascii=ascii_only))
    report = load(shop.settings).feeds["products"]
    assert (report.lines, report.rows_loaded) == (600, 600)
    rows = shop.query("select product_id, product_name, _line from raw.products order by _file, _line")
    assert rows == [(item["id"], item["name"], line) for _ in "ab" for line, item in enumerate(items, start=1)]


def test_document_element_becomes_row(shop: Shop) -> None:
    items = '[{"id": "p1", "name": "A", "price": 1.1}, 7, {"id": 2, "name": null, "extra": [1]}]'
    shop.put("catalog/page.json", f'{{"page": 1, "data": {{"items": {items}}}}}')
    report = load(shop.settings).feeds["products"]
    assert (report.lines, report.rows_loaded, report.rows_rejected) == (3, 2, 1)
    assert shop.query("select product_id, product_name, price, _extra, _line from raw.products order by _line") == [
        ("p1", "A", "1.1", None, 1),
        ("2", None, None, '{"extra":[1]}', 3),
    ]
    assert shop.query("select line, text from raw.rejected_rows") == [(2, "7")]


@pytest.mark.parametrize(
    "content",
    [b'{"data": {"it', b'{"data": {"items": [1,]}}', b'{"data": {"items": []}} {}', b"[" * 100_000],
    ids=["incomplete", "extra comma", "text after the end", "nested deep"],
)
def test_invalid_document_is_rejected(shop: Shop, content: bytes) -> None:
    shop.put("catalog/a.json", content)
    shop.put("catalog/b.json", '{"data": {"items": [{"id": "p1"}], "items": [{"id": "p2"}, {"id": "p3"}]}}')
    report = load(shop.settings)
    assert list(report.rejected_files) == ["catalog/a.json"]
    assert shop.query("select lines, rows_loaded from raw.loaded_files") == [(1, 1)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"data": {"item": [], "page": 1}}', "no list of records under 'data.items'; 'data' has item, page"),
        ('{"date": {"items": []}}', "no list of records under 'data.items'; it has date"),
        ('{"data": [{"items": 1}]}', "no list of records under 'data.items'; 'data' is a list"),
        ('{"data": {"items": 5}}', "no list of records under 'data.items'; 'data.items' is a plain value"),
        ('[{"id": "p1"}]', "no list of records under 'data.items'; it is a list"),
        ('{"id": "p1"}\n{"id": "p2"}\n', "A file with one object per line needs format: jsonl"),
    ],
)
def test_document_without_list_is_rejected(shop: Shop, content: str, problem: str) -> None:
    shop.put("catalog/a.json", content)
    (reason,) = load(shop.settings).rejected_files.values()
    assert reason.endswith(problem)


@pytest.mark.parametrize(
    "element",
    [b'{"id": "\\ud800"}', b'{"id": "\xff"}', b'{"id": 1, "x": ' + b"[" * 600 + b"]" * 600 + b"}", b'{"id": "a\nb"}'],
    ids=["lone surrogate", "broken UTF-8", "nested deep", "raw line end in a string"],
)
def test_broken_element_rejects_one_row(shop: Shop, element: bytes) -> None:
    shop.put("catalog/a.json", b'{"data": {"items": [{"id": "p1"}, ' + element + b', {"id": "p3"}]}}')
    report = load(shop.settings).feeds["products"]
    assert (report.lines, report.rows_loaded, report.rows_rejected) == (3, 2, 1)
    assert shop.query("select _line from raw.products order by _line") == [(1,), (3,)]
    assert shop.query("select line from raw.rejected_rows") == [(2,)]


def make_objects(separator: str, *, indent: int | None = None, count: int = 3) -> str:
    events = ({"user": f"u{i}", "item": "}{ p", "type": "view", "time": "t"} for i in range(count))
    return separator.join(json.dumps(event, indent=indent) for event in events)


@pytest.mark.parametrize(
    "text",
    [
        make_objects(""),
        f"\n {make_objects(' ')}\n",
        make_objects("\n", indent=2),
        make_objects("", indent=0).replace("\n", "\r\n"),
        make_objects("").encode("utf-16"),
    ],
    ids=["no separator", "blanks", "indented", "CRLF", "UTF-16"],
)
def test_objects_without_line_ends_load(shop: Shop, text: str | bytes) -> None:
    shop.put("events/a", text)
    assert load(shop.settings).feeds["events"].lines == 3
    rows = shop.query("select user_id, product_id, _line, _extra from raw.events order by _line")
    assert rows == [("u0", "}{ p", 1, None), ("u1", "}{ p", 2, None), ("u2", "}{ p", 3, None)]


def test_one_indented_object_is_a_row(shop: Shop) -> None:
    shop.put("events/a", make_objects("", indent=4, count=1))
    load(shop.settings)
    assert shop.query("select user_id, _line from raw.events") == [("u0", 1)]


def test_broken_object_rejects_one_row(shop: Shop) -> None:
    texts = [make_objects(""), '{"user": "u3", "item', make_objects(""), "7", '{"user": x}', make_objects("")]
    shop.put("events/a", "".join(texts).replace("}{ p", "p") + '{"user": "u')
    report = load(shop.settings).feeds["events"]
    # The first broken object ends where the next one probably does.
    assert (report.lines, report.rows_loaded, report.rows_rejected) == (12, 8, 4)
    rejects = shop.query("select line, text, error from raw.rejected_rows order by line")
    assert [(line, text[:12]) for line, text, _ in rejects] == [
        *((4, '{"user": "u3'), (7, "7"), (8, '{"user": x}'), (12, '{"user": "u')),
    ]
    assert rejects[1][2] == "the line is not a JSON object"
    assert rejects[2][2] == "the object is not valid JSON: Expecting value"


def test_damaged_file_of_objects_is_rejected(shop: Shop) -> None:
    shop.put("events/a", gzip.compress(make_objects("", count=300).encode())[:-9])
    (reason,) = load(shop.settings).rejected_files.values()
    assert reason.startswith("the compressed file is damaged or incomplete")


def test_one_long_line_of_objects(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 61)
    monkeypatch.setattr("warehouse.loading.json_records.TABLE_BYTES", 500)
    shop.put("events/a", make_objects("", count=300))
    load(shop.settings)
    rows = shop.query("select user_id, _line from raw.events order by _line")
    assert rows == [(f"u{number}", number + 1) for number in range(300)]


@pytest.mark.parametrize("records", [None, "data.items"])
def test_record_key_becomes_value(shop: Shop, records: str | None) -> None:
    settings = {"records": records} if records else {}
    products = {key: value for key, value in PRODUCTS_JSON.items() if key != "records"} | settings
    columns = {"product_id": "sku", "product_name": "name"}
    shop.declare(products={**products, "record_key": "sku", "columns": columns})
    items = '{"p\\"1": {"name": "A"}, "2": {}, "p3": 7, "p4": {"name": "B", "tags": []}}'
    shop.put("catalog/a.json", f'{{"data": {{"items": {items}}}}}' if records else items)
    shop.put("catalog/b.json", '{"data": {"items": []}}' if records else "[]")
    report = load(shop.settings)
    assert shop.query("select product_id, product_name, _extra, _line from raw.products order by _line") == [
        *(('p"1', "A", None, 1), ("2", None, None, 2), ("p4", "B", '{"tags":[]}', 4)),
    ]
    assert shop.query("select line, text from raw.rejected_rows") == [(3, "7")]
    location = "under 'data.items'; 'data.items' is a list" if records else "at the top; it is a list"
    assert report.rejected_files["catalog/b.json"] == f"the JSON document has no object of records {location}"


@pytest.mark.parametrize("content", [b"", b" \n\n", codecs.BOM_UTF8])
def test_empty_document_has_no_rows(shop: Shop, content: bytes) -> None:
    shop.put("catalog/a.json", content)
    shop.put("events/a", content.strip(b" "))
    report = load(shop.settings)
    assert report.rejected_files == {}
    assert shop.query("select lines, checksum <> '' from raw.loaded_files") == [(0, True)] * 2


def test_record_key_of_its_own_rejects_file(shop: Shop) -> None:
    """The key of the records would replace a value."""
    products = {"files": "catalog/*", "format": "json", "columns": {"product_id": "sku"}}
    shop.declare(products={**products, "record_key": "sku"})
    shop.put("catalog/a.json", '{"k1": {"sku": "own1"}, "k2": {}}')
    (error,) = load(shop.settings).rejected_files.values()
    assert "the record 'k1' has a key 'sku' of its own. Give record_key another name" in error
