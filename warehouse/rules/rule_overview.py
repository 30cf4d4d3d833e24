"""Rows about merchandising rules and their changes, which the commands and the app show."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from warehouse.change_log import Change
from warehouse.formatting import format_count, format_names
from warehouse.rules.rule import DAY_NAMES, Rule
from warehouse.rules.rule_states import StateName, get_rule_state, is_awaiting_lists
from warehouse.rules.rule_store import StoredRule

STATES: tuple[StateName, ...] = ("live", "waiting", "draft", "ended")

REMOVED_STATE: StateName = "removed"
"""State of a rule whose addition was undone."""


RuleRow = dict[str, Any]
"""Keys rule, state, note, effect, lists, first_day, last_day, reason, changed_by and changed_at."""


def describe_rules(rules: Iterable[StoredRule], applied_changes: Mapping[str, int], today: date) -> list[RuleRow]:
    """Return a row for each rule: what it does, for which lists and days, its state, and what it waits for.

    Removed rules have the state `REMOVED_STATE`.
    """
    rows = []
    for stored in rules:
        state = get_rule_state(stored, applied_changes, today)
        rule = stored.rule
        rows.append(
            {
                "rule": stored.rule_id,
                "state": state.name,
                "note": state.note,
                "effect": rule.describe(),
                "lists": rule.describe_lists(),
                "first_day": rule.valid_from,
                "last_day": rule.last_day,
                "reason": rule.reason,
                "changed_by": stored.change.user,
                "changed_at": stored.change.changed_at,
            }
        )
    return rows


def describe_changes(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Return a row for each change: who changed which rule, when and why, with the rule before and after in words."""
    return [
        {
            "changed_at": change.changed_at,
            "user": change.user,
            "rule": change.entry_id,
            "action": change.action,
            "before": _describe_version(change.before, change.after),
            "after": _describe_version(change.after, change.before),
            "why": change.why,
        }
        for change in changes
    ]


def summarize_rules(rules: Sequence[StoredRule], applied_changes: Mapping[str, int], today: date) -> str | None:
    """Return a sentence about the states of the rules, and which start or end next; None without a rule."""
    if not rules:
        return None
    counts = Counter(get_rule_state(stored, applied_changes, today).name for stored in rules)
    parts = [f"{counts[state]:,} {state}" for state in STATES if counts[state]]
    enabled = [stored for stored in rules if stored.rule.is_enabled]
    starts = sorted((rule.valid_from, stored.rule_id) for stored in enabled if (rule := stored.rule).valid_from)
    next_starts = [f"{rule_id} starts on {day}" for day, rule_id in starts if day > today]
    ends = sorted((rule.last_day, stored.rule_id) for stored in enabled if (rule := stored.rule).last_day)
    next_ends = [f"{rule_id} ends after {day}" for day, rule_id in ends if day >= today]
    return f"Rules: {'; '.join([', '.join(parts), *next_starts[:1], *next_ends[:1]])}."


def summarize_awaited(rules: Iterable[StoredRule], applied_changes: Mapping[str, int], today: date) -> str | None:
    """Return a sentence about the rules, also removed ones, whose changes wait for the next lists; None without one."""
    rule_ids = [stored.rule_id for stored in rules if is_awaiting_lists(stored, applied_changes, today)]
    if not rule_ids:
        return None
    changes = format_count(len(rule_ids), "changed rule")
    return f"The published lists do not follow {changes} yet: {format_names(rule_ids)}. The next lists will."


def _describe_version(fields: Mapping[str, Any] | None, other_fields: Mapping[str, Any] | None) -> str | None:
    """Return a version of a rule in words, with the fields in which it differs from another version of it."""
    if fields is None:
        return None
    rule = Rule.model_validate(fields)
    differences = []
    for name in Rule.model_fields if other_fields is not None else ():
        other = Rule.model_validate(other_fields)
        if getattr(rule, name) != getattr(other, name):
            differences.append(_describe_field(rule, name))
    return f"{rule.describe()} ({', '.join(differences)})" if differences else rule.describe()


def _describe_field(rule: Rule, name: str) -> str:
    if name in ("is_draft", "is_stopped"):
        word = name.removeprefix("is_").replace("draft", "a draft")
        return word if getattr(rule, name) else f"not {word}"
    value = rule.last_day if name == "valid_until" else getattr(rule, name)
    return f"{DAY_NAMES.get(name, name)} {'none' if value in (None, ()) else value}"
