"""The whole history of a customer, with filters by action and pages."""

import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.customers.customer_texts import ACTION_LABELS, add_action_labels
from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.paging import PAGE_SIZE, describe_page, pick_page
from apps.merchandiser.prices import MISSING_TEXT, list_price_columns, make_price_columns
from apps.merchandiser.table_columns import fill_product_columns, make_time_column, select_filled_columns
from warehouse.formatting import format_count
from warehouse.publishing.customer_queries import count_actions, get_timeline
from warehouse.publishing.serving_copy import ServingCopy

TABLE_HEIGHT = 560


def show_history(copy: ServingCopy, user_id: str) -> None:
    """Show the actions of a customer, the newest first. Counts and filters cover the whole history."""
    counts = query_once(count_actions, copy, user_id)
    action_types = [*(name for name in ACTION_LABELS if name in counts), *sorted(counts.keys() - ACTION_LABELS.keys())]
    selected_types = st.segmented_control(
        f"Whole history: {format_count(sum(counts.values()), 'action')}",
        action_types,
        selection_mode="multi",
        format_func=lambda name: f"{escape_markdown(ACTION_LABELS.get(str(name), str(name)))} {counts.get(name, 0):,}",
        key=f"actions_of_{user_id}",
        persist_state="session",
    )
    row_count = sum(counts[name] for name in selected_types or action_types)
    # With other filters, another widget that begins at the first page.
    first_row = pick_page(row_count, f"history_page_of_{user_id}_{'_'.join(selected_types)}")
    rows = get_timeline(copy, user_id, selected_types, PAGE_SIZE, first_row)
    if rows.empty:
        st.info("This customer has no actions.", icon=":material/history:")
        return
    st.caption(f"{describe_page(first_row, len(rows), row_count, 'action')}, newest first.")
    table = fill_product_columns(add_action_labels(rows))
    columns = ["action_at", "action", "product_name", "category", "brand", *list_price_columns(rows), "quantity"]
    st.dataframe(
        table,
        height=TABLE_HEIGHT,
        hide_index=True,
        alt="History",
        placeholder=MISSING_TEXT,
        column_order=select_filled_columns(rows.assign(action=""), [*columns, "device"]),
        column_config={
            "action_at": make_time_column("When", width=150),
            "action": st.column_config.TextColumn("Action", width=130),
            "product_name": st.column_config.TextColumn("Product", width=300),
            "category": st.column_config.TextColumn("Category", width=130),
            "brand": st.column_config.TextColumn("Brand", width=130),
            **make_price_columns(rows, width=90),
            "quantity": st.column_config.NumberColumn("Pieces", format="%g", width=65),
            "device": st.column_config.TextColumn("Device", width=80),
        },
    )
