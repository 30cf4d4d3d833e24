"""Page of the products: one product, and what the lists show most and never."""

import streamlit as st

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.exposure_view import show_exposure
from apps.merchandiser.product_picker import check_product_search, pick_product
from apps.merchandiser.product_view import show_product

copy = get_live_copy()
check_product_search(copy)
one_product, shown = st.tabs(["One product", "Shown most and never"], key="products_section", bind="query-params")
if one_product.open:
    with one_product:
        product = pick_product(copy, "products")
        if product is not None:
            show_product(copy, product)
if shown.open:
    with shown:
        show_exposure(copy)
