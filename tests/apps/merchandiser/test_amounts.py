"""Amounts that people type, prices, and names of files."""

import pandas as pd
import pytest

from apps.merchandiser.amounts import parse_amount
from apps.merchandiser.exports import make_export_name
from apps.merchandiser.prices import format_price, list_price_columns, make_price_columns
from warehouse.errors import RecomartError


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("", None),
        (" 12 ", 12),
        ("12,5", 12.5),
        ("12.5", 12.5),
        ("0,125", 0.125),
        ("0.001", 0.001),
        ("1200", 1200),
        ("1234,567", 1234.567),
        ("1,234.50", 1234.5),
        ("1.234,50", 1234.5),
        ("1 234,5", 1234.5),
        ("1'234.5", 1234.5),
        ("1,234,567", 1234567),
        ("1.234.567", 1234567),
    ],
)
def test_parse_amount(text: str, amount: float | None) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize("text", ["1,200", "1.200", "12,345", "999.000"])
def test_parse_amount_refuses_ambiguous(text: str) -> None:
    with pytest.raises(RecomartError, match="can mean"):
        parse_amount(text)


@pytest.mark.parametrize("text", ["-1", "1e5", "nan", "inf", "12,5,3", "1,23.4", "€ 5", "abc", "9" * 400, "٣", "²"])
def test_parse_amount_refuses_others(text: str) -> None:
    with pytest.raises(RecomartError, match=r"not an amount|too large"):
        parse_amount(text)


def test_format_price_keeps_small_amounts() -> None:
    assert format_price(0.001) == "0.001"
    assert format_price(12.5, "EUR") == "12.50 EUR"
    assert format_price(1234567.8912, None) == "1,234,567.8912"
    assert format_price(None, "EUR") == format_price(float("nan")) == "—"


def test_price_columns_follow_the_rows() -> None:
    table = pd.DataFrame({"price": [12.5, 0.001, None], "currency": ["EUR", "EUR", None]})
    price = make_price_columns(table)["price"]
    assert (price["label"], price["type_config"]["format"]) == ("Price (EUR)", "%.3f")
    assert list_price_columns(table) == ["price"]
    mixed = table.assign(currency=["EUR", "SEK", None])
    assert make_price_columns(mixed)["price"]["label"] == "Price"
    assert list_price_columns(mixed) == ["price", "currency"]
    assert make_price_columns(table[["price"]].head(1))["price"]["type_config"]["format"] == "%.2f"


def test_export_name_is_short_and_safe() -> None:
    assert make_export_name("list", "u00586") == "list-u00586.csv"
    names = {
        make_export_name("list", name) for name in ("a/b", "a b", "../a", "é" * 300, "x" * 300, "x" * 301, "\ud800")
    }
    assert len(names) == 7
    assert all(len(name) <= 80 and name.isascii() and "/" not in name and ".." not in name for name in names)
