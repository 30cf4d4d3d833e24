"""The panel of recommendations: filters, export button, and a table or cards."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from apps.merchandiser.amounts import parse_amount
from apps.merchandiser.exports import show_export_button
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.prices import MISSING_TEXT, format_price, list_price_columns, make_price_columns
from apps.merchandiser.product_filter import ProductFilter, add_display_columns
from apps.merchandiser.products.product_links import select_safe_urls, show_picture
from apps.merchandiser.table_columns import (
    WRAPPED_ROW_HEIGHT,
    choose_wrapped_height,
    fill_product_columns,
    select_filled_columns,
)
from warehouse.errors import RecomartError
from warehouse.spreadsheets import encode_csv

SOURCE_HELP = (
    "Personal: by the model, for this customer. Popular: from the actions of all customers. "
    "Pinned: by a merchandising rule. Bought together: in the same orders. "
    "Bought before, viewed before: by this customer."
)
SCORE_LABEL = "How well it fits"
SCORE_HELP = (
    "How well it fits, beside the best product of this list: 100 is as well as the best one of the same source. Pinned "
    "products have no score."
)
CARD_WIDTH = 250
MAX_CARD_TEXT = 200


def show_recommendations(
    recommendations: pd.DataFrame,
    *,
    title: str,
    max_n: int,
    key: str,
    file_name: str,
    scope: str = "",
    empty_message: str | None = None,
) -> None:
    """Show filters and the best recommendations that match them.

    Args:
        recommendations: Rows of `rec_top_n` or `rec_popular_products`, best first, with the column `currency`.
        title: Heading of the list.
        max_n: Maximum length of the list.
        key: Prefix of the widget keys. The length and the view stay for all lists with the same key.
        file_name: Name of the exported file.
        scope: The customer of the list. Filters stay for the lists with the same key and scope.
        empty_message: Why the list is empty, if it is.
    """
    st.subheader(title, anchor=False)
    if recommendations.empty:
        st.info(empty_message or "There are no recommendations yet.", icon=":material/hourglass_empty:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n = _select_length(max_n, key)
        product_filter = _show_filters(recommendations, f"{key}_{scope}")
        view = st.segmented_control(
            "View", ["Cards", "Table"], default="Table", key=f"{key}_view", required=True, persist_state="session"
        )
    matching_rows = product_filter.apply(add_display_columns(recommendations))
    visible_rows = matching_rows.head(n)
    # At the left, because the table's toolbar covers the right end of this line.
    with st.container(horizontal=True, vertical_alignment="center"):
        _show_export(visible_rows, file_name, key)
        filter_text = f", of {len(matching_rows):,} that match the filters" if product_filter.is_active() else ""
        st.caption(f"{len(visible_rows):,} of {len(recommendations):,} products{filter_text}", width="content")
        if product_filter.is_active():
            st.button(
                "Clear filters", key=f"{key}_clear", type="tertiary", on_click=_clear_filters, args=(f"{key}_{scope}",)
            )
    if visible_rows.empty:
        st.info(
            f"None of the {len(recommendations):,} recommendations matches the filters.",
            icon=":material/filter_alt_off:",
        )
    elif view == "Cards":
        show_cards(visible_rows)
    else:
        show_table(visible_rows, title)


def _show_export(visible_rows: pd.DataFrame, file_name: str, key: str) -> None:
    show_export_button(
        lambda: encode_csv(visible_rows),
        file_name,
        key=f"{key}_export",
        help_text="Export the visible rows as CSV",
        is_disabled=visible_rows.empty,
    )


def _select_length(max_n: int, key: str) -> int:
    if max_n <= 1:
        return 1
    return st.slider("Products", 1, max_n, min(10, max_n), key=f"{key}_n", width=130, persist_state="session")


def _show_filters(recommendations: pd.DataFrame, key: str) -> ProductFilter:
    categories = _select_values("Category", recommendations["category"], f"{key}_category")
    brands = _select_values("Brand", recommendations["brand"], f"{key}_brand")
    min_price = _read_price("Min. price", f"{key}_min_price")
    max_price = _read_price("Max. price", f"{key}_max_price")
    return ProductFilter(tuple(categories), tuple(brands), min_price, max_price)


def _clear_filters(key: str) -> None:
    for name in ("category", "brand"):
        st.session_state[f"{key}_{name}"] = []
    for name in ("min_price", "max_price"):
        st.session_state[f"{key}_{name}"] = ""


def _select_values(label: str, values: pd.Series, key: str) -> Sequence[str]:
    """Show a selection of a column's values; values that an earlier version of the list had stay, to be removed."""
    options = sorted({*values.dropna(), *st.session_state.get(key, [])})
    if not options:
        return []
    return st.multiselect(label, options, placeholder="All", key=key, width=220, persist_state="session")


def _read_price(label: str, key: str) -> float | None:
    """Show an input of a price; return None, below a message, for a text that is no amount."""
    with st.container(width=120):
        text = st.text_input(label, placeholder="any", key=key, persist_state="session")
        try:
            return parse_amount(text)
        except RecomartError as error:
            st.error(f"{label}: {escape_markdown(str(error))}. The list has no such limit now.")
            return None


def show_table(visible_rows: pd.DataFrame, title: str, image_urls: Mapping[str, str] | None = None) -> None:
    """Show products as a table, with a column of pictures if there are addresses of pictures."""
    columns = ["rank"]
    if image_urls is not None:
        pictures = visible_rows["product_id"].map(select_safe_urls(image_urls))
        visible_rows = visible_rows.assign(image_url=pictures.astype(object))
        columns.append("image_url")
    # The reason is beside the name, so that narrow windows show both.
    columns += ["product_name", "reason", "category", "brand", *list_price_columns(visible_rows)]
    table = fill_product_columns(visible_rows)
    st.dataframe(
        table,
        height=choose_wrapped_height(len(table)),
        row_height=WRAPPED_ROW_HEIGHT,
        hide_index=True,
        alt=title,
        placeholder=MISSING_TEXT,
        column_order=select_filled_columns(visible_rows, [*columns, "relative_score", "source"]),
        column_config={
            "rank": st.column_config.NumberColumn("Rank", width=50),
            "image_url": st.column_config.ImageColumn("Picture", width=70),
            "product_name": st.column_config.TextColumn("Product", width=180),
            "reason": st.column_config.TextColumn("Reason", width=300),
            "category": st.column_config.TextColumn("Category", width=100),
            "brand": st.column_config.TextColumn("Brand", width=100),
            **make_price_columns(visible_rows, width=90),
            "relative_score": st.column_config.ProgressColumn(
                SCORE_LABEL, min_value=0, max_value=100, format="%d", width=115, help=SCORE_HELP
            ),
            "source": st.column_config.TextColumn("Source", width=75, help=SOURCE_HELP),
        },
    )


def show_cards(visible_rows: pd.DataFrame, image_urls: Mapping[str, str] | None = None) -> None:
    """Show the products as cards, which wrap their texts and fit narrow windows.

    Args:
        visible_rows: Rows of `add_display_columns`.
        image_urls: Addresses of pictures by product id; None for cards without pictures.
    """
    with st.container(horizontal=True, gap="small"):
        for row in fill_product_columns(visible_rows).to_dict("records"):
            _show_card({str(name): value for name, value in row.items()}, image_urls)


def _show_card(row: dict[str, Any], image_urls: Mapping[str, str] | None) -> None:
    with st.container(border=True, width=CARD_WIDTH, gap="xxsmall"):
        if image_urls is not None:
            show_picture(image_urls.get(row["product_id"]))
        st.markdown(f"**{row['rank']}\\. {escape_markdown(shorten_text(str(row['product_name']), MAX_CARD_TEXT))}**")
        place = " · ".join(str(row[name]) for name in ("category", "brand") if row[name] != MISSING_TEXT)
        st.caption(escape_markdown(shorten_text(place, MAX_CARD_TEXT)))
        st.markdown(escape_markdown(format_price(row["price"], row.get("currency"))))
        score = "" if pd.isna(row["relative_score"]) else f" · {SCORE_LABEL.lower()}: {row['relative_score']} of 100"
        st.caption(escape_markdown(f"{row['source']}{score}"))
        st.caption(escape_markdown(shorten_text(str(row["reason"]), MAX_CARD_TEXT)))
