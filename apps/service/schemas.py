"""What goes into the service and what comes out, as its OpenAPI description tells it."""

from collections import defaultdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from apps import recommendation_queries
from apps.recommendation_queries import RecommendationQueries
from models_ml.inference.artifact import ModelCard

MAX_LIST_LENGTH = 1000
"""The longest list that can be asked for."""

MAX_BASKET_SIZE = 1000
"""Products in a basket, at the most."""

MAX_FILTER_SIZE = 10_000
"""Products in a filter, at the most."""

MAX_ID_LENGTH = 1000
"""Characters of an id, at the most."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH)]
ListLength = Annotated[int, Field(ge=1, le=MAX_LIST_LENGTH, description="How many products, at the most.")]


class ServiceSchema(BaseModel):
    """Ground of all of them."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Version(ServiceSchema):
    """What an answer was made from; it moves on when the shop publishes."""

    run_id: str | None = Field(examples=["20260209T231500000000Z"])
    """The model run; null before the first training."""

    published_copy: str = Field(examples=["recomart-20260209T232000000000Z.duckdb"])
    """The published copy."""

    published_at: datetime
    """When it was published (UTC)."""

    @classmethod
    def from_queries(cls, queries: RecommendationQueries) -> Self:
        """The version of a storefront."""
        published = queries.serving_copy.published
        return cls(run_id=published.run_id, published_copy=published.file, published_at=published.published_at)


class Recommendation(ServiceSchema):
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


class RecommendationList(ServiceSchema):
    """A list of offers, best first."""

    version: Version
    """What it was made from."""

    is_fallback: bool = Field(examples=[False])
    """True when nothing is known of whom or what was asked about: then it is what is popular, and `notes` says why."""

    recommendations: list[Recommendation]
    """Best first; fewer than asked for when no more may be offered."""

    notes: list[str] = Field(examples=[["not known to the model, left out: p999"]])
    """What there is to say about the list, for people."""

    @classmethod
    def from_result(cls, queries: RecommendationQueries, result: recommendation_queries.RecommendationList) -> Self:
        """An answer of the storefront."""
        names = [name for name in Recommendation.model_fields if name in result.recommendations]
        offers = [Recommendation(**row) for row in _to_rows(result.recommendations[names])]
        return cls(
            version=Version.from_queries(queries),
            is_fallback=result.is_fallback,
            recommendations=offers,
            notes=result.notes,
        )


class Contribution(ServiceSchema):
    """What one past product adds to a score."""

    product_id: str = Field(examples=["p00213"])
    """The past product."""

    product_name: str | None = Field(examples=["Galdra Slim Lantern"])
    """Its name."""

    contribution: float = Field(examples=[0.117])
    """What it adds; below zero when it speaks against the product."""


class Explanation(ServiceSchema):
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
    def from_result(cls, queries: RecommendationQueries, result: recommendation_queries.Explanation) -> Self:
        """An answer of the storefront."""
        return cls(
            version=Version.from_queries(queries),
            product_id=result.product_id,
            product_name=result.product_name,
            score=result.score,
            contributions=[Contribution(**row) for row in _to_rows(result.contributions)],
            is_fallback=result.is_fallback,
            notes=result.notes,
        )


class BasketItem(ServiceSchema):
    """A product that somebody holds or looks at."""

    product_id: Id = Field(examples=["p00213"])
    """The product."""

    strength: float | None = Field(default=None, gt=0, le=1e6, allow_inf_nan=False, examples=[5.0])
    """How strong the interest is, as the event weights count it (a view 1, a purchase 5, say); the mean of the training
    rows when left out. Strengths of a product that is named twice add up."""


class Basket(ServiceSchema):
    """What is known of somebody."""

    basket: list[BasketItem] = Field(max_length=MAX_BASKET_SIZE)
    """Products at hand. Those that the model does not know are left out and named in `notes`; when none is left, or the
    basket is empty, the answer is a fallback."""

    def sum_strengths(self, queries: RecommendationQueries) -> dict[str, float]:
        """Strength of each product."""
        totals: dict[str, float] = defaultdict(float)
        for item in self.basket:
            totals[item.product_id] += item.strength or queries.recommender.card.mean_strength
        return totals


class BasketRequest(Basket):
    """A basket to recommend for."""

    n: ListLength = 10

    allowed_products: list[Id] | None = Field(default=None, max_length=MAX_FILTER_SIZE, examples=[None])
    """Products to choose among; all that may be offered when left out."""

    excluded_products: list[Id] = Field(default=[], max_length=MAX_FILTER_SIZE, examples=[["p00300"]])
    """Products to leave out, besides those in the basket."""


class ExplanationRequest(Basket):
    """A basket and the product whose score is to be explained."""

    product_id: Id = Field(examples=["p00447"])
    """The product."""


class ModelInfo(ServiceSchema):
    """The model that answers."""

    version: Version
    """What answers are made from."""

    card: ModelCard
    """What the model is: data, settings, metrics, versions, checksums."""


class Health(ServiceSchema):
    """Whether the service can answer."""

    status: Literal["ok", "degraded"]
    """`degraded` when what was published last cannot be opened whole, copy and model: the version before still answers,
    or, when the service was started since, the copy alone does: its lists are there, what needs the model is not."""

    version: Version
    """What answers are made from."""

    problem: str | None
    """Why what was published last cannot be opened whole, and what to do."""


def _to_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with None for what is missing."""
    # Column by column, because pandas' own ways to rows without NaN take longer than DuckDB's answer.
    columns = [[None if value != value else value for value in column.tolist()] for _, column in table.items()]
    return [dict(zip(map(str, table.columns), row, strict=True)) for row in zip(*columns, strict=True)]
