"""Start page: the state of the shop's data, lists and model today."""

from datetime import UTC, datetime

import streamlit as st

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.today.today_lines import LINES, TodayState
from apps.merchandiser.today.today_view import show_line
from warehouse.settings import Settings

st.subheader("Today", anchor=False)
state = TodayState(get_live_copy(), Settings(), datetime.now(UTC))
for describe in LINES:
    line = describe(state)
    if line is not None:
        show_line(line)
