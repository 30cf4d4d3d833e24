"""The state of a merchandising rule: draft, waiting, live, ended or removed, and what it waits for."""

from collections.abc import Mapping
from datetime import date
from typing import Literal, NamedTuple

from warehouse.rules.rule import Rule
from warehouse.rules.rule_store import StoredRule, has_ended, has_started, is_active

StateName = Literal["draft", "waiting", "live", "ended", "removed"]


class RuleState(NamedTuple):
    """The state of a rule."""

    name: StateName
    note: str
    """What the rule waits for, or since when it has ended; when a live rule ends."""
    effect: str
    """A sentence about when the lists follow the newest change of the rule."""


def get_rule_state(stored: StoredRule, applied_changes: Mapping[str, int], today: date) -> RuleState:
    """Return the state of a rule, also of a removed one, by the real calendar.

    Args:
        stored: The rule.
        applied_changes: Number of the applied change of each rule that the published lists follow.
        today: The present day (UTC).
    """
    rule = stored.rule
    is_applied = stored.rule_id in applied_changes
    end_effect = "It has no effect on the lists."
    if is_applied:
        end_effect = "The published lists still follow it; the next lists are without it."
    if stored.change.after is None:
        return RuleState("removed", f"removed by {stored.change.user}; another undo restores it", end_effect)
    if rule.is_stopped or has_ended(rule, today):
        ended = f"stopped by {stored.change.user}" if rule.is_stopped else f"last day {rule.last_day}"
        return RuleState("ended", f"{ended}; the next lists are without it" if is_applied else ended, end_effect)
    if rule.is_draft:
        return RuleState("draft", "waits to be submitted", "A draft changes no list until it is submitted.")
    if not has_started(rule, today):
        effect = f"It takes effect on {rule.valid_from} (UTC), the first day of the rule."
        return RuleState("waiting", f"starts on {rule.valid_from}", effect)
    end = f"last day {rule.last_day}" if rule.valid_until else "without an end"
    if applied_changes.get(stored.rule_id) == stored.change.number:
        return RuleState("live", end, "The published lists follow it.")
    if is_immediate_block(rule):
        note = f"{end}; acts in the HTTP service and the app, in tables with the next lists"
        effect = "It takes effect at once in the HTTP service and the app. Tables and files follow with the next lists."
        return RuleState("live", note, effect)
    note = "waits for the next lists, of a build by the rules or of the next run"
    effect = "It takes effect with the next lists: of a build by the rules, or of the next run."
    return RuleState("waiting", note, effect)


def is_awaiting_lists(stored: StoredRule, applied_changes: Mapping[str, int], today: date) -> bool:
    """Return whether the published lists differ from what a rule, also a removed one, says now."""
    if stored.change.after is None or not is_active(stored.rule, today):
        return stored.rule_id in applied_changes
    return applied_changes.get(stored.rule_id) != stored.change.number


def is_immediate_block(rule: Rule) -> bool:
    """Return whether the HTTP service and the app follow a rule without a build: a block for all lists."""
    return rule.kind == "block" and not (rule.placements or rule.favourite_category or rule.rule_set)
