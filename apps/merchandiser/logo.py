"""The logo, readable on light and on dark pages."""

import streamlit as st

LOGO = """<svg xmlns="http://www.w3.org/2000/svg" width="126" height="32" viewBox="0 0 126 32">
<rect y="2" width="28" height="28" rx="7" fill="#0f766e"/>
<path d="M6 11h3l2.5 9h8.5l2.5-6.5h-12" fill="none" stroke="#fff" stroke-width="2" stroke-linejoin="round"/>
<circle cx="12.5" cy="24" r="1.8" fill="#fff"/><circle cx="19" cy="24" r="1.8" fill="#fff"/>
<text x="35" y="22" font-family="sans-serif" font-size="17" font-weight="700" fill="{text_color}">RecoMart</text>
</svg>"""

TEXT_COLORS = {"light": "#101818", "dark": "#e6edeb"}


def show_logo() -> None:
    """Show the logo with a text color for the theme of the browser."""
    theme = st.context.theme.type or "light"
    st.logo(LOGO.format(text_color=TEXT_COLORS[theme]), size="large")
