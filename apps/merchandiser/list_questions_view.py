"""Views of one customer: what changed since an earlier list, and why a product is not recommended."""

import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.live_lists import get_blocked_products, get_live_recommendations
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.prices import format_price
from apps.merchandiser.search_box import ask_search
from apps.merchandiser.table_columns import fill_product_columns, select_filled_columns
from warehouse.errors import RecomartError
from warehouse.publishing.earlier_copies import list_earlier_copies
from warehouse.publishing.list_questions import MAX_FOUND_PRODUCTS, compare_lists, explain_absence, find_products
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

CHANGE_LABELS = {"new": "New", "gone": "Gone", "up": "Up", "down": "Down", "same": "Same rank"}
BLOCKED_TEXT = "A merchandising rule blocks it now."


def show_changes(copy: ServingCopy, user_id: str) -> None:
    """Show which products of the customer's list are new, gone, up or down since an earlier version."""
    earlier_copies = list_earlier_copies(Settings(), copy.published)
    if not earlier_copies:
        st.info(
            "There is no earlier version to compare with. RECOMART_SERVING_COPIES sets how many versions are kept.",
            icon=":material/history:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        earlier = st.selectbox(
            "Compare with the version of",
            earlier_copies,
            format_func=lambda published: f"{published.published_at:%d %b %Y, %H:%M} UTC",
            key="compared_version",
            width=300,
        )
        n = st.slider("Ranks", 1, max(2, query_once(ServingCopy.get_max_list_length, copy)), 10, key="compared_n")
    _show_comparison(copy, earlier, user_id, n)


def _show_comparison(copy: ServingCopy, earlier: PublishedCopy, user_id: str, n: int) -> None:
    try:
        with ServingCopy(Settings(), earlier) as earlier_copy:
            earlier_list = earlier_copy.get_recommendations(user_id, n)
    except RecomartError:
        st.warning(
            "This version can no longer be read: a newer publication deleted it, or it is damaged. Choose another one.",
            icon=":material/history:",
        )
        return
    table = compare_lists(get_live_recommendations(copy, user_id, n), earlier_list)
    counts = table["change"].value_counts()
    texts = [f"{counts.get(change, 0)} {label.lower()}" for change, label in CHANGE_LABELS.items()]
    st.markdown(f"The first {n} recommendations beside those of the earlier version: {', '.join(texts)}.")
    if table.empty:
        return
    rows = fill_product_columns(table).assign(change=table["change"].map(CHANGE_LABELS))
    st.dataframe(
        rows,
        height="content",
        hide_index=True,
        alt="Changes of the list",
        placeholder="—",
        column_order=select_filled_columns(
            rows, ["change", "rank", "earlier_rank", "product_name", "category", "brand"]
        ),
        column_config={
            "change": st.column_config.TextColumn("Change", width=100),
            "rank": st.column_config.NumberColumn("Rank now", width=90),
            "earlier_rank": st.column_config.NumberColumn("Rank before", width=100),
            "product_name": st.column_config.TextColumn("Product", width=300),
            "category": st.column_config.TextColumn("Category", width=140),
            "brand": st.column_config.TextColumn("Brand", width=140),
        },
    )


def show_absence(copy: ServingCopy, user_id: str) -> None:
    """Show why the customer's list has no place for a product that the person names."""
    search = ask_search(
        "Why is this product not recommended?", "Name or id of a product, or a part of it", "absent_product"
    )
    if not search:
        return
    products = find_products(copy, search)
    if products.empty:
        st.info(f"No product has “{escape_markdown(search)}” in its name or id.", icon=":material/search_off:")
        return
    labels = {
        row.product_id: f"{shorten_text(str(row.product_name or row.product_id), 80)} ({row.product_id}), "
        f"{format_price(row.price, getattr(row, 'currency', None))}"
        for row in products.itertuples()
    }
    product_id = next(iter(labels))
    if len(labels) > 1:
        more = ", the first ones" if len(labels) == MAX_FOUND_PRODUCTS else ""
        product_id = st.selectbox(
            f"{len(labels)} products{more}", list(labels), format_func=lambda key: labels[key], width=420
        )
    st.markdown(f"**{escape_markdown(labels[product_id])}**")
    reasons = [BLOCKED_TEXT] if product_id in get_blocked_products(copy) else explain_absence(copy, user_id, product_id)
    for reason in reasons:
        st.markdown(f"- {escape_markdown(reason)}")
