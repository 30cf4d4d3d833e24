"""The model of the live copy, loaded once for all sessions when a page first needs it."""

import streamlit as st

from apps.recommendations.recommendation_queries import RecommendationQueries
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings


def get_queries(copy: ServingCopy) -> RecommendationQueries:
    """Return the queries over a copy and its model.

    Raises:
        RecomartError: No model serves, or its files are damaged.
    """
    queries: RecommendationQueries = _open_queries(Settings(), copy.published)
    return queries


# One entry: a model of a large shop takes some hundred MB.
@st.cache_resource(
    max_entries=1,
    show_spinner=False,
    hash_funcs={
        Settings: lambda settings: str(settings.serving_dir),
        PublishedCopy: lambda published: published.file,
    },
)
def _open_queries(settings: Settings, published: PublishedCopy) -> RecommendationQueries:
    return RecommendationQueries(settings, published)
