"""Colors of charts that set them themselves, for the light and the dark theme."""

import streamlit as st

MODEL_COLORS = {"light": "#0f766e", "dark": "#2dd4bf"}
"""Color of the model and of other main figures; the strongest one in each theme."""


def get_theme() -> str:
    """Return the theme of the browser: light or dark."""
    return st.context.theme.type or "light"
