"""Selection of a placement; the query parameter `placement` of the address holds its name."""

import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.linked_choice import follow_address
from apps.merchandiser.markdown import escape_markdown, shorten_text
from warehouse.formatting import format_count
from warehouse.publishing.placement_queries import HOME, Placement, get_placement, list_placements
from warehouse.publishing.serving_copy import ServingCopy

KIND_TEXTS = {
    "personal": "The customer's list",
    "home": "The first products of the customer's list for the home page",
    "related": "Products that are similar to a product or bought with it",
    "similar": "Products that are similar to a product",
    "basket": "Products that go with the products of a basket",
    "bought": "Products that the customer may buy again",
    "new": "New products of a category",
    "popular": "Popular products of a category",
    "viewed": "Products that the customer viewed",
}
"""What the lists of each kind of placement have."""

MAX_TITLE_LENGTH = 80


def get_placement_titles(copy: ServingCopy) -> dict[str, str]:
    """Return the titles of the placements by name, in the order of the selection; a title is no Markdown."""
    placements = query_once(list_placements, copy)
    return {placement.placement: shorten_text(placement.title, MAX_TITLE_LENGTH) for placement in placements}


def pick_placement(copy: ServingCopy) -> Placement | None:
    """Show the selection; return the selected placement, or None below a message."""
    titles = get_placement_titles(copy)
    linked_name = _follow_placement()
    st.session_state["placement_choice"] = linked_name if linked_name in titles else None
    st.selectbox(
        "Placement",
        list(titles),
        index=None,
        format_func=titles.__getitem__,
        placeholder="Choose a placement",
        key="placement_choice",
        on_change=_choose,
        width=420,
    )
    if linked_name not in titles:
        st.warning(
            f"The shop has no placement “{escape_markdown(shorten_text(linked_name, 300))}”. Choose another one.",
            icon=":material/search_off:",
        )
        return None
    placement = query_once(get_placement, copy, linked_name)
    st.caption(escape_markdown(_describe_placement(copy, placement)))
    return placement


def _follow_placement() -> str:
    """Return the placement of the address; the home page without one."""
    linked_name = follow_address("placement", "try_it")
    st.session_state["placement"] = linked_name
    return HOME if linked_name is None else linked_name


def _choose() -> None:
    name = st.session_state["placement_choice"]
    # As an entry of the browser's history, so that Back returns to the placement before.
    if name is not None:
        st.query_params["placement"] = name


def _describe_placement(copy: ServingCopy, placement: Placement) -> str:
    """Return what the lists of a placement have, in a few sentences."""
    content = KIND_TEXTS.get(placement.list_kind, f"A list of kind {placement.list_kind}")
    sentences = [f"{content}: at most {format_count(placement.list_length, 'product')}."]
    if placement.max_per_category is not None:
        sentences.append(f"At most {placement.max_per_category} of each category.")
    if placement.fallback == "popular":
        has_holdout = any(arm.policy == "none" for arm in query_once(ServingCopy.get_experiment_arms, copy))
        exception = ", except for customers to whom the experiment gives no recommendations" if has_holdout else ""
        sentences.append(f"Popular products take the place of an empty list{exception}.")
    return " ".join(sentences)
