"""The lists of the copy as the shop shows them now: without products that a rule blocked after the publication."""

import pandas as pd
import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.recommendations.live_blocks import LiveBlocks
from warehouse.publishing.list_questions import explain_absence
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule_store import StoredRule
from warehouse.settings import Settings

BLOCKED_TEXT = "A merchandising rule blocks it now."


def get_blocked_products(copy: ServingCopy) -> frozenset[str]:
    """Return the products that blocks for all lists exclude now."""
    return _open_live_blocks(Settings(), copy).get_products()


def get_blocking_rules(copy: ServingCopy) -> dict[str, StoredRule]:
    """Return the products that blocks for all lists exclude now, each with the oldest rule that blocks it."""
    return _open_live_blocks(Settings(), copy).get_rules()


def get_live_recommendations(copy: ServingCopy, user_id: str, n: int) -> pd.DataFrame:
    """Return a customer's recommendations; like `ServingCopy.get_recommendations`, without blocked products."""
    return _open_live_blocks(Settings(), copy).get_recommendations(user_id, n)


def get_live_popular_products(copy: ServingCopy, n: int) -> pd.DataFrame:
    """Return the popular products; like `ServingCopy.get_popular_products`, without blocked products."""
    rows = query_once(ServingCopy.get_popular_products, copy, n)
    return _open_live_blocks(Settings(), copy).remove_blocked(rows)


def explain_live_absence(copy: ServingCopy, user_id: str, product_id: str) -> list[str]:
    """Return why a customer's list has no place for a product, or its place; texts without Markdown."""
    if product_id in get_blocked_products(copy):
        return [BLOCKED_TEXT]
    max_n = query_once(ServingCopy.get_max_list_length, copy)
    return explain_absence(copy, user_id, product_id, get_live_recommendations(copy, user_id, max_n))


# Two entries, as many as there are open copies.
@st.cache_resource(
    max_entries=2,
    show_spinner=False,
    hash_funcs={
        Settings: lambda settings: str(settings.rules_file),
        ServingCopy: lambda copy: copy.published.file,
    },
)
def _open_live_blocks(settings: Settings, copy: ServingCopy) -> LiveBlocks:
    return LiveBlocks(settings, copy)
