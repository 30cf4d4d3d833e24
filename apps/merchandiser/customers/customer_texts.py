"""Texts about customers and their actions."""

from typing import Any

import pandas as pd

from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.prices import MISSING_TEXT, format_amount
from warehouse.formatting import format_count

ACTION_LABELS = {
    "purchase": "Bought",
    "return": "Returned",
    "add_to_cart": "Added to cart",
    "remove_from_cart": "Removed from cart",
    "click": "Clicked",
    "view": "Viewed",
}

CUSTOMER_METRIC_HELP = {
    "Views, clicks and cart actions": "Views, clicks, and products added to or removed from the cart.",
    "Items bought": "Bought products: an order of three products has three of them.",
    "Items returned": "Returned products.",
    "Spent": "Amounts of all orders, less returns.",
}
"""Explanations of labels in `describe_customer`."""


def describe_customer(customer: dict[str, Any], currency: str | None = None) -> dict[str, str]:
    """Return a row of `dim_users` as labels and Markdown values, with amounts in the currency of the shop."""
    order_count = customer.get("order_count")
    return {
        "First seen": _format_day(customer["first_seen_at"]),
        "Last seen": _format_day(customer["last_seen_at"]),
        "Views, clicks and cart actions": f"{customer['event_count']:,}",
        # A copy of an earlier version has no orders.
        **({} if order_count is None else {"Orders": f"{order_count:,}"}),
        "Items bought": f"{customer['purchase_count']:,}",
        "Items returned": f"{customer['return_count']:,}",
        "Spent": format_amount(customer["total_spend"], None if currency is None else escape_markdown(currency)),
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


def describe_activity(customer: Any) -> str:
    """Return the activity of a row of `dim_users` as one Markdown line."""
    bought = format_count(customer.purchase_count, "item bought", "items bought")
    return f"{customer.event_count:,} views, clicks and cart actions · {bought}"


def add_action_labels(timeline: pd.DataFrame) -> pd.DataFrame:
    """Return rows of a history with the column `action`, the label of the action type."""
    return timeline.assign(action=timeline["action_type"].map(ACTION_LABELS).fillna(timeline["action_type"]))


def _format_day(timestamp: pd.Timestamp) -> str:
    return MISSING_TEXT if pd.isna(timestamp) else f"{timestamp.day} {timestamp:%b %Y}"


def _format_text(text: str | None) -> str:
    return MISSING_TEXT if pd.isna(text) or text == "unknown" else escape_markdown(str(text).capitalize())
