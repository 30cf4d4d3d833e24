"""What the lists show most and never, by product, category and brand, beside the sales."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.exports import show_export_button
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.paging import PAGE_SIZE, describe_page, pick_page
from apps.merchandiser.prices import MISSING_TEXT, make_price_columns
from apps.merchandiser.products.exposure_texts import OVER_SHOWN, WITHOUT_SALES_TEXT, describe_exposure
from apps.merchandiser.products.product_links import add_product_links, make_product_link_column
from apps.merchandiser.table_columns import (
    TABLE_HEIGHT,
    WRAPPED_ROW_HEIGHT,
    choose_table_height,
    choose_wrapped_height,
    make_count_column,
)
from warehouse.publishing.product_queries import (
    OVER_SHOWN_RATIO,
    ExposureKind,
    count_products_by_exposure,
    get_facet_exposure,
    list_products_by_exposure,
    summarize_exposure,
)
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.spreadsheets import encode_csv

SECTION = "Shown most and never"
"""Label of the tab with these lists."""


class ProductList(NamedTuple):
    """A list of products."""

    kind: ExposureKind
    order: str
    columns: Sequence[str]
    empty_message: str


KINDS = {
    "Shown most": ProductList(
        "shown_most",
        "most customers first",
        [
            *("top_10_customer_count", "top_3_customer_count", "top_10_share", "amount_share_28d"),
            *("places_per_sales", "quantity_share_28d"),
        ],
        "No such product is in a top 10.",
    ),
    OVER_SHOWN: ProductList(
        "over_shown",
        "most places beyond the sales first",
        ["top_10_share", "amount_share_28d", "places_per_sales", "quantity_share_28d", "top_10_customer_count"],
        "No such product is shown too much.",
    ),
    "Only below the top 10": ProductList(
        "below_top_10",
        "largest sales first",
        ["amount_share_28d", "quantity_share_28d", "list_customer_count", "best_rank"],
        "Every such product in a list is in a top 10.",
    ),
    "Never shown": ProductList(
        "never_shown",
        "largest sales first",
        ["amount_share_28d", "quantity_share_28d", "not_shown_reason"],
        "Every such product is in a list.",
    ),
    "Stale": ProductList(
        "stale",
        "most customers first",
        ["list_customer_count", "amount_share_28d", "stale_reason"],
        "No such product is stale.",
    ),
    "Without a price": ProductList(
        "without_price",
        "most customers first",
        ["price", "list_customer_count", "amount_share_28d"],
        "Every such product that is available has a price above 0.",
    ),
}
"""The lists of products by label."""

FACETS = {"Categories": "category", "Brands": "brand"}
MAX_SUMMARY_LENGTH = 1500
MAX_EXPORTED_PRODUCTS = 100_000
EXPORT_COLUMNS = [
    *("product_id", "product_name", "category", "brand", "price", "currency", "top_3_customer_count"),
    *("top_10_customer_count", "list_customer_count", "best_rank", "top_10_share", "quantity_28d", "amount_28d"),
    *("quantity_share_28d", "amount_share_28d", "places_per_sales", "not_shown_reason", "stale_reason"),
]
SHARE_FORMAT = "%.2f%%"
SHARE_COLUMNS = {
    "top_10_share": ("Share of places", "Of the places 1 to 10 of all lists."),
    "amount_share_28d": ("Share of sales", "Of the amount of the last 28 days."),
    "quantity_share_28d": ("Share of pieces", "Of the pieces of the last 28 days."),
}


PLACES_PER_SALES_HELP = (
    "Share of places divided by share of sales. 1: shown as much as it sells. "
    f"{OVER_SHOWN_RATIO} or more: shown too much. Missing without sales."
)


def make_list_params(label: str) -> dict[str, str]:
    """Return the query parameters of the page Products that open a list."""
    return {"products_section": SECTION, "exposure": label}


def show_exposure(copy: ServingCopy) -> None:
    """Show the answer in short, and the lists of products, categories and brands."""
    summary = query_once(summarize_exposure, copy)
    text = shorten_text(describe_exposure(summary), MAX_SUMMARY_LENGTH)
    st.info(escape_markdown(text), icon=":material/balance:")
    view = st.segmented_control(
        "List",
        [*KINDS, *FACETS],
        default="Shown most",
        key="exposure",
        required=True,
        bind="query-params",
        persist_state="session",
    )
    if view in FACETS:
        _show_facets(copy, view)
    elif view == OVER_SHOWN and summary.over_shown_product_count is None:
        st.info(WITHOUT_SALES_TEXT, icon=":material/balance:")
    else:
        _show_products(copy, view)


def _show_facets(copy: ServingCopy, view: str) -> None:
    facets = query_once(get_facet_exposure, copy, FACETS[view])
    _show_export(lambda: facets, f"recomart-{view.lower()}-shown.csv", f"{view}: {len(facets):,}")
    product_count = facets["recommendable_product_count"]
    table = _convert_shares(
        facets.assign(
            top_10_coverage=100 * facets["top_10_coverage"],
            list_coverage=100
            * (product_count - facets["never_shown_product_count"])
            / product_count.where(product_count > 0),
        )
    )
    st.dataframe(
        table,
        hide_index=True,
        height=choose_table_height(table),
        alt=view,
        placeholder=MISSING_TEXT,
        column_order=[
            *("facet_value", "recommendable_product_count", "top_10_coverage", "list_coverage"),
            *("never_shown_product_count", "top_10_share", "amount_share_28d", "places_per_sales"),
            "quantity_share_28d",
        ],
        column_config={
            "facet_value": st.column_config.TextColumn(view, width=220),
            "recommendable_product_count": make_count_column("Products", "Products that can be in a list."),
            "top_10_coverage": st.column_config.NumberColumn(
                "In a top 10", format="%.0f%%", help="Share of the products that are in the top 10 of any customer."
            ),
            "list_coverage": st.column_config.NumberColumn(
                "In any list", format="%.0f%%", help="Share of the products that are in the list of any customer."
            ),
            "never_shown_product_count": make_count_column("Never shown", "Products in no list."),
            **_make_share_columns(),
        },
    )


def _show_products(copy: ServingCopy, view: str) -> None:
    kind, order, columns, empty_message = KINDS[view]
    with st.container(horizontal=True):
        categories = _select_values(copy, "category", "Category")
        brands = _select_values(copy, "brand", "Brand")
    row_count = query_once(count_products_by_exposure, copy, kind, tuple(categories), tuple(brands))
    if not row_count:
        st.info(empty_message, icon=":material/filter_alt_off:")
        return
    # With other filters, another widget that begins at the first page.
    first_row = pick_page(row_count, f"exposure_page_{kind}_{hash((tuple(categories), tuple(brands)))}")
    rows = list_products_by_exposure(
        copy, kind, categories=categories, brands=brands, limit=PAGE_SIZE, offset=first_row
    )

    def export() -> pd.DataFrame:
        return list_products_by_exposure(copy, kind, categories=categories, brands=brands, limit=MAX_EXPORTED_PRODUCTS)[
            EXPORT_COLUMNS
        ]

    text = f"{describe_page(first_row, len(rows), row_count, 'product')}, {order}"
    _show_export(export, f"recomart-products-{kind.replace('_', '-')}.csv", text)
    st.dataframe(
        _convert_shares(add_product_links(rows, "product_id")),
        hide_index=True,
        height=min(TABLE_HEIGHT, choose_wrapped_height(len(rows))),
        row_height=WRAPPED_ROW_HEIGHT,
        alt=view,
        placeholder=MISSING_TEXT,
        # In a narrow window, the first columns are on the screen.
        column_order=["product_name", *columns, "product_link", "product_id", "category", "brand"],
        column_config={
            "product_name": st.column_config.TextColumn("Product", width=200),
            "product_id": st.column_config.TextColumn("Product id", width=90),
            "category": st.column_config.TextColumn("Category", width=110),
            "brand": st.column_config.TextColumn("Brand", width=110),
            "product_link": make_product_link_column(),
            "not_shown_reason": st.column_config.TextColumn("Why not shown", width=300),
            "stale_reason": st.column_config.TextColumn("Why stale", width=300),
            "best_rank": st.column_config.NumberColumn("Best rank", help="Best rank in the list of a customer."),
            "list_customer_count": make_count_column("In any list", "Customers with it in their list."),
            "top_3_customer_count": make_count_column("In the top 3", "Customers with it at ranks 1 to 3."),
            "top_10_customer_count": make_count_column("In the top 10", "Customers with it at ranks 1 to 10."),
            **make_price_columns(rows),
            **_make_share_columns(),
        },
    )


def _select_values(copy: ServingCopy, facet: str, label: str) -> Sequence[str]:
    values = sorted(query_once(get_facet_exposure, copy, facet)["facet_value"])
    state_key = f"exposure_{facet}"
    # Another version of the copy can lack a selected value.
    options = sorted({*values, *st.session_state.get(state_key, [])})
    return st.multiselect(label, options, placeholder="All", key=state_key, width=260, persist_state="session")


def _show_export(make_table: Callable[[], pd.DataFrame], file_name: str, text: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        show_export_button(
            lambda: encode_csv(make_table()),
            file_name,
            key="exposure_export",
            help_text="Export all rows of this list as CSV",
        )
        st.caption(text, width="content")


def _convert_shares(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{column: 100 * table[column] for column in SHARE_COLUMNS})


def _make_share_columns() -> dict[str, ColumnConfig]:
    columns = {
        column: st.column_config.NumberColumn(label, format=SHARE_FORMAT, help=help_text)
        for column, (label, help_text) in SHARE_COLUMNS.items()
    }
    ratio_column = st.column_config.NumberColumn("Places per sales", format="%.1f", help=PLACES_PER_SALES_HELP)
    return {**columns, "places_per_sales": ratio_column}
