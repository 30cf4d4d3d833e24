"""One customer: facts, recommendations, history, changes of the list, and absent products."""

from functools import partial

import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.customers.customer_texts import CUSTOMER_METRIC_HELP, describe_arm, describe_customer
from apps.merchandiser.customers.history_view import show_history
from apps.merchandiser.customers.list_questions_view import show_absence, show_changes
from apps.merchandiser.exports import make_export_name
from apps.merchandiser.live_lists import get_live_recommendations
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.recommendation_panel import show_recommendations
from apps.merchandiser.tabs import show_tabs
from warehouse.publishing.customer_queries import get_shop_currency
from warehouse.publishing.serving_copy import ServingCopy

NO_LIST_MESSAGE = "The experiment of this customer gives no recommendations."


def show_customer(copy: ServingCopy, user_id: str) -> None:
    """Show the facts of a customer above the recommendations and the history."""
    st.subheader(f"Customer {escape_markdown(shorten_text(user_id, 80))}", anchor=False)
    with st.container(border=True, horizontal=True, gap="medium"):
        currency = query_once(get_shop_currency, copy)
        for name, value in describe_customer(copy.get_customer(user_id), currency).items():
            st.metric(name, value, width="content", help=CUSTOMER_METRIC_HELP.get(name))
    views = {
        "Recommendations": _show_list,
        "History": show_history,
        "What changed": show_changes,
        "Why not?": show_absence,
    }
    show_tabs({label: partial(show_view, copy, user_id) for label, show_view in views.items()}, key="view")


def _show_list(copy: ServingCopy, user_id: str) -> None:
    max_n = query_once(ServingCopy.get_max_list_length, copy)
    arm = copy.get_customer_arm(user_id)
    show_recommendations(
        copy.add_currency(get_live_recommendations(copy, user_id, max_n)),
        title="Recommendations",
        max_n=max_n,
        key="customer",
        scope=user_id,
        file_name=make_export_name("recomart-recommendations", user_id),
        empty_message=NO_LIST_MESSAGE if arm and arm["policy"] == "none" else None,
    )
    if arm is not None:
        st.caption(describe_arm(arm))
