"""Search and selection of a customer; the query parameter `customer` holds the selected id."""

import pandas as pd
import streamlit as st

from apps.merchandiser.customer_texts import label_customers
from apps.merchandiser.markdown import escape_markdown
from warehouse.formatting import format_count
from warehouse.publishing.serving_copy import ServingCopy

MAX_CUSTOMERS = 100
"""Maximum length of the selection list: each click sends the list to the browser."""


def pick_customer(copy: ServingCopy) -> str | None:
    """Show the search and the selection; return the selected customer, or None after a message with the reason."""
    search_column, choice_column, note_column = st.columns([3, 5, 5], vertical_alignment="bottom")
    search = search_column.text_input(
        "Find a customer", placeholder="Part of an id", icon=":material/search:", type="search", live=True, key="search"
    ).strip()
    linked_id = st.query_params.get("customer") or st.session_state.get("customer")
    customers = copy.search_customers(search, MAX_CUSTOMERS)
    unknown_id = None
    if linked_id is not None and not search and linked_id not in set(customers["user_id"]):
        if copy.has_customer(linked_id):
            customers = pd.concat([pd.DataFrame([copy.get_customer(linked_id)]), customers])
        else:
            unknown_id = linked_id

    labels = label_customers(customers)
    selected_id = None if unknown_id else next((user_id for user_id in (linked_id, *labels) if user_id in labels), None)
    st.session_state["selected_customer"] = selected_id
    choice_column.selectbox(
        "Customer",
        list(labels),
        index=None if selected_id is None else 0,
        key="selected_customer",
        format_func=lambda user_id: labels.get(user_id, user_id),
        filter_mode="contains",
        placeholder="Choose a customer",
        on_change=lambda: st.query_params.update(customer=st.session_state["selected_customer"]),
    )
    note_column.caption(_describe_matches(copy, search, len(customers)))
    if unknown_id:
        st.warning(
            f"The published copy has no customer “{escape_markdown(unknown_id)}”. Search for another customer, or see "
            "the page “New customers” for the recommendations of an unknown customer.",
            icon=":material/person_off:",
        )
    elif customers.empty:
        message = f"No customer id contains “{escape_markdown(search)}”." if search else "There are no customers yet."
        st.info(message, icon=":material/search_off:")
    elif selected_id is not None:
        st.session_state["customer"] = selected_id
        if search:
            st.query_params["customer"] = selected_id
    return selected_id


def _describe_matches(copy: ServingCopy, search: str, match_count: int) -> str:
    if search:
        count = (
            f"{match_count:,} or more customers match"
            if match_count == MAX_CUSTOMERS
            else f"{format_count(match_count, 'customer')} found"
        )
    else:
        count = format_count(copy.published.rows.get("dim_users", 0), "customer")
    order = ", the most active first" if match_count > 1 else ""
    return f"{count}{order}. Last updated {copy.published.published_at:%d %b %Y, %H:%M} UTC."
