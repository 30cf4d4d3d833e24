"""Page of the customers: one customer, audiences, and the recommendations for new customers."""

import streamlit as st

from apps.merchandiser.audience_view import show_audiences
from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.customer_picker import pick_customer
from apps.merchandiser.customer_view import show_customer
from apps.merchandiser.new_customers_view import show_new_customers

copy = get_live_copy()
one_customer, audiences, new_customers = st.tabs(
    ["One customer", "Audiences", "New customers"], key="section", bind="query-params"
)
if one_customer.open:
    with one_customer:
        user_id = pick_customer(copy, "customers")
        if user_id is not None:
            show_customer(copy, user_id)
if audiences.open:
    with audiences:
        show_audiences(copy)
if new_customers.open:
    with new_customers:
        show_new_customers(copy)
