"""A list of offers on a page: filters above, the table, and the way to take it away."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from apps.merchandiser.product_filter import ProductFilter, add_display_columns, encode_csv
from apps.merchandiser.table_columns import TABLE_HEIGHT, make_price_column, select_filled_columns

SHOWN_COLUMNS = ["rank", "product_name", "category", "brand", "price", "relative_score", "source", "reason"]
SOURCE_HELP = "Personal: from what this customer did. Popular: from what everybody did. Pinned: put there by the shop."
SCORE_HELP = "100 is the best of the list with the same source; what is pinned has none."
# The lowest rows in which Streamlit breaks a text into lines.
MIN_WRAPPING_ROW_HEIGHT = 57


def show_recommendations(recommendations: pd.DataFrame, *, title: str, max_n: int, key: str, file_stem: str) -> None:
    """Show the best offers that pass the filters.

    Args:
        offers: Rows of `rec_top_n` or `rec_popular_products`, best first.
        title: Heading of the list.
        longest: The longest list that can be asked for.
        key: Names the filters; they keep their state as long as the name is the same.
        file_stem: Name of the exported file.
    """
    st.subheader(title, anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n, wanted = _show_filters(recommendations, max_n, key)
        shown = wanted.apply(add_display_columns(recommendations)).head(n)
        st.download_button(
            "Export",
            encode_csv(shown),
            f"{file_stem}.csv",
            "text/csv",
            key=f"{key}_export",
            help="What is shown, as CSV",
            icon=":material/download:",
            on_click="ignore",
            disabled=shown.empty,
        )
    if recommendations.empty:
        st.info("There is nothing to offer here yet.", icon=":material/hourglass_empty:")
    elif shown.empty:
        st.info(
            f"None of these {len(recommendations):,} products passes the filters.", icon=":material/filter_alt_off:"
        )
    else:
        _show_table(shown, title)


def _show_filters(recommendations: pd.DataFrame, max_n: int, key: str) -> tuple[int, ProductFilter]:
    n = st.slider("How many", 1, max_n, min(10, max_n), key=f"{key}_n", width=110) if max_n > 1 else 1
    categories = _select_values("Category", recommendations["category"], f"{key}_category")
    brands = _select_values("Brand", recommendations["brand"], f"{key}_brand")
    price_from = st.number_input("Price from", 0.0, value=None, placeholder="any", key=f"{key}_min_price", width=80)
    price_to = st.number_input("Price to", 0.0, value=None, placeholder="any", key=f"{key}_max_price", width=80)
    return n, ProductFilter(tuple(categories), tuple(brands), price_from, price_to)


def _select_values(label: str, values: pd.Series, key: str) -> Sequence[str]:
    """Ask for some of a column's values; what was chosen for another list stays, so that it can be taken back."""
    options = sorted({*values.dropna(), *st.session_state.get(key, [])})
    return st.multiselect(label, options, placeholder="All", key=key) if options else []


def _show_table(shown: pd.DataFrame, title: str) -> None:
    st.dataframe(
        shown,
        height=TABLE_HEIGHT,
        row_height=MIN_WRAPPING_ROW_HEIGHT,
        hide_index=True,
        alt=title,
        column_order=select_filled_columns(shown, SHOWN_COLUMNS),
        column_config={
            "rank": st.column_config.NumberColumn("#", width=30),
            "product_name": st.column_config.TextColumn("Product", width=124),
            "category": st.column_config.TextColumn("Category", width=72),
            "brand": st.column_config.TextColumn("Brand", width=66),
            "price": make_price_column(52),
            "relative_score": st.column_config.ProgressColumn(
                "Score", min_value=0, max_value=100, format="%d", width=66, help=SCORE_HELP
            ),
            "source": st.column_config.TextColumn("Source", width=60, help=SOURCE_HELP),
            "reason": st.column_config.TextColumn("Why", width=160),
        },
    )
