"""The look of a line of the start page."""

import streamlit as st

from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.page_list import show_page_link
from apps.merchandiser.today.today_lines import TodayLine

LEVEL_ICONS = {
    "good": ":green[:material/check_circle:]",
    "note": ":orange[:material/info:]",
    "bad": ":red[:material/error:]",
}
MAX_LINE_LENGTH = 500


def show_line(line: TodayLine) -> None:
    """Show a line with an icon of its level, in red if it is bad, and a link to its page."""
    text = escape_markdown(shorten_text(line.text, MAX_LINE_LENGTH))
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.markdown(f"{LEVEL_ICONS[line.level]} {f':red[{text}]' if line.level == 'bad' else text}")
        show_page_link(line.page, line.link, line.query_params)
