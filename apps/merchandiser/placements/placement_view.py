"""The list of a placement as the shop shows it: for whom or what it is, notes, products and rules."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.customers.customer_picker import pick_customer
from apps.merchandiser.customers.customer_texts import describe_arm
from apps.merchandiser.exports import make_export_name, show_export_button
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.model_cache import get_queries
from apps.merchandiser.placements.basket_picker import pick_basket
from apps.merchandiser.placements.category_picker import pick_category
from apps.merchandiser.placements.placement_picker import get_placement_titles
from apps.merchandiser.product_filter import SOURCE_LABELS, add_display_columns
from apps.merchandiser.products.product_picker import check_product_search, pick_product
from apps.merchandiser.recommendation_panel import show_cards, show_table
from apps.recommendations.arm_models import ModelUnavailableError, NoModelError
from apps.recommendations.recommendation_lists import RecommendationList
from warehouse.formatting import format_count
from warehouse.publishing.placement_queries import (
    CATEGORY_KINDS,
    USER_KINDS,
    Placement,
    find_list_category,
    list_placements,
)
from warehouse.publishing.product_queries import get_image_urls
from warehouse.publishing.published_rules import read_active_rules
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings
from warehouse.spreadsheets import encode_csv

MODEL_KINDS = ("basket", "similar")
"""Kinds of lists that the model ranks on request; all others are published."""

FITTING_KINDS = ("personal", "home", "related", *MODEL_KINDS)
"""Kinds of lists whose scores say how well a product fits."""

MIXED_ORDER_TEXT = (
    "Every second place has a product of the same orders, as long as there are some, so a product can stand before one "
    "that fits better."
)
"""Why the order of a list of `MIXED_KINDS` is not that of the scores."""

MIXED_KINDS = ("basket", "related")
"""Kinds of lists that take products from the model and from the same orders in turn."""

IMPERSONAL_MODEL_LABEL = "By the model"
"""Source of the model's products in a list that is not of a customer."""

EMPTY_MESSAGE = "The shop shows no list here."
MAX_NOTE_LENGTH = 500


@dataclass(frozen=True)
class ListOwner:
    """The customer, product, basket or category of a list."""

    title: str
    """Text after the placement's title; no Markdown."""

    user_id: str | None = None
    product_id: str | None = None
    category: str | None = None
    basket: tuple[str, ...] = ()

    note: str | None = None
    """Sentences about the owner, as Markdown."""


def show_placement(copy: ServingCopy, placement: Placement) -> None:
    """Show for whom or what the list is, and the list when that is known."""
    owner = _pick_owner(copy, placement)
    if owner is not None:
        _show_list(copy, placement, owner)
    _show_rules(copy, placement)


def _pick_owner(copy: ServingCopy, placement: Placement) -> ListOwner | None:
    kind = placement.list_kind
    if kind == "basket":
        basket = pick_basket(copy)
        return ListOwner(f"with {format_count(len(basket), 'product')}", basket=tuple(basket)) if basket else None
    if kind in USER_KINDS:
        return _pick_customer(copy)
    if kind in CATEGORY_KINDS:
        return _pick_category_or_customer(copy, placement)
    check_product_search(copy)
    product = pick_product(copy, "try_it")
    if product is None:
        return None
    return ListOwner(f"of {product['product_name']}", product_id=product["product_id"])


def _pick_customer(copy: ServingCopy) -> ListOwner | None:
    user_id = pick_customer(copy, "try_it")
    if user_id is None:
        return None
    arm = copy.get_customer_arm(user_id)
    return ListOwner(f"for customer {user_id}", user_id=user_id, note=None if arm is None else describe_arm(arm))


def _pick_category_or_customer(copy: ServingCopy, placement: Placement) -> ListOwner | None:
    choices = ["A category", "A customer's favourite category"]
    choice = st.segmented_control(
        "List of", choices, default=choices[0], required=True, key="list_of", bind="query-params"
    )
    if choice == choices[0]:
        has_choice, category = pick_category(copy, placement)
        if not has_choice:
            return None
        return ListOwner("in all categories" if category is None else f"in {category}", category=category)
    owner = _pick_customer(copy)
    if owner is None:
        return None
    category = find_list_category(copy, placement, owner.user_id)
    note = (
        "The placement has no list of the customer's favourite category, or the customer has none."
        if category is None
        else f"The customer's favourite category is {escape_markdown(shorten_text(category, 100))}."
    )
    place = "in all categories" if category is None else f"in {category}"
    title = f"{shorten_text(place, 50)} {owner.title}"
    return ListOwner(title, user_id=owner.user_id, note=" ".join(filter(None, [note, owner.note])))


def _show_list(copy: ServingCopy, placement: Placement, owner: ListOwner) -> None:
    title = get_placement_titles(copy)[placement.placement]
    st.subheader(f"{escape_markdown(title)} {escape_markdown(shorten_text(owner.title, 100))}", anchor=False)
    try:
        result = _query_list(copy, placement, owner)
    except (NoModelError, ModelUnavailableError) as error:
        _show_missing_model(copy, title, str(error))
        return
    if owner.note:
        st.caption(owner.note)
    notes = [
        escape_markdown(shorten_text(f"{note[:1].upper()}{note[1:].rstrip('.')}.", MAX_NOTE_LENGTH))
        for note in result.notes
    ]
    if result.recommendations.empty:
        st.info(" ".join([EMPTY_MESSAGE, *notes]), icon=":material/hourglass_empty:")
        return
    for note in notes:
        st.caption(note)
    if placement.list_kind in MIXED_KINDS and not result.is_fallback and len(result.recommendations) > 1:
        st.caption(MIXED_ORDER_TEXT)
    _show_products(copy, placement, owner, result.recommendations, title)


def _query_list(copy: ServingCopy, placement: Placement, owner: ListOwner) -> RecommendationList:
    # Not cached by version, because a stopped product leaves the lists before the next publication.
    queries = get_queries(copy)
    if owner.basket:
        return queries.recommend_for_basket(list(owner.basket), placement.list_length, placement=placement.placement)
    return queries.recommend_for_placement(
        placement,
        placement.list_length,
        user_id=owner.user_id,
        product_id=owner.product_id,
        category=owner.category,
    )


def _show_missing_model(copy: ServingCopy, title: str, message: str) -> None:
    """Show why the model cannot rank the list, and the placements that show lists without a model."""
    titles = get_placement_titles(copy)
    placements = query_once(list_placements, copy)
    other_titles = [titles[other.placement] for other in placements if other.list_kind not in MODEL_KINDS]
    st.warning(
        f"{escape_markdown(title)} has no list, because a model ranks it and none can be used: "
        f"{escape_markdown(message)}.",
        icon=":material/model_training:",
    )
    if other_titles:
        names = escape_markdown(", ".join(other_titles))
        st.caption(f"Placements that show their published lists without a model: {names}.")


def _show_products(
    copy: ServingCopy, placement: Placement, owner: ListOwner, recommendations: pd.DataFrame, title: str
) -> None:
    rows = add_display_columns(copy.add_currency(recommendations))
    if placement.list_kind not in FITTING_KINDS:
        rows["relative_score"] = pd.array([pd.NA] * len(rows), dtype="Int64")
    if placement.list_kind not in USER_KINDS:
        # The list is the same for all customers.
        rows["source"] = rows["source"].replace(SOURCE_LABELS["model"], IMPERSONAL_MODEL_LABEL)
    owner_id = owner.user_id or owner.product_id or owner.category or "list"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "View", ["Cards", "Table"], default="Cards", key="placement_view", required=True, persist_state="session"
        )
        show_export_button(
            lambda: encode_csv(rows),
            make_export_name(f"recomart-{placement.placement}", owner_id),
            key="placement_export",
            help_text="Export the list as CSV",
        )
    image_urls = get_image_urls(copy, list(rows["product_id"])) if Settings().app_show_images else None
    if view == "Cards":
        show_cards(rows, image_urls)
    else:
        show_table(rows, title, image_urls)


def _show_rules(copy: ServingCopy, placement: Placement) -> None:
    """Show the merchandising rules that the placement's lists follow, in words."""
    rules = query_once(read_active_rules, copy, placement.placement)
    if not rules:
        st.caption("No merchandising rule is live for this placement.")
        return
    with st.expander(f"{format_count(len(rules), 'rule')} of this placement", icon=":material/rule:"):
        for rule in rules:
            action = rule.describe()
            parts = [f"{action[:1].upper()}{action[1:]}", rule.describe_lists(), rule.reason]
            text = " · ".join(shorten_text(part, 200) for part in parts if part)
            st.markdown(f"- {escape_markdown(text)}")
