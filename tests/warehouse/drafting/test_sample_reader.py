"""Samples of invented files: what must be declared to read them, and which files cannot be read."""

import gzip
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from warehouse.drafting.sample_reader import read_samples
from warehouse.loading.landing_files import UnreadableFileError

ROWS = "B1;K1;A1;2,50\nB2;K2;A2;3,50\nB3;K2;A1;2,50\n"


@pytest.mark.parametrize(
    ("content", "settings", "names"),
    [
        pytest.param("Bon;Kunde;Artikel;Preis\n" + ROWS, {}, "Bon|Kunde|Artikel|Preis", id="header"),
        pytest.param("sep=;\nBon;Kunde;Artikel;Preis\n" + ROWS, {}, "Bon|Kunde|Artikel|Preis", id="sep line"),
        pytest.param(
            "Bericht\n\nVon;01.01.2026;Bis;31.01.2026\nBon;Kunde;Artikel;Preis\n" + ROWS,
            {"skip_lines": 3},
            "Bon|Kunde|Artikel|Preis",
            id="report lines with values",
        ),
        pytest.param(
            "Kasse Süd;;;\n;;;\nBon;Kunde;Artikel;Preis\n" + ROWS,
            {"skip_lines": 2, "encoding": "cp1252"},
            "Bon|Kunde|Artikel|Preis",
            id="padded report lines in Windows-1252",
        ),
        pytest.param(
            "# Export\n# 2026\nBon;Kunde;Artikel;Preis\n" + ROWS,
            {"skip_lines": 2},
            "Bon|Kunde|Artikel|Preis",
            id="comments",
        ),
        pytest.param(
            ROWS,
            {"names": ["column_1", "column_2", "column_3", "column_4"]},
            "column_1|column_2|column_3|column_4",
            id="no header",
        ),
        pytest.param(
            "click;u1;A\nview;u2;B\nclick;u2;A\n",
            {"names": ["column_1", "column_2", "column_3"]},
            "column_1|column_2|column_3",
            id="no header and no numbers",
        ),
        pytest.param("a^b\n1^2\n3^4\n", {"delimiter": "^"}, "a|b", id="rare delimiter"),
        pytest.param('a,"b\nc",a\n1,2,3\n', {}, "a|b\nc|a (column 3)", id="line break in header"),
    ],
)
def test_csv_sample(tmp_path: Path, content: str, settings: dict[str, Any], names: str) -> None:
    (tmp_path / "file.csv").write_bytes(content.encode(settings.get("encoding", "utf-8")))
    (sample,) = read_samples(tmp_path / "file.csv", [tmp_path])
    assert sample.settings == settings
    assert sample.names == names.split("|")


@pytest.mark.parametrize(
    ("document", "settings"),
    [
        ({"A1": {"name": "x", "price": 1}, "A2": {"name": "y", "price": 2}}, [{"record_key": "id"}]),
        (
            {"shop": {"items": {"A1": {"id": 1, "tags": [{"t": 1}], "n": 2}, "A2": {"id": 2, "n": 3}}}},
            [{"records": "$.shop.items", "record_key": "key"}],
        ),
        ({"page": 1, "total": 2, "data": [{"sku": "a"}, {"sku": "b"}]}, [{"records": "$.data"}]),
        ({"users": [{"id": 1}], "orders.v2": [{"no": 1}]}, [{"records": "$.users"}, {"records": '$."orders.v2"'}]),
        ([{"sku": "a"}, {"sku": "b"}], [{}]),
        ({"order_no": 1, "customer": "c", "lines": [{"sku": "a"}]}, [{}]),
    ],
)
def test_json_samples(tmp_path: Path, document: Any, settings: list[dict[str, Any]]) -> None:
    """The lists of records of a document; a single order is a record with a list."""
    path = tmp_path / "file.json.gz"
    path.write_bytes(gzip.compress(json.dumps(document, indent=1).encode()))
    samples = read_samples(path, [tmp_path])
    assert [sample.settings for sample in samples] == settings
    assert {sample.format for sample in samples} == {"jsonl" if "order_no" in document else "json"}


def test_start_of_long_document(tmp_path: Path) -> None:
    """A document is not read to its end."""
    records = ",".join(json.dumps({"sku": f"s{number}", "text": "x" * 10_000}) for number in range(1_900))
    (tmp_path / "file.json").write_text(f'{{"time": 1, "data": [{records}]}}', encoding="utf-8")
    (sample,) = read_samples(tmp_path / "file.json", [tmp_path])
    assert (sample.settings, len(sample.records)) == ({"records": "$.data"}, 1_000)


def test_sheets_of_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Cover"])
    sheet = book.create_sheet("Orders")
    for row in (["Orders of May"], [], ["No", "Article", "Qty"], [1, "a", 2], [2, "b", 1]):
        sheet.append(row)
    book.save(tmp_path / "book.xlsx")
    cover, orders = read_samples(tmp_path / "book.xlsx", [tmp_path])
    assert (cover.part, cover.records) == ("sheet 'Sheet'", [])
    assert orders.settings == {"sheet": "Orders", "skip_lines": 2}
    assert orders.records == [{"No": 1, "Article": "a", "Qty": 2}, {"No": 2, "Article": "b", "Qty": 1}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><a/>", "XML"),
        (b"-- dump\nINSERT INTO orders VALUES (1, 2);\n", "SQL"),
        (b"PK\x03\x04" + b"\0" * 50, "zip"),
        (b"[1, 2, 3]", "list of objects"),
        (b"only,a,header\n", "no records"),
    ],
)
def test_unreadable_files(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=reason):
        read_samples(tmp_path / "file", [tmp_path])
