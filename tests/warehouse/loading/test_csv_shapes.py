"""CSV files in the shapes of exports: headers, lines before them, short and long lines, escapes, blanks."""

import codecs
import gzip
import json
from typing import Any

import pytest

from tests.three_feed_shop import PURCHASES_CSV, Shop
from warehouse.errors import RecomartError
from warehouse.loading.loader import load

ROWS = "select product_id, user_id, quantity, _line from raw.purchases order by _file, _line"


def load_csv(shop: Shop, text: str | bytes, **settings: Any) -> list[tuple[Any, ...]]:
    """Load one CSV file of purchases; return product, customer, quantity and line of each row."""
    shop.declare(purchases={**PURCHASES_CSV, **settings})
    shop.put("purchases/a.csv", text)
    report = load(shop.settings).feeds["purchases"]
    assert report.lines == report.rows_loaded + report.rows_rejected
    return shop.query(ROWS)


def read_rejects(shop: Shop) -> list[tuple[int, str]]:
    return [*shop.query("select line, error from raw.rejected_rows order by line")]


def test_repeated_undeclared_names_load(shop: Shop) -> None:
    rows = load_csv(shop, "Note,sku,when,who,Note,qty,Note (column 7),Note,,x\n1,p,d,u,2,3,4,5,6,7\n")
    assert rows == [("p", "u", "3", 2)]
    assert json.loads(shop.query("select _extra from raw.purchases")[0][0]) == {
        "Note": "1",
        "Note (column 5)": "2",
        "Note (column 7)": "4",
        "Note (column 8)": "5",
        "": "6",
        "x": "7",
    }


@pytest.mark.parametrize("settings", [{}, {"where": {"note": ["a"]}}])
def test_repeated_declared_name_rejects_file(shop: Shop, settings: dict[str, Any]) -> None:
    header = "sku,when,who,qty,note,note" if settings else "sku,when,who,qty,sku"
    shop.declare(purchases={**PURCHASES_CSV, **settings})
    shop.put("purchases/a.csv", f"{header}\np,d,u,1,a,b\n")
    (reason,) = load(shop.settings).rejected_files.values()
    assert reason == f"the header has the column '{'note' if settings else 'sku'}' twice"


@pytest.mark.parametrize("quote", ["", '"'], ids=["Arrow", "csv"])
def test_delimiter_at_end_of_lines(shop: Shop, quote: str) -> None:
    text = f"sku;when;who;qty\n{quote}p1{quote};d;u;1;\np2;d;u;2;;;\np3;d;u;3;x\np4;d;u;4\np5;d;;;\n"
    assert load_csv(shop, text) == [("p1", "u", "1", 2), ("p2", "u", "2", 3), ("p4", "u", "4", 5), ("p5", "", "", 6)]
    assert read_rejects(shop) == [(4, "5 fields where the header has 4")]


@pytest.mark.parametrize("quote", ["", '"'], ids=["Arrow", "csv"])
def test_short_lines_lack_undeclared_columns(shop: Shop, quote: str) -> None:
    text = f"sku,when,who,note,qty,colour,size,,\n{quote}p1{quote},d,u,n,1,red\np2,d,u,n,2\np3,d,u,n\n"
    assert load_csv(shop, text) == [("p1", "u", "1", 2), ("p2", "u", "2", 3)]
    assert read_rejects(shop) == [(4, "4 fields where the header has 9")]
    extras = [json.loads(extra) for (extra,) in shop.query("select _extra from raw.purchases order by _line")]
    assert [extra["colour"] for extra in extras] == ["red", None]


def test_condition_column_is_needed(shop: Shop) -> None:
    text = "sku,when,who,qty,status\np1,d,u,1,paid\np2,d,u,1\n"
    assert load_csv(shop, text, where={"status": ["paid"]}) == [("p1", "u", "1", 2)]
    assert read_rejects(shop) == [(3, "4 fields where the header has 5")]


@pytest.mark.parametrize("quote", ["", '"'], ids=["Arrow", "csv"])
def test_short_lines_can_be_filled(shop: Shop, quote: str) -> None:
    text = f"sku,when,who,qty\n{quote}p1{quote},d\np2,d,u,1\np3\n"
    rows = load_csv(shop, text, short_lines="fill")
    assert rows == [("p1", None, None, 2), ("p2", "u", "1", 3), ("p3", None, None, 4)]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("block_bytes", [3, 1 << 20])
def test_line_break_in_header_name(
    shop: Shop, line_end: str, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", block_bytes)
    lines = ['"Unit', 'price";sku;when;"who";"qty"', "9;p1;d;u;1", '8;"p2";d;u;2', ""]
    columns = {**PURCHASES_CSV["columns"], "price": "Unit\nprice"}
    assert load_csv(shop, line_end.join(lines), columns=columns, delimiter=";") == [
        ("p1", "u", "1", 3),
        ("p2", "u", "2", 4),
    ]
    assert shop.query("select price from raw.purchases order by _line") == [("9",), ("8",)]


def test_delimiter_of_broken_header_is_detected(shop: Shop) -> None:
    assert load_csv(shop, '"Unit\n\nprice"|sku|when|who|qty\n9|p1|d|u|1\n') == [("p1", "u", "1", 4)]


def test_unclosed_quote_in_header_rejects_file(shop: Shop) -> None:
    shop.put("purchases/a.csv", 'sku,"when,who,qty\n' + "p1,d,u,1\n" * 50)
    (reason,) = load(shop.settings).rejected_files.values()
    assert reason == "the header line cannot be read: unexpected end of data"


@pytest.mark.parametrize(
    "content", [b"", b"\n\r\n\n", codecs.BOM_UTF8, b"sep=;\r\n", b"sku,when,who,qty", gzip.compress(b"", mtime=0)]
)
def test_file_without_rows_is_loaded(shop: Shop, content: bytes) -> None:
    shop.put("purchases/b.csv", "sku,when,who,qty\np1,d,u,1\n")
    assert load_csv(shop, content) == [("p1", "u", "1", 2)]
    assert shop.query("select path, lines from raw.loaded_files order by path") == [
        ("purchases/a.csv", 0),
        ("purchases/b.csv", 1),
    ]
    assert len(shop.query("select distinct checksum from raw.loaded_files")) == 2


ESCAPED = 'sku,when,who,qty\n"5\\" pipe, long",d,"a\\\\",1\n\\N,d,"C:\\dir",2\np3,d,x\\,y,3\n'
ESCAPED_ROWS = [('5" pipe, long', "a\\", "1", 2), ("\\N", "C:\\dir", "2", 3), ("p3", "x,y", "3", 4)]


@pytest.mark.parametrize("settings", [{}, {"escape": "\\"}], ids=["detected", "declared"])
def test_backslash_escapes(shop: Shop, settings: dict[str, Any]) -> None:
    assert load_csv(shop, ESCAPED, **settings) == ESCAPED_ROWS


def test_declared_escape_holds_without_quotes(shop: Shop) -> None:
    assert load_csv(shop, "sku,when,who,qty\na\\,b,d,\\u,1\n", escape="\\") == [("a,b", "\\u", "1", 2)]


def test_backslash_before_closing_quote(shop: Shop) -> None:
    """A backslash at the end of a quoted field is no escape in a file that doubles its quotes."""
    rows = load_csv(shop, 'sku,when,who,qty\n"C:\\",d,"say ""hi""",1\n"D:\\",d,u,2\n')
    assert rows == [("C:\\", 'say "hi"', "1", 2), ("D:\\", "u", "2", 3)]


@pytest.mark.parametrize("padding", [0, 500], ids=["csv", "Arrow"])
def test_blanks_before_quotes_are_skipped(shop: Shop, padding: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 2_000)
    lines = ['sku, when, who, qty, "note"', 'p0, d, "a, b",  1, "x"', *["p1, d,  u u , 2, y"] * padding, "p2,d, v, 3,"]
    rows = load_csv(shop, "\n".join(lines))
    assert rows[0] == ("p0", "a, b", "1", 2)
    assert {row[:3] for row in rows[1:-1]} == ({("p1", "u u ", "2")} if padding else set())
    assert rows[-1] == ("p2", "v", "3", padding + 3)


def test_blanks_without_quotes_are_kept(shop: Shop) -> None:
    assert load_csv(shop, "sku, when, who, qty\np1, d, u, 1\n") == [("p1", " u", " 1", 2)]


PREAMBLE = 'Report of all sales\n"Amounts in USD, ""net"""\n\nTotal,2\n'


def test_declared_lines_are_skipped(shop: Shop) -> None:
    rows = load_csv(shop, f"{PREAMBLE}\nsku,when,who,qty\np1,d,u,1\n", skip_lines=4)
    assert rows == [("p1", "u", "1", 7)]


@pytest.mark.parametrize("has_other_file", [False, True])
def test_later_header_is_named(shop: Shop, has_other_file: bool) -> None:
    shop.declare(purchases=PURCHASES_CSV)
    shop.put("purchases/a.csv", f"\n{PREAMBLE}sku;when;who;qty\np1;d;u;1\n")
    hint = "ine 6 looks like the header: declare skip_lines: 5"
    if has_other_file:
        shop.put("purchases/b.csv", "sku;when;who;qty\np1;d;u;1\n")
        (reason,) = load(shop.settings).rejected_files.values()
        assert reason.startswith("the header has no 'sku' (for product_id); it has Report of all sales")
        assert reason.endswith(f". L{hint}")
        return
    with pytest.raises(RecomartError, match=rf"sources\.yml, line .*no column 'sku'.*\. purchases/a\.csv: L{hint}$"):
        load(shop.settings)


def test_comments_are_no_rows(shop: Shop) -> None:
    text = '# a "comment\n#\n\nsku,when,who,qty\n#x,y\np1,d,u,1\n# it\'s "one\n"p\n# 2",d,u,2\n#,d,u,3\n'
    assert load_csv(shop, text, comment="#") == [("p1", "u", "1", 6), ("p\n# 2", "u", "2", 8)]
    assert load_csv(shop, text.replace('"', ""), comment="#") == [("p1", "u", "1", 6)]
    assert read_rejects(shop) == [(8, "1 fields where the header has 4")]


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_declared_names_replace_header(shop: Shop, delimiter: str) -> None:
    names = ["sku", "when", "who", "qty", "note"]
    lines = ["", "p1, 2 inch|d|u|1|a", 'p2|d|"u, v"|2|', "p3|d|u|3|b|c", "sku|when|who|qty|note", "p4|d|u|4"]
    text = "\n".join(lines).replace("p1, 2", "p1 2" if delimiter == "," else "p1, 2").replace("|", delimiter)
    rows = load_csv(shop, text, names=names)
    product = "p1 2 inch" if delimiter == "," else "p1, 2 inch"
    assert rows == [(product, "u", "1", 2), ("p2", "u, v", "2", 3), ("p4", "u", "4", 6)]
    assert read_rejects(shop) == [(4, "6 fields where the header has 5")]


def test_mapped_name_must_be_among_names(shop: Shop) -> None:
    with pytest.raises(RecomartError, match=r"columns\.quantity: no column 'qty' in purchases/a\.csv"):
        load_csv(shop, "p1,d,u,1\n", names=["sku", "when", "who", "quantity"])


@pytest.mark.parametrize("quote", ["", '"'], ids=["Arrow", "csv"])
def test_headers_of_appended_files_are_no_rows(shop: Shop, quote: str) -> None:
    header = f"{quote}sku{quote},when , who,qty\n"
    text = f"{header}p1,d,u,1\n{header}p2,d,u,2\n" + ("" if quote else f"\ufeff{header}sku,when,who,4\n")
    rows = [("p1", "u", "1", 2), ("p2", "u", "2", 4)]
    assert load_csv(shop, text) == rows + ([] if quote else [("sku", "who", "4", 6)])


def test_date_and_time_of_two_columns(shop: Shop) -> None:
    """A date that a spreadsheet wrote as midnight, before a time of day."""
    shop.declare(purchases={**PURCHASES_CSV, "columns": {"product_id": "sku", "purchased_at": ["day", "time"]}})
    shop.put(
        "purchases/1.csv",
        "sku,day,time\na,2026-10-01 00:00:00,10:43:00\nb,2026-10-01,00:00:00\nc,2026-10-01 00:00:00,\nd,,10:43\n",
    )
    load(shop.settings)
    texts = [text for (text,) in shop.query("select purchased_at from raw.purchases order by _line")]
    assert texts == ["2026-10-01 10:43:00", "2026-10-01 00:00:00", "2026-10-01", "10:43"]


def test_all_lines_skipped_rejects_file(shop: Shop) -> None:
    shop.declare(purchases={**PURCHASES_CSV, "skip_lines": 50})
    shop.put("purchases/1.csv", "sku,when,who,qty\na,2026-01-01,u,1\n")
    assert load(shop.settings).rejected_files == {
        "purchases/1.csv": "all of its 2 lines are skipped. Correct skip_lines"
    }


@pytest.mark.parametrize("column_count", [150, 20_000])
def test_many_undeclared_columns_load(shop: Shop, column_count: int) -> None:
    names = [f"c{number}" for number in range(column_count)]
    values = ["", *(f"x {number}" for number in range(1, column_count))]
    shop.put("purchases/a.csv", f"sku,when,who,qty,{','.join(names)}\np1,t,u1,1,{','.join(values)}\n")
    load(shop.settings)
    ((extra,),) = shop.query("select _extra from raw.purchases")
    assert json.loads(extra) == dict(zip(names, [None, *values[1:]], strict=True))
