"""The published copy that is live, opened once for everybody who looks at it."""

import streamlit as st

from warehouse.publishing.live_copy import PublishedCopy, open_live_copy
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings


def get_live_copy() -> ServingCopy:
    """The copy the pointer names now; every run of a page asks, so a newer publication shows on the next click.

    Raises:
        RecomartError: Nothing is published, or the pointer or the copy is damaged.
    """
    settings = Settings()
    copy: ServingCopy = open_live_copy(settings, lambda published: _open_cached(settings, published))
    return copy


# Two, so that a page which began on the copy before a publication can finish on it; older ones are closed.
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
    return ServingCopy(settings, published)
