"""Who a customer is and what they did, in words."""

from typing import Any

import pandas as pd

from apps.merchandiser.markdown import escape_markdown
from warehouse.formatting import format_count

ACTION_LABELS = {
    "purchase": "Bought",
    "return": "Returned",
    "add_to_cart": "Added to cart",
    "remove_from_cart": "Took out of cart",
    "click": "Clicked",
    "view": "Viewed",
}
UNKNOWN_TEXT = "—"

FACT_HELP = {
    "Events": "Views, clicks, and what went into a cart or out of it.",
    "Purchase lines": "Products on their orders: an order of three products has three lines.",
    "Return lines": "Products on their orders that they sent back.",
}
"""What facts mean whose names do not say it."""


def describe_customer(customer: dict[str, Any]) -> dict[str, str]:
    """A row of `dim_users` as labels and values for people, in Markdown."""
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


def label_customers(customers: pd.DataFrame) -> dict[str, str]:
    """Rows of `dim_users` as one line each, by the customer's id, in their order."""
    rows = zip(customers["user_id"], customers["event_count"], customers["purchase_count"], strict=True)
    return {
        user_id: f"{user_id} · {format_count(events, 'event')} · {format_count(purchases, 'purchase line')}"
        for user_id, events, purchases in rows
    }


def add_action_labels(timeline: pd.DataFrame) -> pd.DataFrame:
    """Rows of `rec_user_timeline` with words for the action."""
    return timeline.assign(action=timeline["action_type"].map(ACTION_LABELS).fillna(timeline["action_type"]))


def count_actions(timeline: pd.DataFrame) -> dict[str, int]:
    """How often each action was done, by its words, in the order that matters to a shop."""
    counts = add_action_labels(timeline)["action"].value_counts()
    words = [word for word in ACTION_LABELS.values() if word in counts]
    return {word: int(counts[word]) for word in [*words, *counts.index.difference(words)]}


def _format_day(instant: pd.Timestamp) -> str:
    return UNKNOWN_TEXT if pd.isna(instant) else f"{instant.day} {instant:%b %Y}"


def _format_text(text: str | None) -> str:
    return UNKNOWN_TEXT if pd.isna(text) or text == "unknown" else escape_markdown(str(text).capitalize())
