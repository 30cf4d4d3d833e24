"""What goes into the service and what comes out, as its OpenAPI description tells it."""

from collections import defaultdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from apps import recommendation_queries
from apps.recommendation_queries import Storefront
from models_ml.inference.artifact import ModelCard

MOST_PRODUCTS = 1000
"""The longest list that can be asked for."""

LARGEST_BASKET = 1000
"""Products in a basket, at the most."""

LARGEST_FILTER = 10_000
"""Products in a filter, at the most."""

LONGEST_ID = 1000
"""Characters of an id, at the most."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID)]
HowMany = Annotated[int, Field(ge=1, le=MOST_PRODUCTS, description="How many products, at the most.")]


class Schema(BaseModel):
    """Ground of all of them."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Version(Schema):
    """What an answer was made from; it moves on when the shop publishes."""

    run_id: str | None = Field(examples=["20260209T231500000000Z"])
    """The model run; null before the first training."""

    published_copy: str = Field(examples=["recomart-20260209T232000000000Z.duckdb"])
    """The published copy."""

    published_at: datetime
    """When it was published (UTC)."""

    @classmethod
    def of(cls, live: Storefront) -> Self:
        """The version of a storefront."""
        published = live.copy.published
        return cls(run_id=published.run_id, published_copy=published.file, published_at=published.published_at)


class Offer(Schema):
    """A product that is offered."""

    rank: int = Field(examples=[1])
    """Place in the list, from 1."""

    product_id: str = Field(examples=["p00447"])
    """The product."""

    product_name: str | None = Field(examples=["Galdra Smart Planter"])
    """Its name."""

    category: str | None = Field(examples=["garden"])
    """Its category; null when unknown."""

    brand: str | None = Field(examples=["galdra"])
    """Its brand; null when unknown."""

    price: float | None = Field(examples=[32.99])
    """Its newest price; null when unknown."""

    score: float = Field(examples=[0.422])
    """The model's score; the cosine for similar products; recent popularity where `source` says so. Compare it within
    one source of one answer only."""

    source: Literal["model", "popularity", "pinned"] = Field(examples=["model"])
    """What put it there: the model, popularity where the model has nothing (more) to offer, or the shop's analysts."""

    reason: str = Field(examples=["Because you clicked on Galdra Slim Lantern"])
    """Why it is offered, in words for people."""

    reason_product_id: str | None = Field(default=None, examples=["p00213"])
    """The past product that the reason names; null when popularity or the shop speaks."""


class Offers(Schema):
    """A list of offers, best first."""

    version: Version
    """What it was made from."""

    is_fallback: bool = Field(examples=[False])
    """True when nothing is known of whom or what was asked about: then it is what is popular, and `notes` says why."""

    offers: list[Offer]
    """Best first; fewer than asked for when no more may be offered."""

    notes: list[str] = Field(examples=[["not known to the model, left out: p999"]])
    """What there is to say about the list, for people."""

    @classmethod
    def of(cls, live: Storefront, answer: recommendation_queries.Offers) -> Self:
        """An answer of the storefront."""
        names = [name for name in Offer.model_fields if name in answer.products]
        offers = [Offer(**row) for row in _records(answer.products[names])]
        return cls(version=Version.of(live), is_fallback=answer.is_fallback, offers=offers, notes=answer.notes)


class Contribution(Schema):
    """What one past product adds to a score."""

    product_id: str = Field(examples=["p00213"])
    """The past product."""

    product_name: str | None = Field(examples=["Galdra Slim Lantern"])
    """Its name."""

    contribution: float = Field(examples=[0.117])
    """What it adds; below zero when it speaks against the product."""


class Explanation(Schema):
    """The model's score of a product, taken apart."""

    version: Version
    """What it was made from."""

    product_id: str = Field(examples=["p00447"])
    """The product."""

    product_name: str | None = Field(examples=["Galdra Smart Planter"])
    """Its name."""

    score: float | None = Field(examples=[0.422])
    """The model's score; null when nothing is known of the customer or the basket."""

    contributions: list[Contribution]
    """Every past product, what speaks most for the product first; they add up to the score."""

    is_fallback: bool = Field(examples=[False])
    """True when nothing is known of the customer or the basket."""

    notes: list[str] = Field(examples=[[]])
    """What there is to say about it, for people."""

    @classmethod
    def of(cls, live: Storefront, answer: recommendation_queries.Explanation) -> Self:
        """An answer of the storefront."""
        return cls(
            version=Version.of(live),
            product_id=answer.product_id,
            product_name=answer.product_name,
            score=answer.score,
            contributions=[Contribution(**row) for row in _records(answer.contributions)],
            is_fallback=answer.is_fallback,
            notes=answer.notes,
        )


class BasketItem(Schema):
    """A product that somebody holds or looks at."""

    product_id: Id = Field(examples=["p00213"])
    """The product."""

    strength: float | None = Field(default=None, gt=0, le=1e6, allow_inf_nan=False, examples=[5.0])
    """How strong the interest is, as the event weights count it (a view 1, a purchase 5, say); the mean of the training
    rows when left out. Strengths of a product that is named twice add up."""


class Basket(Schema):
    """What is known of somebody."""

    basket: list[BasketItem] = Field(max_length=LARGEST_BASKET)
    """Products at hand. Those that the model does not know are left out and named in `notes`; when none is left, or the
    basket is empty, the answer is a fallback."""

    def strengths(self, live: Storefront) -> dict[str, float]:
        """Strength of each product."""
        totals: dict[str, float] = defaultdict(float)
        for item in self.basket:
            totals[item.product_id] += item.strength or live.recommender.card.mean_strength
        return totals


class BasketRequest(Basket):
    """A basket to recommend for."""

    n: HowMany = 10

    only: list[Id] | None = Field(default=None, max_length=LARGEST_FILTER, examples=[None])
    """Products to choose among; all that may be offered when left out."""

    without: list[Id] = Field(default=[], max_length=LARGEST_FILTER, examples=[["p00300"]])
    """Products to leave out, besides those in the basket."""


class ExplanationRequest(Basket):
    """A basket and the product whose score is to be explained."""

    product_id: Id = Field(examples=["p00447"])
    """The product."""


class Model(Schema):
    """The model that answers."""

    version: Version
    """What answers are made from."""

    card: ModelCard
    """What the model is: data, settings, metrics, versions, checksums."""


class Health(Schema):
    """Whether the service can answer."""

    status: Literal["ok", "degraded"]
    """`degraded` when what was published last cannot be opened whole, copy and model: the version before still answers,
    or, when the service was started since, the copy alone does: its lists are there, what needs the model is not."""

    version: Version
    """What answers are made from."""

    problem: str | None
    """Why what was published last cannot be opened whole, and what to do."""


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with None for what is missing."""
    # Column by column, because pandas' own ways to rows without NaN take longer than DuckDB's answer.
    columns = [[None if value != value else value for value in column.tolist()] for _, column in table.items()]
    return [dict(zip(map(str, table.columns), row, strict=True)) for row in zip(*columns, strict=True)]
