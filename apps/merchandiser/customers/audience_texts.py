"""Texts about the conditions of an audience."""

from collections.abc import Mapping

from warehouse.audiences import Audience
from warehouse.formatting import format_count

CONDITION_TEXTS = {
    "favourite_category": "with favourite category {}",
    "min_days_since_seen": "not seen for at least {}",
    "max_days_since_seen": "seen within the last {}",
    "min_spend": "with at least {} spent",
    "max_spend": "with at most {} spent",
    "min_orders": "with at least {}",
    "max_orders": "with at most {}",
    "experiment_arm": "in experiment arm {}",
}
"""Texts of the conditions, after a number of customers."""

NOUNS = {"min_days_since_seen": "day", "max_days_since_seen": "day", "min_orders": "order", "max_orders": "order"}
"""Nouns of the conditions that count something."""


def describe_empty_audience(audience: Audience, counts: Mapping[str, int]) -> str:
    """Return which condition leaves no customer, as a text without Markdown.

    Args:
        audience: The conditions.
        counts: Customers that meet each condition and those before it, from `count_by_condition`.
    """
    parts: list[str] = []
    for name, value in audience.model_dump(exclude_none=True).items():
        number = f"{counts[name]:,} of them" if parts else format_count(counts[name], "customer")
        parts.append(f"{number} {CONDITION_TEXTS[name].format(_format_value(name, value))}")
        if counts[name] == 0:
            break
    return f"No customer meets these conditions: {', '.join(parts)}." if parts else "There are no customers yet."


def _format_value(name: str, value: str | float) -> str:
    if isinstance(value, str):
        return value
    return format_count(value, NOUNS[name]) if name in NOUNS else f"{value:,.10g}"
