"""Detection of encoding, delimiter and quotes of each file."""

import codecs
import gzip
import json
from typing import Any

import pytest

from tests.three_feed_shop import PURCHASES_CSV, Shop
from warehouse.errors import RecomartError
from warehouse.loading.loader import load

TEXT = "sku;when;who;qty\r\ncafé, größer;2026-01-01;jürgen;1\r\n"
EXPECTED = [("café, größer", "jürgen", "1")]
ROWS = "select product_id, user_id, quantity from raw.purchases order by _line"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "utf-8"),
        (TEXT.encode("cp1252"), "cp1252"),
        (TEXT.encode("utf-16"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-32"), "utf-32-le"),
        (codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"), "utf-32-be"),
        (gzip.compress(TEXT.encode("cp1252"), mtime=0), "cp1252"),
    ],
)
def test_encoding_and_delimiter_are_detected(shop: Shop, data: bytes, encoding: str) -> None:
    shop.put("purchases/a.csv", data)
    report = load(shop.settings)
    assert shop.query(ROWS) == EXPECTED
    assert shop.query("select encoding, delimiter, quote from raw.loaded_files") == [(encoding, ";", '"')]
    detected = ([] if encoding == "utf-8" else [encoding]) + ["delimiter ';'"]
    assert report.detected_formats["purchases"] == {", ".join(detected): 1}


@pytest.mark.parametrize(
    ("encoding", "word"),
    [("cp1251", "Чайник электрический"), ("cp1250", "Příliš žluťoučký kůň"), ("cp932", "お茶セット")],
)
def test_other_encodings_are_detected(shop: Shop, encoding: str, word: str) -> None:
    shop.put("purchases/a.csv", f"sku,when,who,qty\n{word},2026-01-01,u,1\n".encode(encoding))
    load(shop.settings)
    assert shop.query("select product_id from raw.purchases") == [(word,)]


@pytest.mark.parametrize(
    ("declared", "text", "expected"),
    [
        ({}, "sku\twhen\twho\tqty\np,1\td\tu\t2\n", ("p,1", "u", "2")),
        ({}, "sku|when|who|qty\np,1|d|u|2\n", ("p,1", "u", "2")),
        ({}, "'sku','when','who','qty'\n'p,1','d','O''Brien','2'\n", ("p,1", "O'Brien", "2")),
        ({}, "sku,when,who,qty\n'p,1',d,u,2\np2,d,O'Brien,1\n", ("p,1", "u", "2")),
        ({}, 'sku,when,who,qty\n"5 inch,d,u,2\n"6 inch,d,u,3\n', ('"5 inch', "u", "2")),
        ({"quote": "none"}, 'sku,when,who,qty\n"p1",d,u,2\n', ('"p1"', "u", "2")),
        ({"quote": "~"}, "sku,when,who,qty\n~p,1~,d,u,2\n", ("p,1", "u", "2")),
        ({"delimiter": "^"}, "sku^when^who^qty\np,1^d^u^2\n", ("p,1", "u", "2")),
    ],
    ids=["tab", "bar", "single quotes", "single quotes on values", "inches", "none", "declared quote", "declared mark"],
)
def test_delimiters_and_quotes(shop: Shop, declared: dict[str, Any], text: str, expected: tuple[str, ...]) -> None:
    shop.declare(purchases={**PURCHASES_CSV, **declared})
    shop.put("purchases/a.csv", text)
    load(shop.settings)
    assert shop.query(ROWS)[0] == expected
    assert shop.query("select count(*) from raw.rejected_rows") == [(0,)]


def test_files_of_feed_differ_in_format(shop: Shop) -> None:
    shop.put("purchases/a.csv", "sku,when,who,qty\np1,d,u,1\n")
    shop.put("purchases/b.csv", "sku;when;who;qty\np2;d;u;1\n".encode("utf-16"))
    shop.put("purchases/c.csv", "sku\twhen\twho\tqty\rp3\td\tu\t1\rp4\td\tu\t1\r")
    load(shop.settings)
    assert shop.query("select product_id, _line from raw.purchases order by all") == [
        *(("p1", 2), ("p2", 2), ("p3", 2), ("p4", 3)),
    ]


def test_declared_encoding_takes_precedence(shop: Shop) -> None:
    shop.declare(purchases={**PURCHASES_CSV, "encoding": "cp437"})
    shop.put("purchases/a.csv", "sku,when,who,qty\ncafé,d,u,1\n".encode())
    load(shop.settings)
    assert shop.query("select product_id from raw.purchases") == [("caf├⌐",)]


def test_undecodable_byte_rejects_one_line(shop: Shop) -> None:
    shop.declare(purchases={**PURCHASES_CSV, "encoding": "cp1252"})
    shop.put("purchases/a.csv", b"sku,when,who,qty\np1,d,u,1\np\x81,d,\xe9,1\np3,d,u,1\n")
    load(shop.settings)
    assert shop.query("select product_id from raw.purchases order by all") == [("p1",), ("p3",)]
    assert shop.query("select line, text, error from raw.rejected_rows") == [
        (3, "p\\x81,d,é,1", "the line is not valid cp1252")
    ]


def test_broken_bytes_keep_utf8_detection(shop: Shop) -> None:
    shop.put("purchases/a.csv", b"sku,when,who,qty\n" + "café,d,jürgen,1\n".encode() + b"p\xff,d,u,1\n")
    load(shop.settings)
    assert shop.query("select product_id, encoding from raw.purchases, raw.loaded_files") == [("café", "utf-8")]
    assert shop.query("select line from raw.rejected_rows") == [(3,)]


def test_too_long_lines_are_rejected(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("lines", "csv_records", "json_records", "json_reader"):
        monkeypatch.setattr(f"warehouse.loading.{module}.MAX_LINE_BYTES", 1_000)
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 300)
    shop.put("purchases/a.csv", "sku,when,who,qty\np1,d,u,1\n" + "x" * 5_000 + ",d,u,1\np3,d,u,1\n")
    shop.put("events/a.jsonl", '{"user":"u","item":"p","type":"t","time":"t"}\n{"user":"' + "x" * 5_000 + '"}\n')
    load(shop.settings)
    assert shop.query("select path, line, error from raw.rejected_rows order by all") == [
        ("events/a.jsonl", 2, "the line is longer than 1,000 bytes"),
        ("purchases/a.csv", 3, "the line is longer than 1,000 bytes"),
    ]
    assert shop.query("select (select count(*) from raw.purchases), (select count(*) from raw.events)") == [(2, 1)]


def test_empty_lines_before_header(shop: Shop) -> None:
    shop.put("purchases/a.csv", "\n\r\nsku,when,who,qty\np1,d,u,1\n")
    load(shop.settings)
    assert shop.query("select product_id, _line from raw.purchases") == [("p1", 4)]


def test_delimiter_line_before_header(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.declare(purchases=PURCHASES_CSV)
    shop.put("purchases/a.csv", "sep=^\r\nsku^when^who^qty\r\np,1^d^u^1\r\n")
    load(shop.settings)
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 5)
    shop.put("purchases/b.csv", '"sep=^"\nsku^when^who^qty\np,1^d^u^1\n')
    load(shop.settings)
    assert shop.query("select product_id, quantity, _line from raw.purchases") == [("p,1", "1", 3)] * 2


def test_unnamed_columns_at_end_get_names(shop: Shop) -> None:
    shop.put("purchases/a.csv", "sku;when;who;qty;;\np1;d;u;1;;\np2;d;u;1;x;\n")
    load(shop.settings)
    assert [json.loads(extra) for (extra,) in shop.query("select _extra from raw.purchases order by _line")] == [
        {"column 5": None, "column 6": None},
        {"column 5": "x", "column 6": None},
    ]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"quote": "ab"}, "quote: 'ab' is not `none` or one character"),
        ({"quote": ";", "delimiter": ";"}, "quote: ';' is not `none` or one character other than the delimiter"),
        ({"format": "jsonl", "quote": "'"}, "quote: only a feed of format csv can have it"),
    ],
)
def test_invalid_dialect_declarations_fail(shop: Shop, option: dict[str, str], message: str) -> None:
    shop.declare(purchases={**PURCHASES_CSV, **option})
    shop.put("purchases/a.csv", TEXT)
    with pytest.raises(RecomartError, match=message):
        load(shop.settings)


def test_invalid_delimiter_line_rejects_file(shop: Shop) -> None:
    shop.declare(purchases={**PURCHASES_CSV, "encoding": "utf-8"})
    shop.put("purchases/a.csv", b"sep=\xa7\nsku\xa7when\xa7who\xa7qty\np\xa7d\xa7u\xa71\n")
    shop.put("purchases/b.csv", "sku,when,who,qty\np,d,u,1\n")
    assert list(load(shop.settings).rejected_files) == ["purchases/a.csv"]
    assert shop.query("select _file from raw.purchases") == [("purchases/b.csv",)]


def test_unnamed_columns_get_unique_names(shop: Shop) -> None:
    shop.put("purchases/a.csv", "sku,when,who,qty,column 6,,\np,d,u,1,x,y,z\n")
    load(shop.settings)
    assert shop.query("select _extra from raw.purchases") == [
        ('{"column 6":"x","column 6 without a name":"y","column 7":"z"}',)
    ]
