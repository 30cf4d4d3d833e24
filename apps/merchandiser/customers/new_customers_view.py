"""The recommendations for new customers: popular products."""

import streamlit as st

from apps.merchandiser.live_lists import get_live_popular_products
from apps.merchandiser.recommendation_panel import show_recommendations
from warehouse.publishing.serving_copy import ServingCopy

POPULAR_POOL_SIZE = 1000
"""Popular products that the filters select from."""


def show_new_customers(copy: ServingCopy) -> None:
    """Show the list of a customer without actions."""
    popular_products = copy.add_currency(get_live_popular_products(copy, POPULAR_POOL_SIZE))
    show_recommendations(
        popular_products,
        title="Recommendations for new customers",
        max_n=min(100, len(popular_products)),
        key="new_customer",
        file_name="recomart-recommendations-new-customers.csv",
    )
    st.caption(
        "A customer without actions gets popular products; recent actions count more than old ones. The filters apply "
        f"to the {len(popular_products):,} most popular products that the merchandising rules allow."
    )
