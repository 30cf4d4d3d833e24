"""What the app's tables have in common."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

TABLE_HEIGHT = 610
"""Pixels, so that tables side by side end together."""


MAX_VISIBLE_ROWS = 18
"""Rows that a table of that height shows whole."""


def choose_table_height(table: pd.DataFrame) -> int | Literal["content"]:
    """The height that shows all rows, up to a limit at which it can be seen that there are more."""
    return "content" if len(table) <= MAX_VISIBLE_ROWS else TABLE_HEIGHT


def select_filled_columns(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """The columns that hold anything at all: some shops know no category, no brand or no device."""
    return [column for column in columns if table[column].notna().any()]


def make_instant_column(label: str, width: int | None = None) -> ColumnConfig:
    """A column of instants, which are UTC everywhere in the house."""
    return st.column_config.DatetimeColumn(f"{label} (UTC)", format="D MMM YYYY, HH:mm", width=width)


def make_count_column(label: str, help_text: str | None = None) -> ColumnConfig:
    """A column of counts."""
    return st.column_config.NumberColumn(label, format="localized", help=help_text)


def make_metric_column(label: str, help_text: str | None = None) -> ColumnConfig:
    """A column of ranking metrics."""
    return st.column_config.NumberColumn(label, format="%.4f", help=help_text)


def make_price_column(width: int) -> ColumnConfig:
    """The column of prices."""
    return st.column_config.NumberColumn("Price", format="%.2f", width=width)
