"""Adding a rule: the form, the preview, and the buttons that save a draft or submit the rule."""

import streamlit as st

from apps.merchandiser.rules.next_step import describe_next_step
from apps.merchandiser.rules.preview_view import show_preview
from apps.merchandiser.rules.rule_editor import NOTES_KEY, show_notes, show_problems, show_result, try_change
from apps.merchandiser.rules.rule_form import clear_form, show_rule_form
from warehouse.publishing.published_rules import list_wider_selections, read_applied_changes
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule
from warehouse.rules.rule_relations import RuleRelations
from warehouse.rules.rule_states import get_rule_state
from warehouse.rules.rule_store import RuleStore, get_today

PREVIEWED_KEY = "rule_previewed"
CHECKED_KEY = "rule_checked"
SAVED_KEY = "rule_saved"


def show_new_rule(copy: ServingCopy, store: RuleStore, *, can_edit: bool) -> None:
    """Show the form of a new rule; a read-only app previews it, but saves nothing."""
    state = st.session_state
    if state.pop(SAVED_KEY, False):
        clear_form()
    rule, problems = show_rule_form(copy)
    with st.container(horizontal=True):
        is_previewed = st.button("Preview", key="rule_preview", icon=":material/compare:")
        is_draft = can_edit and st.button("Save as draft", key="rule_save", icon=":material/draft:")
        is_submitted = can_edit and st.button("Submit", key="rule_submit", icon=":material/send:")
    if is_previewed or is_draft or is_submitted:
        state[CHECKED_KEY] = True
    if rule is None:
        # An empty form has no messages.
        if state.get(CHECKED_KEY):
            show_problems(problems)
        return
    if is_previewed:
        state[PREVIEWED_KEY] = rule.model_dump_json()
    if is_draft or is_submitted:
        new_rule = rule.model_copy(update={"is_draft": is_draft})
        if try_change(rule.reason or "", lambda user: _add(copy, store, user, new_rule)):
            st.rerun()
        show_result()
    if state.get(PREVIEWED_KEY) == rule.model_dump_json():
        show_notes(_describe_relations(copy, store, rule))
        show_preview(copy, rule)
    elif PREVIEWED_KEY in state:
        st.caption("The rule has changed since the preview. Preview it again.")


def _describe_relations(copy: ServingCopy, store: RuleStore, rule: Rule) -> list[str]:
    """Return sentences about the other rules for the products and lists of a new rule."""
    rules = {rule_id: stored.rule for rule_id, stored in store.read_rules().items()}
    return RuleRelations(rules, get_today()).describe(rule, list_wider_selections(copy, rule))


def _add(copy: ServingCopy, store: RuleStore, user: str, rule: Rule) -> str:
    state = st.session_state
    notes = _describe_relations(copy, store, rule)
    (stored,) = store.add([rule], user, rule.reason)
    state[NOTES_KEY] = notes
    state[SAVED_KEY] = True
    for key in (PREVIEWED_KEY, CHECKED_KEY):
        state.pop(key, None)
    applied_changes, today = read_applied_changes(copy), get_today()
    effect = get_rule_state(stored, applied_changes, today).effect
    next_step = describe_next_step(stored.rule_id, stored, applied_changes, today)
    action = "saved as a draft" if rule.is_draft else "submitted"
    result = f"Rule {stored.rule_id} is {action}: {rule.describe()}."
    return " ".join(filter(None, [result, effect, next_step]))
