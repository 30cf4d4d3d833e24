"""What somebody is offered of whom nothing is known yet."""

import streamlit as st

from apps.merchandiser.live_copy import live_copy
from apps.merchandiser.recommendation_panel import show_offers

POOL = 1000

live = live_copy()
popular = live.popular_products(POOL)
show_offers(
    popular,
    title="What a stranger is offered",
    longest=min(100, len(popular)),
    key="stranger",
    file_stem="recomart-offers-new-customers",
)
st.caption(
    f"Until a customer has done something, they see what is popular now: recent actions count more than old ones. "
    f"The filters look among the {len(popular):,} most popular products that the shop's rules allow."
)
