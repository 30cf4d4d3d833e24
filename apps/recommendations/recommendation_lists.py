"""Results of recommendation queries, and the notes on them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from warehouse.formatting import format_count, format_names

SHORT_LIST_REASONS = {
    "home": "the placement allows {no} products of the customer's list for the home page",
    "related": "there are {no} similar products and products of the same orders that may be recommended",
    "bought": "{no} purchases of the customer are due",
    "new": "there are {no} new products that may be recommended",
    "popular": "there are {no} popular products that may be recommended",
    "viewed": "there are {no} products that the customer viewed and that may be recommended",
}
"""Why a published list of each kind has no products, or no more of them."""

OTHER_SHORT_LIST_REASON = "there are {no} products that may be recommended"

NO_REPEATS_NOTE = "this shop has no repeat purchases, and no rule allows a purchase of the customer again"


@dataclass(frozen=True)
class RecommendationList:
    """Recommended or similar products, with notes for the reader."""

    recommendations: pd.DataFrame
    """Columns rank, product_id, product_name, category, brand, price, score, source, reason; best product first. The
    score of a pinned product is missing, because its rank does not come from a score."""

    is_fallback: bool
    """Whether the customer, basket or product is unknown and the list has popular products instead."""

    notes: list[str] = field(default_factory=list)

    experiment: str | None = None
    """Name of the experiment in which the customer or session takes part; None for none."""

    arm: str | None = None
    """Arm of the customer or session in the experiment."""

    run_id: str | None = None
    """The model that ranks for the customer or session; None for popular products by an experiment, for no list and
    without a model."""


@dataclass(frozen=True)
class Explanation:
    """A model score and the contributions of past products and of the customer's declared features."""

    product_id: str
    product_name: str | None
    score: float | None
    """The model's score; None for a fallback."""

    contributions: pd.DataFrame
    """Columns product_id, product_name and contribution, the largest contribution first. Their sum and the sum of
    `feature_contributions` are the score."""

    feature_contributions: pd.DataFrame
    """Columns feature, value and contribution of the customer's declared features; the largest contribution first."""

    is_fallback: bool
    """Whether neither a past product nor a declared feature is known."""

    notes: list[str]


def remove_pinned_scores(recommendations: pd.DataFrame) -> pd.DataFrame:
    """Return the recommendations without the scores of pinned products."""
    return recommendations.assign(score=recommendations["score"].mask(recommendations["source"] == "pinned"))


def note_short_list(recommendations: pd.DataFrame, n: int, reason: str) -> list[str]:
    """Return a note when the list is shorter than requested."""
    count = len(recommendations)
    return [f"the list has {format_count(count, 'product')}; {reason} allow no more"] if count < n else []


def note_short_placement_list(count: int, n: int, list_kind: str, shop_repeats: Mapping[str, Any] | None) -> list[str]:
    """Return a note on the likely reason when a published list of a placement is empty or shorter than requested.

    Args:
        count: Number of products of the list.
        n: Number of requested products.
        list_kind: Kind of the placement's lists.
        shop_repeats: The row of `feat_shop_repeats` at cutoff `now`; None in a copy of an earlier version.
    """
    if count >= n:
        return []
    if count == 0 and list_kind == "bought" and shop_repeats and not shop_repeats["is_repeat_shop"]:
        return [NO_REPEATS_NOTE]
    reason = SHORT_LIST_REASONS.get(list_kind, OTHER_SHORT_LIST_REASON).format(no="no more" if count else "no")
    return [f"the list has {format_count(count, 'product')}; {reason}"] if count else [reason]


def note_unknown_products(product_ids: Sequence[str]) -> str:
    return f"unknown to the model, ignored: {format_names(product_ids)}"


def interleave(ranking: Iterable[str], others: Iterable[str]) -> Iterator[str]:
    """Yield the products of two rankings in turn, each product once."""
    seen = set[str]()
    iterators = [iter(ranking), iter(others)]
    while iterators:
        for iterator in list(iterators):
            product = next((product for product in iterator if product not in seen), None)
            if product is None:
                iterators.remove(iterator)
            else:
                seen.add(product)
                yield product
