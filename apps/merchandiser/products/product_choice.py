"""The choice of a product by words of its name or by its id, for a form or a view; the address does not hold it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from apps.merchandiser.linked_choice import find_match
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.prices import format_price
from apps.merchandiser.products.product_picker import MAX_PRODUCTS, check_product_search
from apps.merchandiser.search_box import ask_search
from warehouse.publishing.product_queries import search_products
from warehouse.publishing.serving_copy import ServingCopy

FIELD_WIDTH = 420


def choose_found_product(copy: ServingCopy, label: str, key: str) -> str | None:
    """Show a search and the found products; return the id of the chosen one, None without one.

    Args:
        copy: The open copy.
        label: Label of the search.
        key: Beginning of the widgets' keys.

    Raises:
        RecomartError: An earlier version of RecoMart published the copy.
    """
    check_product_search(copy)
    search = ask_search(label, "Words of the name, or a product id", f"{key}_search", persist_state="session")
    if not search:
        return None
    products = search_products(copy, search, MAX_PRODUCTS)
    if products.empty:
        st.info(
            f"No product has “{escape_markdown(shorten_text(search, 100))}” in its name or id.",
            icon=":material/search_off:",
        )
        return None
    labels = {str(row["product_id"]): _describe(row) for row in products.to_dict("records")}
    more = ", the first ones" if len(labels) == MAX_PRODUCTS else ""
    match = _find_match(products, search)
    return st.selectbox(
        f"Product: {len(labels)} found{more}",
        list(labels),
        index=None if match is None else list(labels).index(match),
        format_func=lambda product_id: labels[product_id],
        placeholder="Choose the product",
        # A choice belongs to its search.
        key=f"{key}_of_{search}",
        width=FIELD_WIDTH,
        persist_state="session",
    )


def _find_match(products: pd.DataFrame, search: str) -> str | None:
    """Return the id of the product that a search means: by its id, else as the only one of this name or found."""
    ids = [str(product_id) for product_id in products["product_id"]]
    match = find_match(search, ids)
    same_names = [
        product_id
        for product_id, name in zip(ids, products["product_name"], strict=True)
        if str(name).lower() == search.lower()
    ]
    return same_names[0] if match is None and len(same_names) == 1 else match


def _describe(row: Mapping[Any, Any]) -> str:
    name = row["product_id"] if pd.isna(row["product_name"]) else row["product_name"]
    return f"{shorten_text(str(name), 80)} ({row['product_id']}), {format_price(row['price'], row['currency'])}"
