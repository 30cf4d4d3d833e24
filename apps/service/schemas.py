"""Requests and responses of the service, as the OpenAPI description shows them."""

from collections import defaultdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import uuid4

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from apps.recommendations import recommendation_lists
from apps.recommendations.recommendation_queries import RecommendationQueries
from models_ml.inference.artifact import ModelCard

MAX_LIST_LENGTH = 1000
"""Maximum length of a list."""

MAX_FILTER_SIZE = 10_000
"""Maximum number of products in a filter."""

MAX_ID_LENGTH = 1000
"""Maximum number of characters of an id."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH)]
UserId = Annotated[
    Id | None,
    Field(
        description="Customer, for the log of recommendations. In an experiment, the customer decides the arm.",
        examples=["u00054"],
    ),
]
SessionId = Annotated[
    Id | None,
    Field(
        description="Session of the visitor, for the log of recommendations. In an experiment, it decides the arm of a "
        "request without a customer.",
        examples=["s0000042"],
    ),
]
Placement = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_ID_LENGTH,
        description="Place of the shop that shows the list, as declared in the seed `placements`; it decides the rules "
        "and the length of the list, and is in the log of recommendations.",
        examples=["email"],
    ),
]
ListLength = Annotated[int, Field(ge=1, le=MAX_LIST_LENGTH, description="Maximum number of products.")]


class ServiceSchema(BaseModel):
    """Base of all requests and responses; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Version(ServiceSchema):
    """The published version that a response comes from."""

    run_id: str | None = Field(examples=["20260209T231500000000Z"])
    """Run id of the model; null without a model."""

    published_copy: str = Field(examples=["recomart-00000012-20260209T232000000000Z.duckdb"])
    """File name of the published copy."""

    published_at: datetime
    """Time of publication (UTC)."""

    @classmethod
    def from_queries(cls, queries: RecommendationQueries) -> Self:
        """Return the version of the open copy."""
        published = queries.serving_copy.published
        return cls(run_id=published.run_id, published_copy=published.file, published_at=published.published_at)


class Recommendation(ServiceSchema):
    """A recommended product."""

    rank: int = Field(examples=[1])
    """Rank in the list, from 1."""

    product_id: str = Field(examples=["p00447"])
    """Product id."""

    product_name: str | None = Field(examples=["Galdra Smart Planter"])
    """Product name."""

    category: str | None = Field(examples=["garden"])
    """Category of the product; null when unknown."""

    brand: str | None = Field(examples=["galdra"])
    """Brand of the product; null when unknown."""

    price: float | None = Field(examples=[32.99])
    """Latest price of the product; null when unknown."""

    score: float | None = Field(examples=[0.422])
    """Score of the product, by `source`. `model`: the model's score, whose training target is 1 for a past product and
    0 for others; for similar products the cosine of the factors, from -1 to 1. `popularity`: recent popularity, the sum
    of the decayed event weights of all customers. `pinned`: null, because a rule sets the rank. Scores are comparable
    only within one source of one response."""

    source: Literal["model", "popularity", "pinned", "joint_orders", "purchases", "views"] = Field(examples=["model"])
    """Source of the recommendation: `model`, `popularity` when the model has too few products, `pinned` by a
    merchandising rule, `joint_orders` of the product or basket, or `purchases` or `views` of the customer."""

    reason: str = Field(examples=["Because you clicked on Galdra Slim Lantern"])
    """Reason of the recommendation, as a text for customers."""

    reason_product_id: str | None = Field(default=None, examples=["p00213"])
    """The past product that the reason names; null for popular and pinned products, for products in a place that is
    explored at random, and when a rule blocks the past product now."""


class RecommendationList(ServiceSchema):
    """A list of recommendations."""

    recommendation_id: str = Field(examples=["6f3f1c0f4d0a4a0c9a4e5a4b8a1f2c3d"])
    """Id of this response in the log of recommendations. Send it back with the impressions of its products, so that
    their effect is attributed to this list."""

    version: Version
    """The published version of this response."""

    is_fallback: bool = Field(examples=[False])
    """True when the customer, basket or product is unknown; then the list has popular products, see `notes`."""

    recommendations: list[Recommendation]
    """The recommendations, the best first; fewer than requested when no other product may be recommended."""

    notes: list[str] = Field(examples=[["unknown to the model, ignored: p999"]])
    """Notes on the list, as text."""

    experiment: str | None = Field(examples=["popular_or_personal"])
    """Experiment in which the customer or session takes part; null for none."""

    arm: str | None = Field(examples=["personal"])
    """Arm of the customer or session in the experiment; null for none."""

    @classmethod
    def from_result(cls, queries: RecommendationQueries, result: recommendation_lists.RecommendationList) -> Self:
        """Return a query result as a response."""
        names = [name for name in Recommendation.model_fields if name in result.recommendations]
        recommendations = [Recommendation(**row) for row in _to_rows(result.recommendations[names])]
        return cls(
            recommendation_id=uuid4().hex,
            version=Version.from_queries(queries),
            is_fallback=result.is_fallback,
            recommendations=recommendations,
            notes=result.notes,
            experiment=result.experiment,
            arm=result.arm,
        )


class Contribution(ServiceSchema):
    """The contribution of one past product to a score."""

    product_id: str = Field(examples=["p00213"])
    """Id of the past product."""

    product_name: str | None = Field(examples=["Galdra Slim Lantern"])
    """Product name."""

    contribution: float = Field(examples=[0.117])
    """Contribution to the score; negative when it lowers the score."""


class FeatureContribution(ServiceSchema):
    """The contribution of one declared feature of the customer to a score."""

    feature: str = Field(examples=["feat_user_plan.plan"])
    """The declared column, as model and column."""

    value: str = Field(examples=["gold"])
    """The category, the band of numbers or the word."""

    contribution: float = Field(examples=[0.031])
    """Contribution to the score; negative when it lowers the score."""


class Explanation(ServiceSchema):
    """The model's score of a product and the contributions of past products and of the customer's features."""

    version: Version
    """The published version of this response."""

    product_id: str = Field(examples=["p00447"])
    """Product id."""

    product_name: str | None = Field(examples=["Galdra Smart Planter"])
    """Product name."""

    score: float | None = Field(examples=[0.422])
    """The model's score; null for a fallback."""

    contributions: list[Contribution]
    """All past products, the largest contribution first; with those of the features they add up to the score."""

    feature_contributions: list[FeatureContribution]
    """All known features of the customer, the largest contribution first; empty for a basket."""

    is_fallback: bool = Field(examples=[False])
    """True when no past product of the customer or the basket, and no feature of the customer, is known."""

    notes: list[str] = Field(examples=[[]])
    """Notes on the explanation, as text."""

    @classmethod
    def from_result(cls, queries: RecommendationQueries, result: recommendation_lists.Explanation) -> Self:
        """Return a query result as a response."""
        return cls(
            version=Version.from_queries(queries),
            product_id=result.product_id,
            product_name=result.product_name,
            score=result.score,
            contributions=[Contribution(**row) for row in _to_rows(result.contributions)],
            feature_contributions=[FeatureContribution(**row) for row in _to_rows(result.feature_contributions)],
            is_fallback=result.is_fallback,
            notes=result.notes,
        )


class BasketItem(ServiceSchema):
    """A product in a basket."""

    product_id: Id = Field(examples=["p00213"])
    """Product id."""

    strength: float | None = Field(default=None, gt=0, le=1e6, allow_inf_nan=False, examples=[5.0])
    """Strength of the interest, on the scale of the event weights (for example a view 1, a purchase 5); by default the
    mean of the training rows. The strengths of repeated products are added."""


class Basket(ServiceSchema):
    """A basket of products."""

    # The length is limited by service_max_basket_items, while the body is parsed. Of each list only the first invalid
    # value is described: to describe ten thousand takes ten times as long as to read them.
    basket: list[BasketItem] = Field(fail_fast=True)
    """Products of the basket. Products unknown to the model are ignored and named in `notes`. If all are unknown, or
    the basket is empty, the response is a fallback."""

    def sum_strengths(self, queries: RecommendationQueries) -> dict[str, float]:
        """Return the total strength of each product."""
        totals: dict[str, float] = defaultdict(float)
        for item in self.basket:
            totals[item.product_id] += item.strength or queries.recommender.card.mean_strength
        return totals


class BasketRequest(Basket):
    """A request for recommendations for a basket."""

    n: ListLength = 10

    allowed_products: list[Id] | None = Field(default=None, max_length=MAX_FILTER_SIZE, fail_fast=True, examples=[None])
    """Only these products may be recommended; by default all recommendable products."""

    excluded_products: list[Id] = Field(default=[], max_length=MAX_FILTER_SIZE, fail_fast=True, examples=[["p00300"]])
    """These products, and those of the basket, are not recommended."""

    user_id: UserId = None

    session_id: SessionId = None

    placement: Placement = "basket"


class ExplanationRequest(Basket):
    """A request to explain the score of a product for a basket."""

    product_id: Id = Field(examples=["p00447"])
    """Id of the product to explain."""


class ModelInfo(ServiceSchema):
    """The published model."""

    version: Version
    """The published version."""

    card: ModelCard
    """Model card: data, settings, metrics, package versions and checksums."""


class LogHealth(ServiceSchema):
    """The state of the log of recommendations."""

    status: Literal["ok", "failing", "off"]
    """`failing` when answers cannot be logged, for example because the disk is full; they are sent nevertheless."""

    problem: str | None
    """Why answers cannot be logged; null when they can."""

    lost_count: int = Field(examples=[0])
    """Answers since the start of the service that were not logged."""


class Health(ServiceSchema):
    """The state of the service."""

    status: Literal["ok", "degraded"]
    """`degraded` when the copy or the model of the latest publication cannot be opened. Then the service uses the
    previous version. If the service has started since, it uses the latest copy without a model: published lists work,
    requests that need the model fail. Also when the file of the merchandising rules is damaged or missing: then
    only the blocks of its undamaged lines and those from before act."""

    version: Version
    """The published version."""

    problem: str | None
    """Why the service is degraded, and what to do; null otherwise."""

    log: LogHealth
    """The log of recommendations, which has no influence on `status`."""


def _to_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as dictionaries, with None for missing values."""
    # By column: pandas' own conversions to rows without NaN take longer than the DuckDB query.
    columns = [[None if value != value else value for value in column.tolist()] for _, column in table.items()]
    return [dict(zip(map(str, table.columns), row, strict=True)) for row in zip(*columns, strict=True)]
