"""Page with the recommendations for new customers: popular products."""

import streamlit as st

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.recommendation_panel import show_recommendations

POPULAR_POOL_SIZE = 1000
"""Popular products that the filters select from."""

live = get_live_copy()
popular = live.get_popular_products(POPULAR_POOL_SIZE)
show_recommendations(
    popular,
    title="Recommendations for new customers",
    max_n=min(100, len(popular)),
    key="new_customer",
    file_stem="recomart-recommendations-new-customers",
)
st.caption(
    "A customer without actions gets popular products; recent actions count more than old ones. "
    f"The filters apply to the {len(popular):,} most popular products that the merchandising rules allow."
)
