"""What a person does after a change of a rule, so that the lists follow it."""

from collections.abc import Mapping
from datetime import date

from warehouse.rules.rule_states import is_awaiting_lists, is_immediate_block
from warehouse.rules.rule_store import StoredRule, is_active


def describe_next_step(
    rule_id: str, stored: StoredRule | None, applied_changes: Mapping[str, int], today: date
) -> str | None:
    """Return a sentence about the button or tab to use next; None if nothing is left to do.

    Args:
        rule_id: Id of the rule.
        stored: The rule after the change; None for a removed one.
        applied_changes: Number of the applied change of each rule that the published lists follow.
        today: The present day (UTC).
    """
    if stored is not None and is_active(stored.rule, today):
        is_build_needed = is_awaiting_lists(stored, applied_changes, today) and not is_immediate_block(stored.rule)
        return "“Build the lists now” puts it into the lists." if is_build_needed else None
    if rule_id in applied_changes:
        return "“Build the lists now” takes it out of the lists."
    is_draft = stored is not None and stored.rule.is_draft and not stored.rule.is_stopped
    return f"Open {rule_id} under “All rules” to submit it." if is_draft else None
