"""The table of changes of rules: who changed which rule, when and why, with the rule before and after."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from apps.merchandiser.prices import MISSING_TEXT
from apps.merchandiser.table_columns import (
    WRAPPED_ROW_HEIGHT,
    choose_wrapped_height,
    make_time_column,
    select_filled_columns,
)
from warehouse.change_log import Change
from warehouse.rules.rule_overview import describe_changes

MAX_SHOWN_CHANGES = 500


def show_changes(changes: Sequence[Change], title: str) -> None:
    """Show changes, the newest first."""
    newest = list(changes)[::-1]
    more = f", the newest {MAX_SHOWN_CHANGES}" if len(newest) > MAX_SHOWN_CHANGES else ""
    st.caption(f"{title}{more}")
    if not newest:
        st.info("There are no changes yet.", icon=":material/history:")
        return
    rows = pd.DataFrame(describe_changes(newest[:MAX_SHOWN_CHANGES]))
    st.dataframe(
        rows,
        hide_index=True,
        row_height=WRAPPED_ROW_HEIGHT,
        height=choose_wrapped_height(len(rows)),
        alt=title,
        placeholder=MISSING_TEXT,
        column_order=select_filled_columns(rows, ["changed_at", "user", "rule", "action", "before", "after", "why"]),
        column_config={
            "changed_at": make_time_column("When", width=150),
            "user": st.column_config.TextColumn("Who", width=110),
            "rule": st.column_config.TextColumn("Rule", width=50),
            "action": st.column_config.TextColumn("Change", width=75),
            "before": st.column_config.TextColumn("Before", width=250),
            "after": st.column_config.TextColumn("After", width=250),
            "why": st.column_config.TextColumn("Reason", width=190),
        },
    )
