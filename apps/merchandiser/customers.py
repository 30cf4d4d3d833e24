"""Home: a customer, what they did, and what they are offered beside it."""

import pandas as pd
import streamlit as st

from apps.merchandiser.customer_picker import pick_customer
from apps.merchandiser.customer_texts import ACTIONS, MEANINGS, action_counts, describe_timeline, facts
from apps.merchandiser.live_copy import live_copy
from apps.merchandiser.markdown import literal
from apps.merchandiser.recommendation_panel import show_offers
from apps.merchandiser.tables import TABLE_HEIGHT, filled_columns, instant_column, price_column
from warehouse.formatting import counted
from warehouse.publishing.serving_copy import ServingCopy

ACTION_COLORS = ["#86efac", "#fca5a5", "#fde68a", "#fed7aa", "#bfdbfe", "#e2e8f0"]


def show_customer(copy: ServingCopy, user_id: str) -> None:
    """Show a customer's facts above their history and their offers."""
    with st.container(border=True, horizontal=True, horizontal_alignment="distribute"):
        for name, value in facts(copy.customer(user_id)).items():
            st.metric(name, value, width="content", help=MEANINGS.get(name))
    history, offers = st.columns([5, 7], gap="medium")
    with history:
        show_history(copy.timeline(user_id))
    with offers:
        longest = copy.longest_list()
        show_offers(
            copy.recommendations(user_id, longest),
            title="What they are offered",
            longest=longest,
            key="customer",
            file_stem=f"recomart-offers-{user_id}",
        )


def show_history(timeline: pd.DataFrame) -> None:
    """Show what a customer did, newest first."""
    st.subheader("What they did", anchor=False)
    counts = action_counts(timeline)
    with st.container(gap=None):
        chosen = st.segmented_control(
            f"The newest {counted(len(timeline), 'action')}",
            [*counts, *(action for action in st.session_state.get("actions", []) if action not in counts)],
            selection_mode="multi",
            format_func=lambda action: f"{literal(action)} {counts.get(action, 0)}",
            key="actions",
        )
        # The filters of the offers are higher by this; now both tables begin on one line.
        st.space(7)
    described = describe_timeline(timeline)
    shown = described[described["action"].isin(chosen)] if chosen else described
    if shown.empty:
        st.info("They did nothing of that kind lately.", icon=":material/filter_alt_off:")
        return
    st.dataframe(
        shown.assign(action=shown["action"].map(lambda action: [action])),
        height=TABLE_HEIGHT,
        hide_index=True,
        alt="What they did",
        column_order=filled_columns(
            shown, ["action_at", "action", "product_name", "category", "brand", "price", "quantity", "device"]
        ),
        column_config={
            "action_at": instant_column("When", width=120),
            "action": st.column_config.MultiselectColumn(
                "Action", options=list(ACTIONS.values()), color=ACTION_COLORS, width=92
            ),
            "product_name": st.column_config.TextColumn("Product", width=145),
            "category": st.column_config.TextColumn("Category", width=72),
            "brand": st.column_config.TextColumn("Brand", width=70),
            "price": price_column(60),
            "quantity": st.column_config.NumberColumn("Pieces", format="%d", width=55),
            "device": st.column_config.TextColumn("Device", width=65),
        },
    )


live = live_copy()
if (picked := pick_customer(live)) is not None:
    show_customer(live, picked)
