"""What a recommender answers."""

from dataclasses import dataclass
from typing import Literal

Source = Literal["model", "popularity"]
"""What an answer rests on: `popularity` when the model knows nothing of whom or what was asked about."""


@dataclass(frozen=True)
class Recommendation:
    """One recommended product."""

    product_id: str
    score: float
    """Model score (the aim for past products is 1); cosine for similar products; for `popularity`, the number of
    customers."""
    reason_product_id: str | None
    """The past product that speaks for it most."""
    reason_share: float | None
    """That product's share of everything that speaks for it, in (0, 1]."""


@dataclass(frozen=True)
class Recommendations:
    """Products, best first, and what they rest on."""

    items: list[Recommendation]
    source: Source
    unknown_products: list[str]
    """Products that were asked about and that the model does not know; they were ignored."""


@dataclass(frozen=True)
class Contribution:
    """What one past interaction adds to a score."""

    product_id: str
    contribution: float
    """Below zero when it speaks against the product."""


@dataclass(frozen=True)
class Explanation:
    """A score taken apart."""

    product_id: str
    score: float | None
    """The model's score of the product; None for `popularity`, which has no past to go by."""
    contributions: list[Contribution]
    """Every past interaction, what speaks most for the product first; they add up to the score."""
    source: Source
    unknown_products: list[str]
    """Products of the basket that the model does not know; they were ignored."""
