"""The search field of the pages."""

from typing import Literal

import streamlit as st

SEARCH_WIDTH = 420


def ask_search(label: str, placeholder: str, key: str, persist_state: Literal["session"] | None = None) -> str:
    """Show a search field; return its text without blanks around it. The page follows each pause in typing.

    With `persist_state`, the text stays when the field is not shown for a while.
    """
    return st.text_input(
        label,
        placeholder=placeholder,
        icon=":material/search:",
        type="search",
        # The default of 250 ms is half of the time that a search may take.
        live="150ms",
        key=key,
        width=SEARCH_WIDTH,
        persist_state=persist_state,
    ).strip()
