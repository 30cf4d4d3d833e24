"""Home page: a customer with history and recommendations."""

import pandas as pd
import streamlit as st

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.customer_picker import pick_customer
from apps.merchandiser.customer_texts import (
    ACTION_LABELS,
    CUSTOMER_METRIC_HELP,
    add_action_labels,
    count_actions,
    describe_arm,
    describe_customer,
)
from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.recommendation_panel import show_recommendations
from apps.merchandiser.table_columns import TABLE_HEIGHT, make_price_column, make_time_column, select_filled_columns
from warehouse.formatting import format_count
from warehouse.publishing.serving_copy import ServingCopy

TIMELINE_HELP = "The newest actions only: at least 100 by default, and always the whole oldest day."
NO_LIST_MESSAGE = "The experiment of this customer gives no recommendations."
ACTION_COLORS = ["#86efac", "#fca5a5", "#fde68a", "#fed7aa", "#bfdbfe", "#e2e8f0"]


def show_customer(copy: ServingCopy, user_id: str) -> None:
    """Show the figures of a customer above the history and the recommendations."""
    with st.container(border=True, horizontal=True, horizontal_alignment="distribute"):
        for name, value in describe_customer(copy.get_customer(user_id)).items():
            st.metric(name, value, width="content", help=CUSTOMER_METRIC_HELP.get(name))
    history_column, recommendations_column = st.columns([5, 7], gap="medium")
    with history_column:
        show_history(copy.get_timeline(user_id))
    with recommendations_column:
        max_n = copy.get_max_list_length()
        arm = copy.get_customer_arm(user_id)
        show_recommendations(
            copy.get_recommendations(user_id, max_n),
            title="Recommendations",
            max_n=max_n,
            key="customer",
            file_stem=f"recomart-recommendations-{user_id}",
            empty_message=NO_LIST_MESSAGE if arm and arm["policy"] == "none" else None,
        )
        if arm is not None:
            st.caption(describe_arm(arm))


def show_history(timeline: pd.DataFrame) -> None:
    """Show the actions of a customer, the newest first."""
    st.subheader("History", anchor=False)
    counts = count_actions(timeline)
    with st.container(gap=None):
        selected_actions = st.segmented_control(
            f"Latest {format_count(len(timeline), 'action')}",
            [*counts, *(action for action in st.session_state.get("actions", []) if action not in counts)],
            selection_mode="multi",
            help=TIMELINE_HELP,
            format_func=lambda action: f"{escape_markdown(action)} {counts.get(action, 0)}",
            key="actions",
        )
        # The filters of the recommendations are higher by this; the space aligns both tables.
        st.space(7)
    labelled_timeline = add_action_labels(timeline)
    visible_rows = (
        labelled_timeline[labelled_timeline["action"].isin(selected_actions)] if selected_actions else labelled_timeline
    )
    if visible_rows.empty:
        st.info("The latest actions include none of this kind.", icon=":material/filter_alt_off:")
        return
    st.dataframe(
        visible_rows.assign(action=visible_rows["action"].map(lambda action: [action])),
        height=TABLE_HEIGHT,
        hide_index=True,
        alt="History",
        column_order=select_filled_columns(
            visible_rows, ["action_at", "action", "product_name", "category", "brand", "price", "quantity", "device"]
        ),
        column_config={
            "action_at": make_time_column("When", width=120),
            "action": st.column_config.MultiselectColumn(
                "Action", options=list(ACTION_LABELS.values()), color=ACTION_COLORS, width=92
            ),
            "product_name": st.column_config.TextColumn("Product", width=145),
            "category": st.column_config.TextColumn("Category", width=72),
            "brand": st.column_config.TextColumn("Brand", width=70),
            "price": make_price_column(60),
            "quantity": st.column_config.NumberColumn("Pieces", format="%d", width=55),
            "device": st.column_config.TextColumn("Device", width=65),
        },
    )


live_copy = get_live_copy()
if (selected_customer := pick_customer(live_copy)) is not None:
    show_customer(live_copy, selected_customer)
