"""Texts about customers and their actions."""

from typing import Any

import pandas as pd

from apps.merchandiser.markdown import escape_markdown
from warehouse.formatting import format_count

ACTION_LABELS = {
    "purchase": "Bought",
    "return": "Returned",
    "add_to_cart": "Added to cart",
    "remove_from_cart": "Removed from cart",
    "click": "Clicked",
    "view": "Viewed",
}
UNKNOWN_TEXT = "—"

CUSTOMER_METRIC_HELP = {
    "Events": "Views, clicks, and products added to or removed from the cart.",
    "Purchase lines": "Purchased products: an order of three products has three lines.",
    "Return lines": "Returned products.",
}
"""Explanations of labels in `describe_customer`."""


def describe_customer(customer: dict[str, Any]) -> dict[str, str]:
    """Return a row of `dim_users` as labels and Markdown values."""
    return {
        "First seen": _format_day(customer["first_seen_at"]),
        "Last seen": _format_day(customer["last_seen_at"]),
        "Events": f"{customer['event_count']:,}",
        "Purchase lines": f"{customer['purchase_count']:,}",
        "Return lines": f"{customer['return_count']:,}",
        "Spent": f"{customer['total_spend']:,.2f}",
        "Favourite category": _format_text(customer["favourite_category"]),
        "Favourite brand": _format_text(customer["favourite_brand"]),
        "Device": _format_text(customer["main_device"]),
    }


def describe_arm(arm: dict[str, Any]) -> str:
    """Return a row of `rec_customer_arms` as a Markdown sentence."""
    lists = describe_policy(arm["policy"])
    return escape_markdown(f"Experiment “{arm['experiment']}”, arm “{arm['arm']}”: {lists}.")


def describe_policy(policy: str) -> str:
    """Return the lists that an arm's policy gives."""
    kind, _, argument = policy.partition(":")
    return {
        "model": f"recommendations of model {argument}" if argument else "recommendations of the serving model",
        "popularity": "popular products",
        "none": "no recommendations",
        "rules": f"merchandising rules of rule set “{argument}”",
    }[kind]


def label_customers(customers: pd.DataFrame) -> dict[str, str]:
    """Return a one-line label for each row of `dim_users`, by customer id and in the same order."""
    rows = zip(customers["user_id"], customers["event_count"], customers["purchase_count"], strict=True)
    return {
        user_id: f"{user_id} · {format_count(events, 'event')} · {format_count(purchases, 'purchase line')}"
        for user_id, events, purchases in rows
    }


def add_action_labels(timeline: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `rec_user_timeline` with the column `action`, the label of the action type."""
    return timeline.assign(action=timeline["action_type"].map(ACTION_LABELS).fillna(timeline["action_type"]))


def count_actions(timeline: pd.DataFrame) -> dict[str, int]:
    """Return the number of actions by label, in the order of `ACTION_LABELS`."""
    counts = add_action_labels(timeline)["action"].value_counts()
    labels = [label for label in ACTION_LABELS.values() if label in counts]
    return {label: int(counts[label]) for label in [*labels, *counts.index.difference(labels)]}


def _format_day(timestamp: pd.Timestamp) -> str:
    return UNKNOWN_TEXT if pd.isna(timestamp) else f"{timestamp.day} {timestamp:%b %Y}"


def _format_text(text: str | None) -> str:
    return UNKNOWN_TEXT if pd.isna(text) or text == "unknown" else escape_markdown(str(text).capitalize())
