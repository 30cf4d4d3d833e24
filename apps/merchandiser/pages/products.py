"""Page of the products: one product, and what the lists show most and never."""

import streamlit as st

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.exposure_view import show_exposure
from apps.merchandiser.product_picker import pick_product
from apps.merchandiser.product_view import show_product
from warehouse.errors import RecomartError
from warehouse.publishing.product_queries import has_product_exposure

copy = get_live_copy()
if not has_product_exposure(copy):
    raise RecomartError(
        "An earlier version of RecoMart published this copy, without the tables of this page. `recomart run` builds "
        "and publishes them"
    )
one_product, shown = st.tabs(["One product", "Shown most and never"], key="products_section", bind="query-params")
if one_product.open:
    with one_product:
        product = pick_product(copy)
        if product is not None:
            show_product(copy, product)
if shown.open:
    with shown:
        show_exposure(copy)
