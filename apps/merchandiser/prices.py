"""Texts and table columns of prices, each in the currency of its product, and of amounts in that of the shop."""

from typing import Any

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

MIN_DECIMALS = 2
MAX_DECIMALS = 4
"""Decimals of the prices in the warehouse."""
MISSING_TEXT = "—"


def format_price(price: Any, currency: Any = None) -> str:
    """Return a price with the decimals that it needs, at least two, and its currency; a dash without a price."""
    if price is None or pd.isna(price):
        return MISSING_TEXT
    text = f"{price:,.{count_decimals(price)}f}"
    return text if currency is None or pd.isna(currency) else f"{text} {currency}"


def format_amount(amount: Any, currency: Any = None) -> str:
    """Return an amount, such as a sum or a mean of prices, with two decimals and its currency."""
    return format_price(amount if amount is None or pd.isna(amount) else round(float(amount), MIN_DECIMALS), currency)


def make_amount_column(label: str, currency: str | None = None) -> ColumnConfig:
    """Return a column of amounts, with the currency in its label."""
    return st.column_config.NumberColumn(label if currency is None else f"{label} ({currency})", format="%,.2f")


def count_decimals(price: float) -> int:
    """Return the number of decimals that show a price exactly."""
    decimals = f"{price:.{MAX_DECIMALS}f}".rstrip("0").partition(".")[2]
    return max(MIN_DECIMALS, len(decimals))


def make_price_columns(table: pd.DataFrame, width: int | None = None) -> dict[str, ColumnConfig]:
    """Return the columns `price` and `currency` of a table.

    The currency is in the label of the price if all rows have the same one. Then the column `currency` is hidden.
    """
    prices = table["price"].dropna().astype(float)
    decimals = max(map(count_decimals, prices), default=MIN_DECIMALS)
    currencies = list(table["currency"].dropna().unique()) if "currency" in table else []
    label = f"Price ({currencies[0]})" if len(currencies) == 1 else "Price"
    return {
        "price": st.column_config.NumberColumn(label, format=f"%.{decimals}f", width=width),
        "currency": st.column_config.TextColumn("Currency", width=width),
    }


def list_price_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns to show: the currency only if the rows have different ones."""
    has_currencies = "currency" in table and table["currency"].nunique() > 1
    return ["price", "currency"] if has_currencies else ["price"]
