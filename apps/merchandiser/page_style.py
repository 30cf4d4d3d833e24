"""The style of elements that Streamlit's theme does not cover."""

import streamlit as st

# White texts on the primary color, as Streamlit shows the values of a multiselect, are illegible in the dark theme.
STYLE = """<style>
[data-testid=stMultiSelectTagsContainer] [data-tag] {background: transparent; border: 1px solid; color: inherit}
</style>"""


def show_style() -> None:
    """Show the selected values of filters in the color of texts, with a border."""
    st.html(STYLE)
