"""Products that are bought together with a product, and similar ones by the model."""

from typing import Any

import pandas as pd
import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.model_cache import get_queries
from apps.merchandiser.prices import MISSING_TEXT, list_price_columns, make_price_columns
from apps.merchandiser.products.product_links import add_product_links, make_product_link_column
from apps.merchandiser.table_columns import choose_table_height, make_count_column
from warehouse.errors import RecomartError
from warehouse.publishing.product_queries import get_products_bought_together
from warehouse.publishing.serving_copy import ServingCopy

SIMILAR_COUNT = 20
PAIR_ORDER_TEXT = "The pairs with the most orders beyond those expected by chance come first."
LIFT_FORMAT = "%.1f times as often as by chance"


def show_products_bought_together(copy: ServingCopy, product: dict[str, Any]) -> None:
    """Show the products of the same orders, the strongest pair first."""
    pairs = get_products_bought_together(copy, product["product_id"])
    if pairs.empty:
        st.info("No other product is in at least two orders with this one.", icon=":material/shopping_basket:")
        return
    table = pairs.assign(confidence=100 * pairs["confidence"]).rename(
        columns={"other_product_name": "product_name", "other_category": "category"}
    )
    table = add_product_links(table, "other_product_id")
    st.caption(PAIR_ORDER_TEXT)
    st.dataframe(
        table,
        hide_index=True,
        height=choose_table_height(table),
        alt="Bought together",
        placeholder=MISSING_TEXT,
        column_order=[
            *("rank", "product_name", "extra_order_count", "joint_order_count", "lift", "confidence"),
            *("product_link", "other_product_id", "category"),
        ],
        column_config={
            "rank": st.column_config.NumberColumn("Rank", width=60),
            "product_name": st.column_config.TextColumn("Product", width=200),
            "product_link": make_product_link_column(),
            "other_product_id": st.column_config.TextColumn("Product id", width=120),
            "category": st.column_config.TextColumn("Category", width=140),
            "extra_order_count": st.column_config.NumberColumn(
                "Beyond chance", format="%.1f", help="Orders with both, less those expected by chance."
            ),
            "joint_order_count": make_count_column("Orders with both"),
            "confidence": st.column_config.NumberColumn(
                "Of its orders", format="%.1f%%", help="Share of the orders of this product that contain the other one."
            ),
            "lift": st.column_config.NumberColumn(
                "How often", format=LIFT_FORMAT, help="The lift of the pair.", width=230
            ),
        },
    )


def show_similar_products(copy: ServingCopy, product: dict[str, Any]) -> None:
    """Show the products that the model finds most similar, after the merchandising rules."""
    try:
        similar, notes = query_once(_find_similar, copy, product["product_id"])
    except RecomartError as error:
        st.info(escape_markdown(str(error)), icon=":material/model_training:")
        return
    for note in notes:
        st.caption(escape_markdown(note))
    if similar.empty:
        st.info("The model knows no similar products.", icon=":material/search_off:")
        return
    similar = add_product_links(copy.add_currency(similar), "product_id")
    st.dataframe(
        similar,
        hide_index=True,
        height=choose_table_height(similar),
        alt="Similar products",
        placeholder=MISSING_TEXT,
        column_order=[
            "rank",
            "product_name",
            *list_price_columns(similar),
            "product_link",
            "product_id",
            "category",
            "brand",
        ],
        column_config={
            "rank": st.column_config.NumberColumn("Rank", width=60),
            "product_name": st.column_config.TextColumn("Product", width=200),
            "product_link": make_product_link_column(),
            "product_id": st.column_config.TextColumn("Product id", width=120),
            "category": st.column_config.TextColumn("Category", width=140),
            "brand": st.column_config.TextColumn("Brand", width=140),
            **make_price_columns(similar, width=100),
        },
    )


def _find_similar(copy: ServingCopy, product_id: str) -> tuple[pd.DataFrame, list[str]]:
    result = get_queries(copy).find_similar(product_id, SIMILAR_COUNT)
    return result.recommendations, result.notes
