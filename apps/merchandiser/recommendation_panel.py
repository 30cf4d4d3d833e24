"""The panel of recommendations: filters, export button and table."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from apps.merchandiser.product_filter import ProductFilter, add_display_columns
from apps.merchandiser.table_columns import TABLE_HEIGHT, make_price_column, select_filled_columns
from warehouse.spreadsheets import encode_csv

SHOWN_COLUMNS = ["rank", "product_name", "category", "brand", "price", "relative_score", "source", "reason"]
SOURCE_HELP = (
    "Personal: from the actions of this customer. Popular: from the actions of all customers. "
    "Pinned: by a merchandising rule."
)
SCORE_HELP = (
    "Percentage of the best score of the same source in the list, from 0 to 100. Pinned products have no score."
)
MIN_WRAPPING_ROW_HEIGHT = 57
"""Pixels; Streamlit wraps texts only in rows of at least this height."""


def show_recommendations(
    recommendations: pd.DataFrame,
    *,
    title: str,
    max_n: int,
    key: str,
    file_stem: str,
    empty_message: str | None = None,
) -> None:
    """Show filters and the best recommendations that match them.

    Args:
        recommendations: Rows of `rec_top_n` or `rec_popular_products`, best first.
        title: Heading of the list.
        max_n: Maximum length of the list.
        key: Prefix of the widget keys; filters with the same key keep their state.
        file_stem: Name of the exported file.
        empty_message: Why the list is empty, if it is.
    """
    st.subheader(title, anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n, product_filter = _show_filters(recommendations, max_n, key)
        visible_rows = product_filter.apply(add_display_columns(recommendations)).head(n)
        st.download_button(
            "Export",
            encode_csv(visible_rows),
            f"{file_stem}.csv",
            "text/csv",
            key=f"{key}_export",
            help="Export the visible rows as CSV",
            icon=":material/download:",
            on_click="ignore",
            disabled=visible_rows.empty,
        )
    if recommendations.empty:
        st.info(empty_message or "There are no recommendations yet.", icon=":material/hourglass_empty:")
    elif visible_rows.empty:
        st.info(
            f"None of the {len(recommendations):,} recommendations matches the filters.",
            icon=":material/filter_alt_off:",
        )
    else:
        _show_table(visible_rows, title)


def _show_filters(recommendations: pd.DataFrame, max_n: int, key: str) -> tuple[int, ProductFilter]:
    n = st.slider("Products", 1, max_n, min(10, max_n), key=f"{key}_n", width=110) if max_n > 1 else 1
    categories = _select_values("Category", recommendations["category"], f"{key}_category")
    brands = _select_values("Brand", recommendations["brand"], f"{key}_brand")
    min_price = st.number_input("Min. price", 0.0, value=None, placeholder="any", key=f"{key}_min_price", width=80)
    max_price = st.number_input("Max. price", 0.0, value=None, placeholder="any", key=f"{key}_max_price", width=80)
    return n, ProductFilter(tuple(categories), tuple(brands), min_price, max_price)


def _select_values(label: str, values: pd.Series, key: str) -> Sequence[str]:
    """Show a selection of a column's values; values selected for another list stay, so that they can be removed."""
    options = sorted({*values.dropna(), *st.session_state.get(key, [])})
    return st.multiselect(label, options, placeholder="All", key=key) if options else []


def _show_table(visible_rows: pd.DataFrame, title: str) -> None:
    st.dataframe(
        visible_rows,
        height=TABLE_HEIGHT,
        row_height=MIN_WRAPPING_ROW_HEIGHT,
        hide_index=True,
        alt=title,
        column_order=select_filled_columns(visible_rows, SHOWN_COLUMNS),
        column_config={
            "rank": st.column_config.NumberColumn("Rank", width=42),
            "product_name": st.column_config.TextColumn("Product", width=118),
            "category": st.column_config.TextColumn("Category", width=72),
            "brand": st.column_config.TextColumn("Brand", width=66),
            "price": make_price_column(52),
            "relative_score": st.column_config.ProgressColumn(
                "Score", min_value=0, max_value=100, format="%d", width=66, help=SCORE_HELP
            ),
            "source": st.column_config.TextColumn("Source", width=60, help=SOURCE_HELP),
            "reason": st.column_config.TextColumn("Reason", width=154),
        },
    )
