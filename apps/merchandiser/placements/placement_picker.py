"""Selection of a placement; the query parameter `placement` of the address holds its name."""

import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.linked_choice import follow_address
from apps.merchandiser.markdown import escape_markdown, shorten_text
from warehouse.formatting import format_count
from warehouse.publishing.placement_queries import HOME, Placement, list_placements
from warehouse.publishing.serving_copy import ServingCopy

PLACEMENT_TITLES = {
    HOME: "Home page",
    "product_page": "Product page",
    "basket": "Basket",
    "buy_again": "Buy again",
    "new_arrivals": "New arrivals",
    "popular_in_category": "Popular in a category",
    "recently_viewed": "Recently viewed",
    "email": "E-mail",
}
"""Titles of the seed's placements, in the order of the selection. Other placements have their name as title."""

LIST_HEADINGS = {"popular_in_category": "Popular"}
"""Titles above a list, where that of the selection does not go with the category after it."""

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


def get_placement_title(name: str) -> str:
    """Return the title of a placement; it is no Markdown."""
    return PLACEMENT_TITLES.get(name, shorten_text(name, MAX_TITLE_LENGTH))


def list_placements_in_order(copy: ServingCopy) -> list[Placement]:
    """Return the placements of a copy in the order of the selection."""
    return sorted(query_once(list_placements, copy), key=lambda placement: _get_position(placement.placement))


def pick_placement(copy: ServingCopy) -> Placement | None:
    """Show the selection; return the selected placement, or None below a message."""
    placements = {placement.placement: placement for placement in list_placements_in_order(copy)}
    linked_name = _follow_placement()
    st.session_state["placement_choice"] = linked_name if linked_name in placements else None
    st.selectbox(
        "Placement",
        list(placements),
        index=None,
        format_func=get_placement_title,
        placeholder="Choose a placement",
        key="placement_choice",
        on_change=_choose,
        width=420,
    )
    if linked_name not in placements:
        st.warning(
            f"The shop has no placement “{escape_markdown(shorten_text(linked_name, 300))}”. Choose another one.",
            icon=":material/search_off:",
        )
        return None
    st.caption(escape_markdown(_describe_placement(copy, placements[linked_name])))
    return placements[linked_name]


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


def _get_position(name: str) -> tuple[int, str]:
    titled_names = list(PLACEMENT_TITLES)
    return (titled_names.index(name) if name in titled_names else len(titled_names), name)


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
