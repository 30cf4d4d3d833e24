"""Drafts of sources files from invented exports; each draft must be a valid declaration."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from warehouse.drafting.draft_text import write_draft
from warehouse.drafting.shop_drafts import draft_sources, make_glob
from warehouse.errors import RecomartError
from warehouse.sources.yaml_file import read_sources


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


def put(landing: Path, path: str, *lines: str) -> None:
    file = landing / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def draft(landing: Path) -> dict[str, Any]:
    """Return the drafted feeds; the text must be a valid sources file."""
    text = write_draft(draft_sources(landing), "landing")
    file = landing.parent / "sources.yml"
    file.write_text(text, encoding="utf-8")
    read_sources(file)
    feeds: dict[str, Any] = yaml.safe_load(text)["feeds"]
    return feeds


def test_draft_german_orders(landing: Path) -> None:
    """Delimiter, decimal comma, day-first times and lines before the header are recognized."""
    for day in ("01", "02"):
        put(
            landing,
            f"verkauf/bestellungen_202601{day}.csv",
            "Auswertung Verkauf",
            "",
            "Bestellnr;Kunde;Artikel;Bezeichnung;Menge;Einzelpreis;Bestelldatum",
            "B1;K1;A-1;Spaten;2;1.234,50;31.01.2026 14:05",
            "B2;K2;A-2;Säge;1;9,90;15.01.2026 09:00",
        )
    (feed,) = draft(landing).values()
    assert feed["files"] == "verkauf/bestellungen_*.csv"
    assert feed["skip_lines"] == 2
    assert (feed["decimal"], feed["timestamp_formats"]) == (",", ["%d.%m.%Y %H:%M"])
    assert feed["columns"] == {
        "transaction_id": "Bestellnr",
        "user_id": "Kunde",
        "product_id": "Artikel",
        "product_name": "Bezeichnung",
        "quantity": "Menge",
        "price": "Einzelpreis",
        "purchased_at": "Bestelldatum",
    }


def test_draft_events_with_unknown_types(landing: Path) -> None:
    rows = [
        {"ts": 1767225600000 + number, "uid": f"u{number}", "props": {"sku": "p1"}, "name": name}
        for number, name in enumerate(["Product Viewed", "scroll", "Product Added", "Order Completed"])
    ]
    put(landing, "track/2026/01/31/part-0.jsonl", *map(json.dumps, rows))
    (feed,) = draft(landing).values()
    assert feed["files"] == "track/*/*/*/part-*.jsonl"
    assert feed["timestamp_formats"] == ["epoch_ms"]
    assert feed["columns"] == {
        "user_id": "uid",
        "product_id": "$.props.sku",
        "event_at": "ts",
        "event_type": "name",
    }
    assert feed["event_types"] == {
        "view": ["Product Viewed"],
        "add_to_cart": ["Product Added"],
        "purchase": ["Order Completed"],
        "ignored": ["scroll"],
    }


def test_draft_order_with_items(landing: Path) -> None:
    orders = [
        {
            "order_id": number,
            "customer": {"id": f"c{number}"},
            "created_at": "2026-01-05T10:00:00Z",
            "status": status,
            "line_items": [{"sku": "a", "quantity": 1, "price": "9.90"}, {"sku": "b", "quantity": 2, "price": "5"}],
        }
        for number, status in enumerate(["paid", "cancelled", "refunded"])
    ]
    put(landing, "orders.json", json.dumps({"data": {"orders": orders}}))
    (feed,) = draft(landing).values()
    assert (feed["format"], feed["records"], feed["unnest"]) == ("json", "$.data.orders", "line_items")
    assert feed["columns"]["product_id"] == "$.line_items.sku"
    assert feed["columns"]["user_id"] == "$.customer.id"
    assert feed["leave_out"] == {"status": ["cancelled"]}
    assert feed["is_return"] == {"status": ["refunded"]}
    assert "time_zone" not in feed


def test_draft_joins_orders_with_lines(landing: Path) -> None:
    put(landing, "order_lines.csv", "order_id,sku,qty,price", "1,a,1,5.00", "2,b,1,6.50")
    put(
        landing, "orders.csv", "order_id,customer_id,order_date", "1,c1,2026-01-01 10:00:00", "2,c2,2026-01-02 11:00:00"
    )
    feeds = draft(landing)
    assert feeds["purchases"]["join"] == {
        "files": "orders.csv",
        "columns": {"transaction_id": "order_id", "user_id": "customer_id", "purchased_at": "order_date"},
    }
    assert len(feeds) == 1


def test_draft_variants_of_catalog(landing: Path) -> None:
    put(
        landing,
        "products.csv",
        "Handle,Title,Vendor,Variant SKU,Variant Price",
        "tee,Plain Tee,Acme,T-S,19.90",
        "tee,,,T-M,19.90",
        "hat,Hat,Acme,H-1,9.00",
    )
    (feed,) = draft(landing).values()
    assert feed["fill_down"] == "Handle"
    assert feed["columns"]["product_id"] == "Variant SKU"


def test_draft_names_doubts(landing: Path) -> None:
    """A day that may be a month, times without an offset, files that are no feed."""
    put(landing, "sales.csv", "order,user,sku,day", "1,u1,a,01/02/2026", "2,u2,b,03/04/2026")
    put(landing, "readme.txt", "Please read.")
    text = write_draft(draft_sources(landing), "landing")
    assert "? Every day is at most 12, so %m/%d/%Y fits as well. Ask the shop." in text
    assert "? The times have no offset." in text
    assert "#   readme.txt: the file has no records" in text


def test_draft_without_required_column_is_comment(landing: Path) -> None:
    put(landing, "lines.csv", "order_id,sku,qty", "1,a,1", "2,b,1")
    text = write_draft(draft_sources(landing), "landing")
    assert "? No name looks like purchased_at, which a feed of purchases needs. Map it." in text
    (landing.parent / "sources.yml").write_text(text, encoding="utf-8")
    with pytest.raises(RecomartError, match="feeds"):
        read_sources(landing.parent / "sources.yml")


def test_draft_of_broken_files(landing: Path) -> None:
    """Empty and damaged files are named as unused and do not end the draft."""
    (landing / "a.csv").write_bytes(b"")
    (landing / "b.json").write_bytes(b'{"a": [')
    (landing / "c.csv").write_bytes(bytes(range(256)) * 20)
    (landing / "d.jsonl.gz").write_bytes(b"\x1f\x8b broken")
    unused_files = draft_sources(landing).unused_files
    assert set(unused_files) == {"a.csv", "b.json", "c.csv", "d.jsonl.gz"}


def test_draft_without_header(landing: Path) -> None:
    put(landing, "sales.csv", "1,u1,a,2026-01-02", "2,u2,b,2026-03-04")
    text = write_draft(draft_sources(landing), "landing")
    assert "? The files seem to have no header" in text
    assert "#   names: [column_1, column_2, column_3, column_4]" in text
    assert "#     purchased_at: column_4" in text


@pytest.mark.parametrize(
    ("path", "glob"),
    [
        ("a.csv", "a.csv"),
        ("2026-01-31.csv", "*.csv"),
        ("clicks/2026/01/31/part-0001.jsonl.gz", "clicks/*/*/*/part-*.jsonl.gz"),
        ("orders_20260131_120000.csv", "orders_*.csv"),
    ],
)
def test_glob_of_files(path: str, glob: str) -> None:
    assert make_glob(path) == glob
