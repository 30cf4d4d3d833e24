"""Tabs of a page or of a part of it."""

from collections.abc import Callable, Mapping

import streamlit as st


def show_tabs(views: Mapping[str, Callable[[], None]], key: str) -> None:
    """Show tabs and the view of the open one; the query parameter `key` of the address holds its label."""
    for tab, show_view in zip(st.tabs(list(views), key=key, bind="query-params"), views.values(), strict=True):
        if tab.open:
            with tab:
                show_view()
