"""The live published copy, opened once for all sessions, and results of its queries by published version."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import streamlit as st

from warehouse.audiences import Audience
from warehouse.publishing.live_copy import PublishedCopy, open_live_copy, verify_copy
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule
from warehouse.settings import Settings

T = TypeVar("T")


def get_live_copy() -> ServingCopy:
    """Return the live copy; each page run reads the pointer, so the next click shows a newer publication.

    Raises:
        RecomartError: Nothing is published, or the pointer or the copy is damaged.
    """
    settings = Settings()
    copy: ServingCopy = open_live_copy(settings, lambda published: _open_cached(settings, published))
    return copy


def query_once(query: Callable[..., T], copy: ServingCopy, *arguments: Any) -> T:
    """Return the result of a query of the copy; a version of the copy answers the same query once for all sessions.

    For small results that each click would query again, such as the categories of the catalog.

    Args:
        query: Function of the copy and the arguments, such as `ServingCopy.get_max_list_length`.
        copy: The open copy.
        arguments: Further arguments of the query.
    """
    return cast("T", _query_cached(_NamedQuery(query), copy, arguments))


class _NamedQuery(NamedTuple):
    query: Callable[..., Any]


# Streamlit gives each caller its own copy of the result.
@st.cache_data(
    max_entries=500,
    show_spinner=False,
    hash_funcs={
        _NamedQuery: lambda named: f"{named.query.__module__}.{named.query.__qualname__}",
        ServingCopy: lambda copy: copy.published.file,
        Audience: lambda audience: audience.model_dump_json(),
        Rule: lambda rule: rule.model_dump_json(),
    },
)
def _query_cached(named: _NamedQuery, copy: ServingCopy, arguments: tuple[Any, ...]) -> Any:
    return named.query(copy, *arguments)


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
