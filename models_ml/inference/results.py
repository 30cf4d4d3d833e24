"""Results of a recommender: recommendations and explanations."""

from dataclasses import dataclass
from typing import Literal

Source = Literal["model", "popularity"]
"""Basis of a result: the model, or popularity if neither the customer nor any given product is known."""


@dataclass(frozen=True)
class Recommendation:
    """One recommended product."""

    product_id: str
    score: float
    """Score of the model (the training target is 1), cosine similarity of similar products, or the number of customers
    for `popularity`."""
    reason_product_id: str | None = None
    """Product of the history with the largest positive contribution to the score."""
    reason_share: float | None = None
    """Share of the reason in all positive contributions, in (0, 1]."""


@dataclass(frozen=True)
class Recommendations:
    """Recommended products, best first."""

    items: list[Recommendation]
    source: Source
    unknown_products: list[str]
    """Unknown products of the request; they were ignored."""


@dataclass(frozen=True)
class Contribution:
    """Contribution of one past interaction to a score."""

    product_id: str
    contribution: float
    """Part of the score; may be negative."""


@dataclass(frozen=True)
class FeatureContribution:
    """Contribution of one declared feature of the customer to a score."""

    feature: str
    """The declared column, as `<model>.<column>`."""
    value: str
    """The category, the band of numbers or the word."""
    contribution: float
    """Part of the score; may be negative."""


@dataclass(frozen=True)
class Explanation:
    """Contributions of all past interactions and of the customer's declared features to a score."""

    product_id: str
    score: float | None
    """Score of the model; None for `popularity`."""
    contributions: list[Contribution]
    """One per past interaction, largest first; with `feature_contributions`, their sum is the score."""
    feature_contributions: list[FeatureContribution]
    """One per known value of the customer's features, largest first; empty for a basket."""
    source: Source
    unknown_products: list[str]
    """Unknown products of the basket; they were ignored."""
