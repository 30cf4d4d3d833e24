"""One rule: what it does, when a change takes effect, its history, and the buttons that change it."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import streamlit as st

from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.rules.change_table import show_changes
from apps.merchandiser.rules.next_step import describe_next_step
from apps.merchandiser.rules.rule_editor import try_change
from warehouse.change_log import MAX_CHANGE_TEXT_LENGTH
from warehouse.rules.rule_overview import REMOVED_STATE, RuleRow
from warehouse.rules.rule_states import get_rule_state
from warehouse.rules.rule_store import RuleStore, StoredRule, get_today

MAX_TEXT_LENGTH = 500
ACTION_NOUNS = {"add": "addition", "submit": "submission"}
"""Nouns of the actions that are none themselves."""


class ChangeButton(NamedTuple):
    """A button that changes a rule."""

    name: str
    label: str
    icon: str

    result: str
    """What the rule is after the change."""

    change: Callable[..., StoredRule | None]
    """Method of the store."""


def show_rule(
    store: RuleStore,
    stored: StoredRule,
    row: RuleRow,
    applied_changes: Mapping[str, int],
    *,
    can_edit: bool,
) -> None:
    """Show a rule by its row of `describe_rules`, with buttons if the app may change it, and its history."""
    st.subheader(f"Rule {stored.rule_id}", anchor=False)
    days = f"{row['first_day'] or 'now'} to {row['last_day']}" if row["last_day"] else ""
    texts = [row["effect"], row["lists"], days, f"{row['state']}: {row['note']}"]
    st.markdown(" · ".join(escape_markdown(shorten_text(str(text), MAX_TEXT_LENGTH)) for text in texts if text))
    if row["reason"]:
        st.caption(f"Reason: {escape_markdown(shorten_text(str(row['reason']), MAX_TEXT_LENGTH))}")
    st.markdown(escape_markdown(get_rule_state(stored, applied_changes, get_today()).effect))
    if can_edit:
        _show_buttons(store, stored, str(row["state"]), applied_changes)
    show_changes(store.read_history(stored.rule_id), f"History of rule {stored.rule_id}")


def _show_buttons(store: RuleStore, stored: StoredRule, state: str, applied_changes: Mapping[str, int]) -> None:
    rule_id, change = stored.rule_id, stored.change
    # A reason belongs to one version of the rule; the next one begins without.
    reason_key = f"rule_reason_{rule_id}_{change.number}"

    def make_change(button: ChangeButton) -> None:
        default_reason = shorten_text(f"{button.label}: {stored.rule.describe()}", MAX_CHANGE_TEXT_LENGTH)
        reason = str(st.session_state[reason_key]).strip() or default_reason

        def change_store(user: str) -> str:
            changed = button.change(rule_id, user, reason, seen_change=change.number)
            return _describe_result(rule_id, button.result, changed, applied_changes)

        try_change(reason, change_store)

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Reason for the change",
            key=reason_key,
            max_chars=MAX_CHANGE_TEXT_LENGTH,
            placeholder="Why; by default, the button and the rule",
            width=360,
        )
        for button in _list_buttons(store, stored, state):
            st.button(
                escape_markdown(button.label),
                key=f"rule_{button.name}_{rule_id}",
                icon=button.icon,
                # As a callback, which gets the version of the rule that the person sees.
                on_click=make_change,
                args=(button,),
            )


def _list_buttons(store: RuleStore, stored: StoredRule, state: str) -> list[ChangeButton]:
    """Return the buttons of a rule in a state."""
    buttons = []
    if state == "draft":
        buttons.append(ChangeButton("submit", "Submit", ":material/send:", "submitted", store.submit))
    if state not in ("ended", REMOVED_STATE):
        buttons.append(ChangeButton("stop", "Stop", ":material/stop_circle:", "stopped", store.stop))
    noun = ACTION_NOUNS.get(stored.change.action, stored.change.action)
    label = f"Undo the {noun} by {shorten_text(stored.change.user, 40)}"
    result = "as it was before the newest change"
    return [*buttons, ChangeButton("undo", label, ":material/undo:", result, store.undo)]


def _describe_result(rule_id: str, result: str, stored: StoredRule | None, applied_changes: Mapping[str, int]) -> str:
    """Return what a change did to a rule, when the lists follow it, and the next step."""
    next_step = describe_next_step(rule_id, stored, applied_changes, get_today())
    if stored is None:
        effect = "The published lists still follow it." if rule_id in applied_changes else ""
        parts = [f"Rule {rule_id} is removed.", effect, next_step]
    else:
        effect = get_rule_state(stored, applied_changes, get_today()).effect
        parts = [f"Rule {rule_id} is {result}.", effect, next_step]
    return " ".join(filter(None, parts))
