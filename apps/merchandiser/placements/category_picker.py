"""Selection of a category with a list; the query parameter `category` of the address holds it."""

import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.markdown import escape_markdown, shorten_text
from warehouse.publishing.placement_queries import Placement, list_categories
from warehouse.publishing.serving_copy import ServingCopy

ALL_CATEGORIES = "All categories"


def pick_category(copy: ServingCopy, placement: Placement) -> tuple[bool, str | None]:
    """Show the categories with a list of the placement; return whether there is a list to show, and its category.

    The category is None for the list of all categories.
    """
    categories = query_once(list_categories, copy, placement.placement)
    if not categories:
        st.info("The placement has no lists yet.", icon=":material/hourglass_empty:")
        return False, None
    linked_category = st.query_params.get("category")
    is_known = linked_category in categories
    # The position, because a category can have the name of the choice for all.
    st.session_state["category_choice"] = categories.index(linked_category) if is_known else None
    st.selectbox(
        "Category",
        range(len(categories)),
        index=None,
        format_func=lambda position: shorten_text(categories[position] or ALL_CATEGORIES, 80),
        placeholder="Choose a category",
        key="category_choice",
        on_change=_choose,
        args=(categories,),
        width=420,
    )
    if linked_category is not None and not is_known:
        st.warning(
            f"The placement has no list of the category “{escape_markdown(shorten_text(linked_category, 300))}”. "
            "Choose another one.",
            icon=":material/search_off:",
        )
    return is_known, linked_category


def _choose(categories: list[str | None]) -> None:
    position = st.session_state["category_choice"]
    category = None if position is None else categories[position]
    # As an entry of the browser's history, so that Back returns to the category before.
    if category is not None:
        st.query_params["category"] = category
    elif "category" in st.query_params:
        del st.query_params["category"]
