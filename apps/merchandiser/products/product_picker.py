"""Search and selection of a product; the query parameter `product` of the address holds the selected id."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.linked_choice import find_match, follow_address, remember_choice
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.prices import format_price
from apps.merchandiser.search_box import ask_search
from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.publishing.product_queries import get_product, has_product_exposure, search_products
from warehouse.publishing.serving_copy import ServingCopy

MAX_PRODUCTS = 20
"""Maximum number of products to choose from."""


def check_product_search(copy: ServingCopy) -> None:
    """Check that the copy has the table that `search_products` reads.

    Raises:
        RecomartError: An earlier version of RecoMart published the copy.
    """
    if not has_product_exposure(copy):
        raise RecomartError(
            "An earlier version of RecoMart published this copy, without the tables of this page. `recomart run` "
            "builds and publishes them"
        )


def pick_product(copy: ServingCopy, page: str) -> dict[str, Any] | None:
    """Show the search; return the selected product, or None after a message or products to choose from.

    `page` is the name of the page with the search.
    """
    linked_id = follow_address("product", page)
    remember_choice("product", linked_id, "product_search")
    search = ask_search("Find a product", "Words of the name, or a product id", "product_search")
    if search:
        products = search_products(copy, search, MAX_PRODUCTS + 1)
        found_id = find_match(search, list(products["product_id"]))
        if found_id is None:
            show_found_products(products, search, choose_product)
            return None
        if found_id != linked_id:
            # As an entry of the browser's history, so that Back returns to the product before.
            st.query_params["product"] = found_id
            st.session_state["product"] = linked_id = found_id
    if linked_id is None:
        products = query_once(search_products, copy, "", MAX_PRODUCTS)
        show_product_buttons(products, "Products shown most", "There are no products yet.", choose_product)
        return None
    product = get_product(copy, linked_id)
    if product is None:
        st.warning(
            f"The published copy has no product “{escape_markdown(shorten_text(linked_id, 300))}”. Search for another "
            "product.",
            icon=":material/search_off:",
        )
    return product


def choose_product(product_id: str) -> None:
    """Select a product and clear the search, as the action of a button."""
    st.query_params["product"] = product_id
    st.session_state["product_search"] = ""
    st.session_state["product"] = product_id


def show_found_products(products: pd.DataFrame, search: str, choose: Callable[[str], None]) -> None:
    """Show up to `MAX_PRODUCTS` found products to choose from, or that there are none."""
    has_more = len(products) > MAX_PRODUCTS
    count = f"More than {MAX_PRODUCTS} products" if has_more else format_count(len(products), "product")
    shown_search = escape_markdown(shorten_text(search, 100))
    show_product_buttons(
        products.head(MAX_PRODUCTS),
        f"{count} with “{shown_search}”" + (", the ones shown most first" if len(products) > 1 else ""),
        f"No product has “{shown_search}” in its name or id.",
        choose,
    )


def show_product_buttons(
    products: pd.DataFrame, heading: str, empty_message: str, choose: Callable[[str], None]
) -> None:
    """Show a button for each product, which calls `choose` with the id; a message without products."""
    if products.empty:
        st.info(empty_message, icon=":material/search_off:")
        return
    st.caption(heading)
    for row in products.to_dict("records"):
        name = escape_markdown(shorten_text(str(row["product_name"]), 80))
        details = [str(row["product_id"]), row["category"], row["brand"]]
        shown = escape_markdown(shorten_text(" · ".join(str(value) for value in details if not pd.isna(value)), 120))
        label = f"**{name}** · {shown} · {format_price(row['price'], row['currency'])}"
        st.button(
            label,
            key=f"choose_product_{row['product_id']}",
            type="tertiary",
            on_click=choose,
            args=(row["product_id"],),
        )
