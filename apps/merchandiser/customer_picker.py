"""Search and selection of a customer; the query parameter `customer` of the address holds the selected id."""

import pandas as pd
import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.customer_texts import describe_activity
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.search_box import ask_search
from warehouse.formatting import format_count
from warehouse.publishing.serving_copy import ServingCopy

MAX_CUSTOMERS = 20
"""Maximum number of customers to choose from."""


def pick_customer(copy: ServingCopy, page: str) -> str | None:
    """Show the search; return the selected customer, or None after a message or customers to choose from.

    A search selects a customer only if it is the id, or if only one id contains it. So the data below a search are
    never those of another customer.

    Args:
        copy: The open copy.
        page: Name of the page with the search.
    """
    linked_id = _follow_address(page)
    search = ask_search("Find a customer", "Customer id, or a part of it", "search")
    if not search:
        selected_id = _check_linked_customer(copy, linked_id)
        if linked_id is None:
            _show_choice(_list_active_customers(copy), "Most active customers", "There are no customers yet.")
        return selected_id

    customers = copy.search_customers(search, MAX_CUSTOMERS + 1)
    found_id = _find_match(search, customers)
    if found_id is None:
        has_more = len(customers) > MAX_CUSTOMERS
        count = f"More than {MAX_CUSTOMERS} customers" if has_more else format_count(len(customers), "customer")
        _show_choice(
            customers.head(MAX_CUSTOMERS),
            f"{count} with “{escape_markdown(search)}” in the id" + (", the most active first" if has_more else ""),
            f"No customer id contains “{escape_markdown(search)}”.",
        )
    elif found_id != linked_id:
        # As an entry of the browser's history, so that Back returns to the customer before.
        st.query_params["customer"] = found_id
    if found_id is not None:
        _remember(found_id)
    return found_id


def _follow_address(page: str) -> str | None:
    """Return the customer of the address; after a visit to another page, the customer from before it."""
    state = st.session_state
    linked_id = st.query_params.get("customer")
    if linked_id is None and state.get("page") != page and (remembered_id := state.get("customer")):
        linked_id = st.query_params["customer"] = remembered_id
    if linked_id != state.get("customer"):
        # Back, Forward or a link: an earlier search does not belong to this customer.
        state["search"] = ""
        _remember(linked_id)
    return linked_id


def _remember(user_id: str | None) -> None:
    st.session_state["customer"] = user_id


def _check_linked_customer(copy: ServingCopy, linked_id: str | None) -> str | None:
    if linked_id is None or copy.has_customer(linked_id):
        return linked_id
    st.warning(
        f"The published copy has no customer “{escape_markdown(shorten_text(linked_id, 300))}”. Search for another "
        "customer, or see “New customers” for the recommendations of an unknown customer.",
        icon=":material/person_off:",
    )
    return None


def _list_active_customers(copy: ServingCopy) -> pd.DataFrame:
    return query_once(ServingCopy.search_customers, copy, "", MAX_CUSTOMERS)


def _find_match(search: str, customers: pd.DataFrame) -> str | None:
    """Return the only customer that the search can mean: with this id, or the only one with an id that contains it."""
    ids = list(customers["user_id"])
    same_ids = [user_id for user_id in ids if user_id.lower() == search.lower()]
    if search in ids:
        return search
    if len(same_ids) == 1:
        return str(same_ids[0])
    return str(ids[0]) if len(ids) == 1 else None


def _show_choice(customers: pd.DataFrame, heading: str, empty_message: str) -> None:
    if customers.empty:
        st.info(empty_message, icon=":material/search_off:")
        return
    st.caption(heading)
    for row in customers.itertuples():
        label = f"**{escape_markdown(shorten_text(str(row.user_id), 60))}** · {describe_activity(row)}"
        st.button(label, key=f"choose_{row.user_id}", type="tertiary", on_click=_choose, args=(row.user_id,))


def _choose(user_id: str) -> None:
    st.query_params["customer"] = user_id
    st.session_state["search"] = ""
    _remember(user_id)
