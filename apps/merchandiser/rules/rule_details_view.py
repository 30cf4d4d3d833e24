"""One rule: what it does, when a change takes effect, its history, and the buttons that change it."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.rules.change_table import show_changes
from apps.merchandiser.rules.rule_editor import MAX_REASON_LENGTH, change_rules
from warehouse.rules.rule_overview import REMOVED_STATE
from warehouse.rules.rule_states import describe_effect_time
from warehouse.rules.rule_store import RuleStore, StoredRule, get_today

MAX_TEXT_LENGTH = 500


def show_rule(
    store: RuleStore,
    stored: StoredRule,
    row: Mapping[str, Any],
    applied_changes: Mapping[str, int],
    user: str | None,
) -> None:
    """Show a rule by its row of `describe_rules`, with buttons if the person may change it, and its history."""
    st.subheader(f"Rule {stored.rule_id}", anchor=False)
    days = f"{row['first_day'] or 'now'} to {row['last_day']}" if row["last_day"] else ""
    texts = [row["effect"], row["lists"], days, f"{row['state']}: {row['note']}"]
    st.markdown(" · ".join(escape_markdown(shorten_text(str(text), MAX_TEXT_LENGTH)) for text in texts if text))
    if row["reason"]:
        st.caption(f"Reason: {escape_markdown(shorten_text(str(row['reason']), MAX_TEXT_LENGTH))}")
    st.markdown(escape_markdown(describe_effect_time(stored, applied_changes, get_today())))
    if user is not None:
        _show_buttons(store, stored, str(row["state"]), applied_changes, user)
    show_changes(store.read_history(stored.rule_id), f"History of rule {stored.rule_id}")


def _show_buttons(
    store: RuleStore, stored: StoredRule, state: str, applied_changes: Mapping[str, int], user: str
) -> None:
    rule_id, change = stored.rule_id, stored.change
    # A reason belongs to one version of the rule; the next one begins without.
    key = f"rule_reason_{rule_id}_{change.number}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reason = st.text_input(
            "Reason for the change", key=key, max_chars=MAX_REASON_LENGTH, placeholder="Why, for colleagues", width=320
        )
        actions: dict[str, tuple[str, Callable[[], StoredRule | None]]] = {}

        def offer(name: str, label: str, icon: str, action: Callable[[], StoredRule | None], done: str) -> None:
            if st.button(label, key=f"rule_{name}_{rule_id}", icon=icon):
                actions[name] = (done, action)

        seen = change.number
        if state == "draft":
            offer(
                "submit",
                "Submit",
                ":material/send:",
                lambda: store.submit(rule_id, user, reason, seen_change=seen),
                "submitted",
            )
        if state not in ("ended", REMOVED_STATE):
            offer(
                "stop",
                "Stop",
                ":material/stop_circle:",
                lambda: store.stop(rule_id, user, reason, seen_change=seen),
                "stopped",
            )
        offer(
            "undo",
            escape_markdown(f"Undo: {change.action} by {shorten_text(change.user, 40)}"),
            ":material/undo:",
            lambda: store.undo(rule_id, user, reason, seen_change=seen),
            "as it was before the change",
        )
    for done, action in actions.values():

        def make_change(done: str = done, action: Callable[[], StoredRule | None] = action) -> str:
            return _describe_result(rule_id, done, action(), applied_changes)

        change_rules(user, reason, make_change)


def _describe_result(rule_id: str, done: str, stored: StoredRule | None, applied_changes: Mapping[str, int]) -> str:
    if stored is None:
        effect = "The published lists follow it until the next lists." if rule_id in applied_changes else ""
        return f"Rule {rule_id} is removed. {effect}"
    return f"Rule {rule_id} is {done}. {describe_effect_time(stored, applied_changes, get_today())}"
