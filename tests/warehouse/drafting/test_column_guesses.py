"""Guesses about columns, kinds and event types, by invented names and values."""

import pytest

from warehouse.drafting.column_guesses import get_event_type, guess_columns, guess_kind
from warehouse.drafting.record_samples import RecordSample
from warehouse.drafting.value_tests import guess_time_format
from warehouse.sources.columns import FeedKind

VALUES = {
    "user_id": ["u1", "u2", "u3"],
    "product_id": ["p1", "p2", "p2"],
    "transaction_id": ["o1", "o2", "o3"],
    "purchased_at": ["2026-01-05 10:00", "2026-01-05 11:00", "2026-01-06 10:00"],
    "quantity": ["1", "2", "1"],
    "price": ["9.90", "12.50", "3.00"],
    "line_total": ["9.90", "25.00", "3.00"],
    "currency": ["EUR", "EUR", "USD"],
    "product_name": ["Red mug", "Blue mug", "Blue mug"],
}


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (
            "user_id",
            "cust_no, shopperRef, Kd.-Nr., codigo_cliente, Cod. cliente, $.actor.id, $.buyer.number, "
            "dim_client_sk, loyalty card no",
        ),
        (
            "product_id",
            "article, item_no, Artikelnr, sellerSku, EAN, $.product.ref, codigo_producto, l_partkey, Codice articolo",
        ),
        (
            "transaction_id",
            "order_no, order number, receipt, Belegnummer, $.invoice.id, ticket_no, bon, N. documento, "
            "Nº pedido, N° fattura",
        ),
        (
            "purchased_at",
            "order_ts, Bestelldatum, orderedOn, fecha, transaction_date, $.sale.date, paid_at, Posting "
            "Date, Data ordine",
        ),
        ("quantity", "qty, Anzahl, units, qty_ordered, pcs, $.line.count, Cantidad, Q.tà, Quantità, Uds."),
        (
            "price",
            "unit_price, unitAmount, Einzelpreis, price_eur, precio_unitario, $.price.amount, "
            "Stückpreis, Prezzo unit., Tarifa, item_price_cents",
        ),
        (
            "line_total",
            "line_total, net_amount, total, amount, Gesamtbetrag, salesValue, extendedprice, row_total, "
            "Importo, Totale riga, Line Amount",
        ),
        ("currency", "cur, currency_code, order_currency, Währung, $.price.currency"),
        ("product_name", "article_name, Artikelbezeichnung, item title, descripcion, product_desc, Descrizione"),
    ],
)
def test_column_of_name(column: str, names: str) -> None:
    """A name fills its column, and no other one."""
    for name in names.split(", "):
        sample = RecordSample("csv", [{name: value} for value in VALUES[column]])
        assert guess_columns(sample, "purchases") == {column: name}, name


@pytest.mark.parametrize(
    "name",
    ["shipping_price", "tax_amount", "discount_total", "order_total", "purchase_cost", "price_without_tax", "weight"],
)
def test_amount_of_something_else(name: str) -> None:
    assert guess_columns(RecordSample("csv", [{name: "9.90"}, {name: "3.00"}]), "purchases") == {}


@pytest.mark.parametrize("name", ["sales_channel_id", "parent_product_id", "customer_name", "order_line_no", "notes"])
def test_id_of_something_else(name: str) -> None:
    assert guess_columns(RecordSample("csv", [{name: "a"}, {name: "b"}]), "purchases") == {}


@pytest.mark.parametrize(
    ("kind", "header", "row", "columns"),
    [
        ("products", "Codice,Famiglia,Giacenza", "A1,Viti,3", "product_id,category,is_available"),
        ("products", "Artículo,Familia,Existencias", "A1,Clavos,3", "product_id,category,is_available"),
        (
            "products",
            "id,title,link,image_link,mobile_link,additional_image_link",
            "a,A,https://shop.example/,https://cdn.example/,https://m.example/,https://more.example/",
            "product_id,product_name,product_url,image_url",
        ),
        (
            "products",
            "sku,image,Produkt-URL",
            "a,https://cdn.example/,https://a.example/",
            "product_id,image_url,product_url",
        ),
        ("products", "sku,image,url", "a,/media/a,products/a", "product_id"),
        ("products", "sku,margin", "a,0.3", "product_id,margin"),
        ("products", "sku,margin", "a,30", "product_id"),
        ("purchases", "Artículo,Tipo", "A1,OV", "product_id"),
        ("purchases", "Item No.,Name,Description", "A1,Rossi,Bolt", "product_id,,product_name"),
        ("events", "msg_id,$.who.id,$.ctx.sess,$.dev.form", "e1,u1,s1,tv", "event_id,user_id,session_id,device"),
        ("events", "eid,$.actor.id,$.session.id,form_factor", "e1,u1,s1,tv", "event_id,user_id,session_id,device"),
    ],
)
def test_columns_of_table(kind: FeedKind, header: str, row: str, columns: str) -> None:
    names = header.split(",")
    records = [{name: f"{value}{i}" for name, value in zip(names, row.split(","), strict=True)} for i in range(2)]
    sample = RecordSample("csv", records)
    expected = {column: name for column, name in zip(columns.split(","), names, strict=False) if column}
    assert guess_columns(sample, kind) == expected


def test_repeated_id_is_no_event_id() -> None:
    sample = RecordSample("csv", [{"eid": f"e{number % 5}"} for number in range(30)])
    assert guess_columns(sample, "events") == {}


def test_column_of_path_with_dots() -> None:
    """A dot within a key is no step of a path, and a column of CSV can look like a path."""
    sample = RecordSample("jsonl", [{"page.1": {"sku.2": f"s{number}"}} for number in range(3)])
    assert guess_columns(sample, "products") == {"product_id": '$."page.1"."sku.2"'}
    sample = RecordSample("csv", [{"$.items[0].sku": f"s{number}"} for number in range(3)])
    assert guess_columns(sample, "products") == {"product_id": "$.items[0].sku"}


@pytest.mark.parametrize(
    ("value", "event_type"),
    [
        ("viewItem", "view"),
        ("Product Viewed", "view"),
        ("item_open", "view"),
        ("tap", "click"),
        ("addToBag", "add_to_cart"),
        ("In den Warenkorb", None),
        ("remove-from-basket", "remove_from_cart"),
        ("checkout_completed", "purchase"),
        ("Bestellung", "purchase"),
        ("begin_checkout", None),
        ("page_view", None),
        ("view_item_list", None),
        ("add_to_wishlist", None),
    ],
)
def test_event_type_of_name(value: str, event_type: str | None) -> None:
    assert get_event_type(value) == event_type


def test_screen_with_product_is_view() -> None:
    assert get_event_type("screen_view", has_product=True) == "view"


@pytest.mark.parametrize(
    ("glob", "header", "row", "kind"),
    [
        ("a.jsonl", "action,member,item,when", "tap,m1,i1,2026-01-01T10:00:00Z", "events"),
        ("a.csv", "type,receipt,sku,qty,price,date", "sale,r1,a,1,2.00,2026-01-01 10:00", "purchases"),
        ("clicks.csv", "mail,sku,time", "a@b.example,s1,2026-01-01 10:00", "events"),
        ("a.csv", "user,movie,item,rating,ts", "u1,m1,i1,5,2026-01-01 10:00", "events"),
        ("orders.csv", "user,item,ts", "u1,i1,2026-01-01 10:00", "purchases"),
        ("a.csv", "order_id,article,qty", "1,x,2", "purchases"),
        ("a.csv", "id,customer_id,created_at,order_total", "1,c1,2026-01-01 10:00,5.00", None),
        ("orders.csv", "id,customer_id,created_at,order_total", "1,c1,2026-01-01 10:00,5.00", "purchases"),
        ("a.csv", "id,sku,title,price", "1,a,Mug,5.00", "products"),
        ("stores.csv", "id,name", "1,Berlin", None),
        ("customers.csv", "customer_id,email,name,created_at", "1,a@b.example,Bo,2026-01-01", None),
        ("customers.csv", "customer_id,name,type,created_at", "1,Bo,private,2026-01-01", None),
    ],
)
def test_kind_of_rows(glob: str, header: str, row: str, kind: FeedKind | None) -> None:
    record = dict(zip(header.split(","), row.split(","), strict=True))
    assert guess_kind(RecordSample("csv", [record, dict(record)]), glob) == kind


@pytest.mark.parametrize(
    ("text", "name", "has_zone"),
    [
        ("2026-01-05T10:00:00+01", "iso", True),
        ("2026-01-05T10:00:00.123-0500", "iso", True),
        ("2026-01-05 10:00", "iso", False),
        ("2026-01-05", "iso", False),
        ("05.01.26, 10:30", "%d.%m.%y, %H:%M", False),
        ("1/25/2026 3:05 PM", "%m/%d/%Y %I:%M %p", False),
        ("20260105103000", "%Y%m%d%H%M%S", False),
        ("1767225600", "epoch_s", True),
        ("1767225600123", "epoch_ms", True),
    ],
)
def test_time_format(text: str, name: str, has_zone: bool) -> None:
    time_format = guess_time_format([text, text])
    assert time_format is not None
    assert (time_format.name, time_format.has_zone) == (name, has_zone)
