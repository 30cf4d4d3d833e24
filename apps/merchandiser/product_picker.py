"""Search and selection of a product; the query parameter `product` of the address holds the selected id."""

from typing import Any

import pandas as pd
import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.prices import format_price
from warehouse.formatting import format_count
from warehouse.publishing.product_queries import get_product, search_products
from warehouse.publishing.serving_copy import ServingCopy

MAX_PRODUCTS = 20
"""Maximum number of products to choose from."""


def pick_product(copy: ServingCopy) -> dict[str, Any] | None:
    """Show the search; return the selected product, or None after a message or products to choose from."""
    linked_id = _follow_address()
    search = st.text_input(
        "Find a product",
        placeholder="Words of the name, or a product id",
        icon=":material/search:",
        type="search",
        # The default is 250 ms.
        live="150ms",
        key="product_search",
        width=420,
    ).strip()
    if search:
        products = search_products(copy, search, MAX_PRODUCTS + 1)
        found_id = _find_match(search, products)
        if found_id is None:
            count = (
                f"More than {MAX_PRODUCTS} products"
                if len(products) > MAX_PRODUCTS
                else format_count(len(products), "product")
            )
            _show_choice(
                products.head(MAX_PRODUCTS),
                f"{count} with “{escape_markdown(shorten_text(search, 100))}”, the ones shown most first",
                f"No product has “{escape_markdown(shorten_text(search, 100))}” in its name or id.",
            )
            return None
        if found_id != linked_id:
            # As an entry of the browser's history, so that Back returns to the product before.
            st.query_params["product"] = found_id
            st.session_state["product"] = linked_id = found_id
    if linked_id is None:
        products = query_once(search_products, copy, "", MAX_PRODUCTS)
        _show_choice(products, "Products shown most", "There are no products yet.")
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


def _follow_address() -> str | None:
    """Return the product of the address; after a visit to another page, the product from before it."""
    state = st.session_state
    linked_id: str | None = st.query_params.get("product")
    if linked_id is None and state.get("page") != "products" and (remembered_id := state.get("product")):
        linked_id = st.query_params["product"] = remembered_id
    if linked_id != state.get("product"):
        # Back, Forward or a link: an earlier search does not belong to this product.
        state["product_search"] = ""
        state["product"] = linked_id
    return linked_id


def _find_match(search: str, products: pd.DataFrame) -> str | None:
    """Return the product with this id, or the only one that the search finds."""
    ids = list(products["product_id"])
    same_ids = [product_id for product_id in ids if product_id.lower() == search.lower()]
    if search in ids:
        return search
    if len(same_ids) == 1:
        return str(same_ids[0])
    return str(ids[0]) if len(ids) == 1 else None


def _show_choice(products: pd.DataFrame, heading: str, empty_message: str) -> None:
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
            on_click=choose_product,
            args=(row["product_id"],),
        )
