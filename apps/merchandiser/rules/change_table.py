"""The table of changes of rules: who changed which rule, when and why, with the rule before and after."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from apps.merchandiser.table_columns import make_time_column, select_filled_columns
from warehouse.change_log import Change
from warehouse.rules.rule_overview import describe_changes

ROW_HEIGHT = 57
"""Pixels; Streamlit wraps texts only in rows of at least this height."""
HEADER_HEIGHT = 40
MAX_TABLE_HEIGHT = 620
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
        row_height=ROW_HEIGHT,
        height=min(MAX_TABLE_HEIGHT, ROW_HEIGHT * len(rows) + HEADER_HEIGHT),
        alt=title,
        placeholder="—",
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
