"""A choice that the address holds, and that a search on the page can make."""

from collections.abc import Sequence

import streamlit as st


def follow_address(name: str, page: str) -> str | None:
    """Return the value of a query parameter; after a visit to another page, the value from before it.

    Args:
        name: Name of the parameter, and of the entry of the session that has the value from before.
        page: Name of the page with the choice.
    """
    value = st.query_params.get(name)
    if value is None and st.session_state.get("page") != page and (remembered := st.session_state.get(name)):
        value = st.query_params[name] = remembered
    return value


def remember_choice(name: str, value: str | None, search_key: str) -> None:
    """Keep the value of the address in the session; clear the search if it was for another value."""
    if value != st.session_state.get(name):
        # Back, Forward or a link: an earlier search does not belong to this value.
        st.session_state[search_key] = ""
        st.session_state[name] = value


def find_match(search: str, ids: Sequence[str]) -> str | None:
    """Return the id that a search means: the same id, else the only one in other letters, else the only found one."""
    if search in ids:
        return search
    same_ids = [found_id for found_id in ids if found_id.lower() == search.lower()]
    if len(same_ids) == 1:
        return same_ids[0]
    return ids[0] if len(ids) == 1 else None
