"""The live published copy, opened once for all sessions."""

import streamlit as st

from warehouse.publishing.live_copy import PublishedCopy, open_live_copy, verify_copy
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings


def get_live_copy() -> ServingCopy:
    """Return the live copy; each page run reads the pointer, so the next click shows a newer publication.

    Raises:
        RecomartError: Nothing is published, or the pointer or the copy is damaged.
    """
    settings = Settings()
    copy: ServingCopy = open_live_copy(settings, lambda published: _open_cached(settings, published))
    return copy


# Two entries, so that a page run can finish on the previous copy after a publication; older copies are closed.
@st.cache_resource(
    max_entries=2,
    on_release=ServingCopy.close,
    show_spinner=False,
    hash_funcs={
        Settings: lambda settings: str(settings.serving_dir),
        PublishedCopy: lambda published: published.file,
    },
)
def _open_cached(settings: Settings, published: PublishedCopy) -> ServingCopy:
    verify_copy(settings, published)
    return ServingCopy(settings, published)
