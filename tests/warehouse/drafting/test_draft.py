"""Drafts of sources files from invented exports; each draft must be a valid declaration."""

import json
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest

from tests.warehouse.drafting.drafted_folder import draft, list_doubts, put, write
from warehouse.drafting.shop_drafts import draft_sources
from warehouse.errors import RecomartError
from warehouse.formatting import UNPRINTABLE_PATTERN
from warehouse.sources.yaml_file import read_sources


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
        for number, status in enumerate(["paid", "cancelled", "refunded", "partially_refunded"])
    ]
    put(landing, "orders.json", json.dumps({"data": {"orders": orders}}))
    (feed,) = draft(landing).values()
    assert (feed["format"], feed["records"], feed["unnest"]) == ("json", "$.data.orders", "line_items")
    assert feed["columns"]["product_id"] == "$.line_items.sku"
    assert feed["columns"]["user_id"] == "$.customer.id"
    assert feed["leave_out"] == {"status": ["cancelled", "refunded"]}
    assert "takes back a purchase that is another row, declare is_return." in list_doubts(landing)
    assert "time_zone" not in feed


def test_draft_statuses(landing: Path) -> None:
    """Whole words of all statuses decide; neither mapped columns nor those of products and deliveries do."""
    rows = [
        ("Household", "Hold", "on hold", "pending", "PartiallyRefunded", "Refund"),
        ("Draft beer", "Return", "closed", "returned", "paid", "sale"),
        ("Household", "Hold", "not cancelled", "sent", "payment_failed", "sale"),
    ]
    lines = [f"{i},c{i},s{i},1,2026-01-0{i} 10:00,{','.join(row)}" for i, row in enumerate(rows, start=1)]
    header = "order,customer,sku,qty,sold_at,product_type,title,status,delivery_status,paymentStatus,order_type"
    put(landing, "sales.csv", header, *lines)
    (feed,) = draft(landing).values()
    assert feed["leave_out"] == {"status": ["on hold"], "paymentStatus": ["payment_failed"], "order_type": ["Refund"]}
    doubts = list_doubts(landing)
    assert [f"{name} has the values" in doubts for name in header.split(",")[5:]] == [
        False,
        False,
        True,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("name", "values", "left_out"),
    [
        ("is_test", ["0", "1"], ["1"]),
        ("TestOrder", ["False", ""], ["true"]),
        ("TEST_FLG", ["", "1.0"], ["1"]),
        ("order.test", ["", ""], ["1"]),
        ("ab_test", ["0", "1"], None),
        ("test", ["blue", "red"], None),
    ],
)
def test_draft_test_orders(landing: Path, name: str, values: list[str], left_out: list[str] | None) -> None:
    rows = [f"{number},c{number},s{number},2026-01-05 10:00,{value}" for number, value in enumerate(values)]
    put(landing, "sales.csv", f"order,customer,sku,sold_at,{name}", *rows)
    (feed,) = draft(landing).values()
    assert feed.get("leave_out") == (left_out and {name: left_out})
    assert ("Are they tests?" in list_doubts(landing)) == bool(left_out)


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


def test_draft_catalog_in_german(landing: Path) -> None:
    """Words of availability in other languages are declared; a missing stock count is no row of a group."""
    rows = [f"A-{i},Lampe {i},{i % 2},{['lieferbar', 'ausverkauft', ''][i % 3]}" for i in range(9)]
    put(landing, "artikel.csv", "artikel_nr,bezeichnung,sichtbar,lieferbar", *rows)
    (feed,) = draft(landing).values()
    assert feed["columns"]["is_available"] == "lieferbar"
    assert feed["availability"] == {"available": ["lieferbar"], "unavailable": ["ausverkauft"]}
    assert "fill_down" not in feed


def test_draft_of_lists_in_items(landing: Path) -> None:
    """Items and lists of keys and values are read as the loader reads them."""
    attributes = [{"key": "currency", "value": {"string": "EUR", "int": None}}]
    items = [{"sku": f"s{number}", "qty": 1, "price": 5.5} for number in range(2)]
    order = {"order_no": "1", "client": "c1", "at": "2026-01-05T10:00:00Z", "attributes": attributes, "items": items}
    put(landing, "orders.jsonl", json.dumps(order), json.dumps(order | {"order_no": "2", "items": []}))
    (feed,) = draft(landing).values()
    assert (feed["unnest"], feed["key_values"]) == ("items", ["attributes"])
    assert feed["columns"]["currency"] == "$.attributes.currency"
    assert feed["columns"]["product_id"] == "$.items.sku"


def test_draft_names_doubts(landing: Path) -> None:
    """A day that may be a month, times without an offset, files that are no feed."""
    put(landing, "sales.csv", "order,user,sku,day", "1,u1,a,01/02/2026", "2,u2,b,03/04/2026")
    put(landing, "readme.txt", "Please read.")
    text = write(landing)
    assert "? purchased_at: Every day is at most 12, so %m/%d/%Y fits as well. Ask the shop." in text
    assert "? purchased_at: The times have no offset." in text
    assert "#   readme.txt: the file has no records" in text


def test_draft_proposes_live_feed(landing: Path) -> None:
    """Only a feed of several files is proposed as live, in a comment."""
    for day in ("01", "02"):
        put(
            landing,
            f"sales-2026-01-{day}.csv",
            "order,user,sku,sold_at",
            f"1,u1,a,2026-01-{day}",
            f"2,u2,b,2026-01-{day}",
        )
    text = write(landing)
    assert "\n    # expected_every: 1d  # " in text
    assert "expected_every" not in draft(landing)["purchases"]
    (landing / "sales-2026-01-02.csv").unlink()
    assert "expected_every" not in write(landing)


def test_draft_without_required_column_is_comment(landing: Path) -> None:
    put(landing, "lines.csv", "order_id,sku,qty", "1,a,1", "2,b,1")
    text = write(landing)
    assert "? No name looks like purchased_at, which a feed of purchases needs. Map it." in text
    (landing.parent / "sources.yml").write_text(text, encoding="utf-8")
    with pytest.raises(RecomartError, match="feeds: it must be a mapping of names to values"):
        read_sources(landing.parent / "sources.yml")
    lines = (
        text.replace("  # ", "  ").replace("product_id: sku", "product_id: sku\n      purchased_at: day").split("\n")
    )
    text = "\n".join(line for line in lines if not line.startswith("  ?"))
    (landing.parent / "sources.yml").write_text(text, encoding="utf-8")
    assert read_sources(landing.parent / "sources.yml").feeds["purchases"].columns["purchased_at"] == "day"


def test_draft_of_unknown_table_is_template(landing: Path) -> None:
    """A table of something else needs no template beside feeds, and notes need none at all."""
    put(landing, "myynti.csv", "tilaus;tuote;hinta", "1;a;2,00", "2;b;3,00")
    put(landing, "notes.csv", "hello", "world", "again")
    text = write(landing)
    assert "# purchases:\n  #   files: myynti.csv\n  #   format: csv\n  #   columns:\n  #     product_id: ''" in text
    assert "Not mapped: tilaus, tuote, hinta" in text
    put(landing, "orders.csv", "order,user,sku,sold_at", "1,u1,a,2026-01-05", "2,u2,b,2026-01-05")
    put(landing, "customers.csv", "customer_id,email,since", "u1,a@b.example,x", "u2,b@b.example,y")
    assert list(draft_sources(landing).feeds) == ["purchases", "myynti"]


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
    text = write(landing)
    assert "? There seems to be no header" in text
    assert "#   names: [column_1, column_2, column_3, column_4]" in text
    assert "#     purchased_at: column_4" in text


def test_draft_app_events(landing: Path) -> None:
    """Rows of screens without a product are ignored; a screen that always has a product shows it."""
    names = ["item_screen", "screen_view", "bag_add", "favourite", "checkout_done", "screen_view"]
    events = [
        {"action": name, "member": f"m{number}", "ts": f"2026-01-05T10:{number:02}:00+01"}
        | ({"screen": "home"} if name == "screen_view" else {"item": f"i{number}"})
        for number, name in enumerate(names * 4)
    ]
    put(landing, "app/2026-01-05.jsonl", *map(json.dumps, events))
    (feed,) = draft(landing).values()
    assert feed["columns"] == {"user_id": "member", "product_id": "item", "event_type": "action", "event_at": "ts"}
    assert feed["event_types"] == {
        "view": ["item_screen"],
        "add_to_cart": ["bag_add"],
        "purchase": ["checkout_done"],
        "ignored": ["screen_view", "favourite"],
    }
    assert "time_zone" not in feed
    assert "? Rows of favourite have a product. Is one of them a view or a click?" in write(landing)


def test_draft_events_of_unknown_types(landing: Path) -> None:
    """A column called type has the event types of events, although none is known."""
    rows = [{"type": ["glance", "keep"][i % 2], "user": f"u{i}", "at": 1767225600 + i, "item": "i1"} for i in range(9)]
    put(landing, "log.jsonl", *map(json.dumps, rows))
    (feed,) = draft(landing).values()
    assert (feed["columns"]["event_type"], feed["event_types"]) == ("type", {"ignored": ["glance", "keep"]})
    assert "Rows of glance, keep have a product." in list_doubts(landing)


@pytest.mark.parametrize(
    ("header", "rows", "columns", "doubt"),
    [
        ("qty,unit_price,total", ["1,5.00,5.00", "2,5.00,10.00"], {"price": "unit_price"}, None),
        ("qty,line_total", ["1,5.00", "2,10.00"], {"line_total": "line_total"}, None),
        ("qty,total", ["1,5.00", "2,10.00"], {"line_total": "total"}, "line_total: If this is the price of one piece"),
        (
            "qty,unit_amount",
            ["1,1999", "2,1999"],
            {"price": "unit_amount"},
            "price: unit_amount has whole numbers such as 1999. If they are no cents, remove price_divisor.",
        ),
        ("qty,sale_price_cents", ["1,1250", "2,n/a"], {"price": "sale_price_cents"}, "remove price_divisor."),
        ("qty,amount_minor", ["1,1250", "2,800"], {"line_total": "amount_minor"}, "remove price_divisor."),
        ("qty,price_cents", ["1,12.50", "2,8.00"], {"price": "price_cents"}, None),
        (
            "qty,price",
            ["1,1250", "2,800"],
            {"price": "price"},
            "such as 1250. They may be in cents: price_divisor: 100.",
        ),
        ("qty,price", ["1,125", "2,80"], {"price": "price"}, None),
        ("kg,price,line_total", ["0.5,,2.50", "1,5.00,5.00"], {"price": "price", "line_total": "line_total"}, None),
        ("kg,price_cents,line_total", ["0.5,,2.50", "1,500,5.00"], {"price": "price_cents"}, "remove price_divisor."),
        ("qty,price,line_total", ["1,5.00,", "2,,10.00"], {"price": "price"}, None),
        ("qty,price", ["1,1.500", "1,2.500"], {"price": "price"}, "Numbers such as 1.500 have either thousands"),
        ("price,cur", ["5.00,EUR", "6.00,CHF"], {"price": "price", "currency": "cur"}, "Prices are in CHF, EUR."),
    ],
)
def test_draft_amounts(landing: Path, header: str, rows: list[str], columns: dict[str, str], doubt: str | None) -> None:
    """Totals become line_total by their names; unclear amounts are doubts."""
    lines = [f"{row}{sku},{sku},2026-01-05 10:00,{values}" for sku in "abc" for row, values in enumerate(rows)]
    put(landing, "sales.csv", f"receipt,sku,date,{header}", *lines)
    (feed,) = draft(landing).values()
    amounts = {name: source for name, source in feed["columns"].items() if name in ("price", "line_total", "currency")}
    assert amounts == columns
    assert ("price_divisor" in feed) == ("remove price_divisor" in (doubt or ""))
    expected_doubt = doubt or "The times have no offset."
    assert expected_doubt in list_doubts(landing)
    assert doubt or len(list_doubts(landing).split("\n")) == 1


def test_draft_of_workbook(landing: Path) -> None:
    """Each sheet is a feed or is named; lines of orders take the values of the order's first line."""
    book = openpyxl.Workbook()
    book.active.append(["Report", "of", "May"])
    orders, articles = book.create_sheet("Orders"), book.create_sheet("Articles")
    orders.append(["Orders of May"])
    orders.append(["Order no.", "Date", "Customer no.", "Article no.", "Qty", "Net price"])
    for number in range(5):
        orders.append([number, datetime(2026, 5, 1, number), f"c{number}", "a", 1, 2.5])
        orders.append([None, None, None, "b", 2, 3.5])
    articles.append(["Article no.", "Description", "Product group", "On stock"])
    articles.append(["a", "Nail", "Iron", 5])
    articles.append(["b", "Screw", "Iron", 0])
    book.save(landing / "export_2026-05.xlsx")
    feeds = draft(landing)
    settings = {name: feeds["purchases"][name] for name in ("sheet", "skip_lines", "fill_down")}
    assert settings == {"sheet": "Orders", "skip_lines": 1, "fill_down": "Order no."}
    assert feeds["products"]["sheet"] == "Articles"
    assert feeds["products"]["columns"] == {
        "product_id": "Article no.",
        "product_name": "Description",
        "category": "Product group",
        "is_available": "On stock",
    }
    assert "export_2026-05.xlsx, sheet 'Sheet': " in write(landing)


def test_draft_doubts_about_rows(landing: Path) -> None:
    """Equal rows, and rows that the loader rejects."""
    rows = [f"{i},c{i},s{i % 3},2026-01-05 {i % 24:02}:00" for i in range(30)]
    put(landing, "sales.csv", "order,customer,sku,order_date", *rows, rows[0], "1,2,3", "1,2,3")
    assert list_doubts(landing).split("\n") == [
        "purchased_at: The times have no offset. Ask the shop for their time_zone, such as Europe/Paris.",
        "Rows of the sample that equal an earlier one: 1. If they are several pieces, declare duplicates: keep.",
        "2 of 33 lines of sales.csv are rejected, the first one for: 3 fields where the header has 4.",
    ]


def test_draft_has_no_control_characters(landing: Path) -> None:
    """Globs with marks of direction still match their files."""
    row = {"time": "2026-01-01T00:00:00Z", "event_type": "view", "\x1b[2J": 1}
    rows = [{**row, "user_id": f"u{number}", "product_id": f"p{number % 7}"} for number in range(20)]
    put(landing, "\u202eclicks/a.jsonl", *map(json.dumps, rows))
    put(landing, "\x1b]0;x\x07\x9b\nfeeds: none.bin", "\x00")
    text = write(landing)
    assert not UNPRINTABLE_PATTERN.search(text.replace("\n", ""))
    (feed,) = draft(landing).values()
    assert [path.name for path in landing.glob(feed["files"])] == ["a.jsonl"]
