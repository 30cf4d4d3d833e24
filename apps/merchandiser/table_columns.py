"""Columns and sizes that the tables of the app share."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from apps.merchandiser.prices import MISSING_TEXT

TABLE_HEIGHT = 610
"""Pixels; tables next to each other have the same height."""

MAX_VISIBLE_ROWS = 18
"""Rows that fit into a table of `TABLE_HEIGHT`."""

WRAPPED_ROW_HEIGHT = 57
"""Pixels; Streamlit wraps texts only in rows of at least this height."""

HEADER_HEIGHT = 40
MAX_WRAPPED_HEIGHT = 700


def choose_table_height(table: pd.DataFrame) -> int | Literal["content"]:
    """Return a height for all rows, or the maximum height with a scroll bar."""
    return "content" if len(table) <= MAX_VISIBLE_ROWS else TABLE_HEIGHT


def choose_wrapped_height(row_count: int, row_height: int = WRAPPED_ROW_HEIGHT) -> int:
    """Return a height in pixels for all rows of wrapped texts, or the maximum height with a scroll bar."""
    return min(MAX_WRAPPED_HEIGHT, row_height * row_count + HEADER_HEIGHT)


def format_share(share: float | None) -> str:
    """Return a share as a percentage; a dash for a missing one."""
    return MISSING_TEXT if share is None or pd.isna(share) else f"{share:.1%}"


def select_filled_columns(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return the columns with at least one value; some shops have no categories, brands or devices."""
    return [column for column in columns if table[column].notna().any()]


def make_time_column(label: str, width: int | None = None) -> ColumnConfig:
    """Return a column of UTC timestamps."""
    return st.column_config.DatetimeColumn(f"{label} (UTC)", format="D MMM YYYY, HH:mm", width=width)


def make_count_column(label: str, help_text: str | None = None) -> ColumnConfig:
    """Return a column of counts."""
    return st.column_config.NumberColumn(label, format="localized", help=help_text)


def make_metric_column(label: str, help_text: str | None = None) -> ColumnConfig:
    """Return a column of ranking metrics."""
    return st.column_config.NumberColumn(label, format="%.4f", help=help_text)


def fill_product_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return products with their id for a missing name, and a dash for a missing category or brand."""
    names = table["product_name"].where(table["product_name"].notna(), table["product_id"])
    return table.assign(
        product_name=names, category=table["category"].fillna(MISSING_TEXT), brand=table["brand"].fillna(MISSING_TEXT)
    )
