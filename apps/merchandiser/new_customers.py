"""Page with the recommendations for new customers: popular products."""

import streamlit as st

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.recommendation_panel import show_recommendations

POPULAR_POOL_SIZE = 1000
"""Popular products that the filters select from."""

live_copy = get_live_copy()
popular_products = live_copy.get_popular_products(POPULAR_POOL_SIZE)
show_recommendations(
    popular_products,
    title="Recommendations for new customers",
    max_n=min(100, len(popular_products)),
    key="new_customer",
    file_stem="recomart-recommendations-new-customers",
)
st.caption(
    "A customer without actions gets popular products; recent actions count more than old ones. "
    f"The filters apply to the {len(popular_products):,} most popular products that the merchandising rules allow."
)
