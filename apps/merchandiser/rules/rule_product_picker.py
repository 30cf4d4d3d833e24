"""The choice of a rule's product by words of its name or by its id."""

from typing import Any

import pandas as pd
import streamlit as st

from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.prices import format_price
from apps.merchandiser.search_box import ask_search
from warehouse.publishing.list_questions import MAX_FOUND_PRODUCTS, find_products
from warehouse.publishing.serving_copy import ServingCopy

FIELD_WIDTH = 420


def choose_rule_product(copy: ServingCopy, key: str) -> str | None:
    """Show a search and the found products; return the id of the chosen one, None without one.

    `key` is the beginning of the widgets' keys.
    """
    search = ask_search("Product", "Words of the name, or a product id", f"{key}_search", persist_state="session")
    if not search:
        return None
    products = find_products(copy, search)
    if products.empty:
        st.info(
            f"No product has “{escape_markdown(shorten_text(search, 100))}” in its name or id.",
            icon=":material/search_off:",
        )
        return None
    labels = {str(row.product_id): _describe(row) for row in products.itertuples()}
    more = ", the first ones" if len(labels) == MAX_FOUND_PRODUCTS else ""
    return st.selectbox(
        f"{len(labels)} found{more}",
        list(labels),
        # A search that finds one product alone, or its id, chooses it.
        index=0 if len(labels) == 1 or search in labels else None,
        format_func=lambda product_id: labels[product_id],
        placeholder="Choose the product",
        # A choice belongs to its search.
        key=f"{key}_of_{search}",
        width=FIELD_WIDTH,
        persist_state="session",
    )


def _describe(row: Any) -> str:
    name = row.product_id if pd.isna(row.product_name) else row.product_name
    return (
        f"{shorten_text(str(name), 80)} ({row.product_id}), {format_price(row.price, getattr(row, 'currency', None))}"
    )
