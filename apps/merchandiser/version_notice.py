"""The notice of a new publication on an open page."""

from contextlib import suppress

import streamlit as st

from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import PublishedCopy, read_pointer
from warehouse.settings import Settings

CHECK_SECONDS = 20
"""Seconds between two looks at the pointer, so that each open page shows a new version within a minute."""


def note_shown_version() -> None:
    """Remember the live version for this run, and show a notice if an earlier run of the session showed another one."""
    live = _read_live_copy()
    earlier_file = st.session_state.get("shown_version")
    if live is not None:
        if earlier_file not in (None, live.file):
            st.toast(
                f"New recommendations: this page now shows the version published at {_format_time(live)}.",
                icon=":material/published_with_changes:",
                duration="infinite",
            )
        st.session_state["shown_version"] = live.file


@st.fragment(run_every=CHECK_SECONDS)
def watch_for_new_version(*, is_refreshed: bool) -> None:
    """Compare the live version with the shown one; run the page again, or show a button, when they differ."""
    live = _read_live_copy()
    if live is None or live.file == st.session_state.get("shown_version"):
        return
    if is_refreshed:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(
            f"A new version was published at {_format_time(live)}. This page still shows the one before it.",
            icon=":material/published_with_changes:",
        )
        if st.button("Show the new version", key="show_new_version"):
            st.rerun()


def _read_live_copy() -> PublishedCopy | None:
    # The page itself shows why nothing can be read.
    with suppress(RecomartError):
        return read_pointer(Settings())
    return None


def _format_time(published: PublishedCopy) -> str:
    return f"{published.published_at:%H:%M} UTC on {published.published_at.day} {published.published_at:%b}"
