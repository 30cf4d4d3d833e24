"""A basket that is put together by product names; the query parameters `basket` of the address hold the ids."""

import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.prices import format_price
from apps.merchandiser.product_picker import (
    MAX_PRODUCTS,
    check_product_search,
    show_found_products,
    show_product_buttons,
)
from apps.merchandiser.search_box import ask_search
from warehouse.publishing.product_queries import search_products
from warehouse.publishing.serving_copy import ServingCopy

MAX_BASKET_PRODUCTS = 50
"""Maximum number of products of a basket, so that its address is not too long for a link."""


def pick_basket(copy: ServingCopy) -> list[str]:
    """Show the basket, and the search for further products; return the ids of the basket's products."""
    check_product_search(copy)
    basket = _follow_address()
    if len(basket) > MAX_BASKET_PRODUCTS:
        st.warning(
            f"A basket has at most {MAX_BASKET_PRODUCTS} products. The page leaves out the last "
            f"{len(basket) - MAX_BASKET_PRODUCTS} of this one.",
            icon=":material/shopping_basket:",
        )
        basket = basket[:MAX_BASKET_PRODUCTS]
    _show_basket(copy, basket)
    _show_search(copy, basket)
    return basket


def _follow_address() -> list[str]:
    """Return the basket of the address; after a visit to another page, the basket from before it."""
    state = st.session_state
    basket = list(dict.fromkeys(st.query_params.get_all("basket")))
    if not basket and state.get("page") != "try_it" and (remembered_basket := state.get("basket")):
        basket = st.query_params["basket"] = remembered_basket
    state["basket"] = basket
    return basket


def _show_basket(copy: ServingCopy, basket: list[str]) -> None:
    """Show a button for each product of the basket, which removes it."""
    if not basket:
        return
    products = copy.get_products(basket).set_index("product_id")
    unknown_ids = [product_id for product_id in basket if product_id not in products.index]
    if unknown_ids:
        shown_ids = ", ".join(f"“{escape_markdown(shorten_text(product_id, 100))}”" for product_id in unknown_ids)
        st.warning(
            f"The published copy has no product {shown_ids}. The list leaves it out. Remove it from the basket.",
            icon=":material/search_off:",
        )
    st.caption("In the basket. A click removes the product.")
    with st.container(horizontal=True, gap="small"):
        for product_id in basket:
            label = escape_markdown(shorten_text(product_id, 80))
            if product_id in products.index:
                row = products.loc[product_id]
                name = escape_markdown(shorten_text(str(row["product_name"]), 80))
                label = f"{name} · {format_price(row['price'], row.get('currency'))}"
            st.button(label, key=f"remove_{product_id}", icon=":material/close:", on_click=_remove, args=(product_id,))
        st.button("Clear the basket", key="clear_basket", type="tertiary", on_click=_set_basket, args=([],))


def _show_search(copy: ServingCopy, basket: list[str]) -> None:
    search = ask_search("Add a product", "Words of the name, or a product id", "basket_search")
    if search:
        show_found_products(search_products(copy, search, MAX_PRODUCTS + 1), search, _add)
    elif not basket:
        products = query_once(search_products, copy, "", MAX_PRODUCTS)
        show_product_buttons(products, "Products shown most", "There are no products yet.", _add)


def _add(product_id: str) -> None:
    st.session_state["basket_search"] = ""
    basket = _get_basket()
    if len(basket) >= MAX_BASKET_PRODUCTS and product_id not in basket:
        st.toast(f"A basket has at most {MAX_BASKET_PRODUCTS} products. Remove one first.")
        return
    _set_basket([*basket, product_id])


def _remove(product_id: str) -> None:
    _set_basket([other_id for other_id in _get_basket() if other_id != product_id])


def _get_basket() -> list[str]:
    return list(st.session_state.get("basket", []))[:MAX_BASKET_PRODUCTS]


def _set_basket(basket: list[str]) -> None:
    """Put the basket into the address, as an entry of the browser's history."""
    st.query_params["basket"] = list(dict.fromkeys(basket))
