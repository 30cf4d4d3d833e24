"""Picking a customer; the link `?customer=ID` says who is shown."""

import pandas as pd
import streamlit as st

from apps.merchandiser.customer_texts import label_customers
from apps.merchandiser.markdown import escape_markdown
from warehouse.formatting import format_count
from warehouse.publishing.serving_copy import ServingCopy

MAX_CUSTOMERS = 100
"""Customers to choose from at once: a list of all would travel to the browser on every click."""


def pick_customer(copy: ServingCopy) -> str | None:
    """Let the user search and choose a customer; None when there is none to show, and then the page says why."""
    search_column, choice_column, note_column = st.columns([3, 5, 5], vertical_alignment="bottom")
    search = search_column.text_input(
        "Find a customer", placeholder="Part of an id", icon=":material/search:", type="search", live=True, key="search"
    ).strip()
    linked = st.query_params.get("customer") or st.session_state.get("customer")
    customers = copy.search_customers(search, MAX_CUSTOMERS)
    unknown = None
    if linked is not None and not search and linked not in set(customers["user_id"]):
        if copy.has_customer(linked):
            customers = pd.concat([pd.DataFrame([copy.get_customer(linked)]), customers])
        else:
            unknown = linked

    lines = label_customers(customers)
    chosen = None if unknown else next((user_id for user_id in (linked, *lines) if user_id in lines), None)
    st.session_state["selected_customer"] = chosen
    choice_column.selectbox(
        "Customer",
        list(lines),
        index=None if chosen is None else 0,
        key="selected_customer",
        format_func=lambda user_id: lines.get(user_id, user_id),
        filter_mode="contains",
        placeholder="Choose a customer",
        on_change=lambda: st.query_params.update(customer=st.session_state["selected_customer"]),
    )
    note_column.caption(_describe_matches(copy, search, len(customers)))
    if unknown:
        st.warning(
            f"No customer “{escape_markdown(unknown)}” is in what was published last. Look for another above, or see on the "
            "page “New customers” what somebody unknown is offered.",
            icon=":material/person_off:",
        )
    elif customers.empty:
        nobody = (
            f"No customer's id contains “{escape_markdown(search)}”."
            if search
            else "This shop knows none of its customers yet."
        )
        st.info(nobody, icon=":material/search_off:")
    elif chosen is not None:
        st.session_state["customer"] = chosen
        if search:
            st.query_params["customer"] = chosen
    return chosen


def _describe_matches(copy: ServingCopy, search: str, match_count: int) -> str:
    if search:
        count = (
            f"{match_count:,} or more customers match"
            if match_count == MAX_CUSTOMERS
            else f"{format_count(match_count, 'customer')} found"
        )
    else:
        count = format_count(copy.published.rows.get("dim_users", 0), "customer")
    order = ", the busiest first" if match_count > 1 else ""
    return f"{count}{order}. Published {copy.published.published_at:%d %b %Y, %H:%M} UTC."
