"""Page of the placements: any list, as the shop shows it."""

import streamlit as st

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.placements.placement_picker import pick_placement
from apps.merchandiser.placements.placement_view import show_placement

st.subheader("Try it", anchor=False)
copy = get_live_copy()
placement = pick_placement(copy)
if placement is not None:
    show_placement(copy, placement)
