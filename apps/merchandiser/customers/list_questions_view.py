"""Views of one customer: what changed since an earlier list, and why a product is not recommended."""

from collections.abc import Sequence
from datetime import timedelta

import pandas as pd
import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.customers.customer_texts import describe_arm
from apps.merchandiser.live_lists import explain_live_absence, get_blocking_rules, get_live_recommendations
from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.prices import MISSING_TEXT
from apps.merchandiser.products.product_choice import choose_found_product
from apps.merchandiser.table_columns import fill_product_columns, select_filled_columns
from warehouse.errors import RecomartError
from warehouse.publishing.kept_copies import list_earlier_copies
from warehouse.publishing.list_questions import compare_lists, describe_causes, find_exclusion_reasons
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

CHANGE_LABELS = {"new": "New", "gone": "Gone", "up": "Up", "down": "Down", "same": "Same rank"}
NO_LIST_TEXT = "The customer has no list, neither in this version nor in the earlier one."


def show_changes(copy: ServingCopy, user_id: str) -> None:
    """Show which products of the customer's list are new, gone, up or down since an earlier version."""
    earlier_copies = list_earlier_copies(Settings(), copy.published)
    if not earlier_copies:
        st.info(
            "There is no earlier version to compare with. The next publication makes this version an earlier one.",
            icon=":material/history:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        earlier = st.selectbox(
            "Compare with the version of",
            earlier_copies,
            index=_find_week_old(earlier_copies, copy.published),
            format_func=lambda published: f"{published.published_at:%d %b %Y, %H:%M} UTC",
            key="compared_version",
            width=300,
        )
        n = st.slider("Ranks", 1, max(2, query_once(ServingCopy.get_max_list_length, copy)), 10, key="compared_n")
    _show_comparison(copy, earlier, user_id, n)


def _find_week_old(earlier_copies: Sequence[PublishedCopy], live: PublishedCopy) -> int:
    """Return the position of the version that was published closest to a week before the live one."""
    week_ago = live.published_at - timedelta(days=7)
    distances = [abs(earlier.published_at - week_ago) for earlier in earlier_copies]
    return distances.index(min(distances))


def _show_comparison(copy: ServingCopy, earlier: PublishedCopy, user_id: str, n: int) -> None:
    try:
        with ServingCopy(Settings(), earlier) as earlier_copy:
            earlier_list = earlier_copy.get_recommendations(user_id, n)
            causes_text = describe_causes(copy, earlier_copy)
    except RecomartError:
        st.warning(
            "This version can no longer be read: a newer publication deleted it, or it is damaged. Choose another one.",
            icon=":material/history:",
        )
        return
    current_list = get_live_recommendations(copy, user_id, n)
    table = compare_lists(current_list, earlier_list)
    if table.empty:
        arm_text = _describe_holdout(copy, user_id)
        st.info(" ".join(filter(None, [NO_LIST_TEXT, arm_text])), icon=":material/hourglass_empty:")
        return
    if current_list.empty:
        arm_text = _describe_holdout(copy, user_id)
        st.info(" ".join(filter(None, ["The customer has no list now.", arm_text])), icon=":material/hourglass_empty:")
    counts = table["change"].value_counts()
    texts = [f"{counts.get(change, 0)} {label.lower()}" for change, label in CHANGE_LABELS.items()]
    st.markdown(f"The first {n} recommendations beside those of the earlier version: {', '.join(texts)}.")
    st.caption(escape_markdown(causes_text))
    _show_changes(fill_product_columns(table).assign(change=_label_changes(copy, table)))


def _show_changes(rows: pd.DataFrame) -> None:
    st.dataframe(
        rows,
        height="content",
        hide_index=True,
        alt="Changes of the list",
        placeholder=MISSING_TEXT,
        column_order=select_filled_columns(
            rows, ["change", "rank", "earlier_rank", "product_name", "category", "brand"]
        ),
        column_config={
            "change": st.column_config.TextColumn("Change", width=200),
            "rank": st.column_config.NumberColumn("Rank now", width=90),
            "earlier_rank": st.column_config.NumberColumn("Rank before", width=100),
            "product_name": st.column_config.TextColumn("Product", width=300),
            "category": st.column_config.TextColumn("Category", width=140),
            "brand": st.column_config.TextColumn("Brand", width=140),
        },
    )


def _describe_holdout(copy: ServingCopy, user_id: str) -> str | None:
    arm = copy.get_customer_arm(user_id)
    return describe_arm(arm) if arm and arm["policy"] == "none" else None


def _label_changes(copy: ServingCopy, table: pd.DataFrame) -> list[str]:
    """Return the labels of the changes; that of a gone product has the reason, if a rule or the catalog excludes it."""
    gone_products = list(table.loc[table["change"] == "gone", "product_id"])
    blocking_rules = get_blocking_rules(copy)
    reasons = find_exclusion_reasons(copy, gone_products)
    reasons |= {
        product: f"blocked by rule {blocking_rules[product].rule_id}"
        for product in gone_products
        if product in blocking_rules
    }
    return [
        f"{CHANGE_LABELS[change]}: {reasons[product_id]}" if product_id in reasons else CHANGE_LABELS[change]
        for change, product_id in zip(table["change"], table["product_id"], strict=True)
    ]


def show_absence(copy: ServingCopy, user_id: str) -> None:
    """Show why the customer's list has no place for a product that the person names."""
    product_id = choose_found_product(copy, "Why is this product not recommended?", "absent_product")
    if product_id is None:
        return
    for reason in explain_live_absence(copy, user_id, product_id):
        st.markdown(f"- {escape_markdown(reason)}")
