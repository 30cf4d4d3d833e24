"""What somebody is offered of whom nothing is known yet."""

import streamlit as st

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.recommendation_panel import show_recommendations

POPULAR_POOL_SIZE = 1000

live = get_live_copy()
popular = live.get_popular_products(POPULAR_POOL_SIZE)
show_recommendations(
    popular,
    title="What a stranger is offered",
    max_n=min(100, len(popular)),
    key="new_customer",
    file_stem="recomart-recommendations-new-customers",
)
st.caption(
    f"Until a customer has done something, they see what is popular now: recent actions count more than old ones. "
    f"The filters look among the {len(popular):,} most popular products that the shop's rules allow."
)
