"""The rules of the shop with their states, and one rule with its history and the buttons that change it."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.prices import MISSING_TEXT
from apps.merchandiser.rules.rule_details_view import show_rule
from apps.merchandiser.table_columns import choose_wrapped_height, make_time_column, select_filled_columns
from warehouse.publishing.published_rules import read_applied_changes
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule_overview import REMOVED_STATE, STATES, RuleRow, describe_rules
from warehouse.rules.rule_store import RuleStore, get_today

STATE_LABELS = {
    "live": "Live",
    "waiting": "Waiting",
    "draft": "Draft",
    "ended": "Ended",
    REMOVED_STATE: "Removed",
}
SHOWN_STATES = ("live", "waiting", "draft")
"""States that the page shows at first."""

ROW_HEIGHT = 76
"""Pixels, for three lines of text."""


def show_rules(copy: ServingCopy, store: RuleStore, *, can_edit: bool) -> None:
    """Show the rules of the chosen states, and the chosen rule."""
    applied_changes = read_applied_changes(copy)
    stored_rules = {**store.read_rules(), **store.read_removed_rules()}
    rows = describe_rules(stored_rules.values(), applied_changes, get_today())
    if not rows:
        st.info("There are no rules yet. “Add a rule” makes the first one.", icon=":material/rule:")
        return
    states = _choose_states(rows)
    shown = [row for row in rows if row["state"] in states]
    if not shown:
        st.info("No rule has one of these states.", icon=":material/filter_alt_off:")
    else:
        _show_table(shown)
    rule_id = _choose_rule(rows, shown)
    if rule_id is not None:
        (row,) = (row for row in rows if row["rule"] == rule_id)
        show_rule(store, stored_rules[rule_id], row, applied_changes, can_edit=can_edit)


def _choose_states(rows: Sequence[RuleRow]) -> list[str]:
    counts = Counter(row["state"] for row in rows)
    return st.pills(
        "State",
        [*STATES, REMOVED_STATE],
        selection_mode="multi",
        default=list(SHOWN_STATES),
        format_func=lambda state: f"{STATE_LABELS[state]} {counts[state]:,}",
        key="rule_states",
        persist_state="session",
    )


def _show_table(rows: Sequence[RuleRow]) -> None:
    table = pd.DataFrame([{**row, "state": STATE_LABELS[row["state"]]} for row in rows])
    st.dataframe(
        table,
        hide_index=True,
        row_height=ROW_HEIGHT,
        height=choose_wrapped_height(len(table), ROW_HEIGHT),
        alt="Merchandising rules",
        placeholder=MISSING_TEXT,
        column_order=[
            *("rule", "state", "effect", "note", "lists"),
            *select_filled_columns(table, ["first_day", "last_day", "reason"]),
            *("changed_by", "changed_at"),
        ],
        column_config={
            "rule": st.column_config.TextColumn("Rule", width=50),
            "state": st.column_config.TextColumn("State", width=70),
            "effect": st.column_config.TextColumn("What it does", width=210),
            "note": st.column_config.TextColumn("Waits for, or ends", width=230),
            "lists": st.column_config.TextColumn("Lists", width=110),
            "first_day": st.column_config.DateColumn("First day", width=90, format="D MMM YYYY"),
            "last_day": st.column_config.DateColumn("Last day", width=90, format="D MMM YYYY"),
            "reason": st.column_config.TextColumn("Reason", width=140),
            "changed_by": st.column_config.TextColumn("Changed by", width=90),
            "changed_at": make_time_column("Changed", width=150),
        },
    )


def _choose_rule(rows: Sequence[RuleRow], shown: Sequence[RuleRow]) -> str | None:
    """Show the choice of a rule; the query parameter `rule` of the address holds the chosen one."""
    effects = {row["rule"]: row["effect"] for row in rows}
    linked_id = st.query_params.get("rule")
    if linked_id is not None and linked_id not in effects:
        st.warning(f"There is no rule “{escape_markdown(shorten_text(linked_id, 100))}”.", icon=":material/search_off:")
        linked_id = None
    options = [row["rule"] for row in shown]
    if linked_id is not None and linked_id not in options:
        options.append(linked_id)
    if not options:
        return None
    # The address decides, so that Back returns to the rule before.
    st.session_state["rule_id"] = linked_id
    rule_id: str | None = st.selectbox(
        "Open a rule",
        options,
        index=None,
        format_func=lambda rule_id: f"{rule_id}: {shorten_text(effects[rule_id], 100)}",
        placeholder="Choose a rule, to see its history or to change it",
        key="rule_id",
        on_change=_follow_choice,
        width=560,
    )
    return rule_id


def _follow_choice() -> None:
    rule_id = st.session_state["rule_id"]
    if rule_id is None:
        st.query_params.pop("rule", None)
    else:
        st.query_params["rule"] = rule_id
