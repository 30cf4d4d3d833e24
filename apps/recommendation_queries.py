"""Recommendations, similar products and explanations from one published copy and its model.

The service and the command line use this module.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import pandas as pd

from models_ml.errors import ModelError
from models_ml.inference.baskets import Basket
from models_ml.inference.recommender import Recommender
from models_ml.inference.results import Recommendation, Recommendations
from warehouse.errors import RecomartError
from warehouse.formatting import format_count, format_names
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.merchandising_rules import MerchandisingRules
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

FALLBACK_NOTE = "popular products are recommended instead"

FILTERED_LIST_REASON = "the merchandising rules or the filters of the request"
"""Why a list that is not a published one can be shorter than requested."""


@dataclass(frozen=True)
class RecommendationList:
    """Recommended or similar products, with notes for the reader."""

    recommendations: pd.DataFrame
    """Columns rank, product_id, product_name, category, brand, price, score, source, reason; best product first. The
    score of a pinned product is missing, because its rank does not come from a score."""

    is_fallback: bool
    """Whether the customer, basket or product is unknown and the list has popular products instead."""

    notes: list[str] = field(default_factory=list)


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


class NoModelError(RecomartError):
    """No model has been trained yet."""


class ModelUnavailableError(RecomartError):
    """The artifact of the published model is missing, damaged, unreadable or of another run."""


class RecommendationQueries:
    """Queries over one published copy and its model; the model is loaded when a query needs it."""

    def __init__(self, settings: Settings, published: PublishedCopy | None = None) -> None:
        """Open the live copy, or a given one.

        Raises:
            RecomartError: Nothing is published, or the copy is damaged.
        """
        self.serving_copy = ServingCopy(settings, published)
        self._models_dir = settings.models_dir

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.serving_copy.close()

    @property
    def recommender(self) -> Recommender:
        """The model of the published copy, restricted to the products that may be recommended.

        Raises:
            NoModelError: No model has been trained.
            ModelUnavailableError: The artifact of the model is missing, damaged, unreadable or of another run.
        """
        if isinstance(self._model_or_error, Recommender):
            return self._model_or_error
        error_type = NoModelError if self.serving_copy.published.run_id is None else ModelUnavailableError
        raise error_type(self._model_or_error)

    @cached_property
    def _model_or_error(self) -> Recommender | str:
        """The model, or the error message; cached, so that a damaged model is not read again by each query."""
        run_id = self.serving_copy.published.run_id
        if run_id is None:
            return "no model serves. Run `recomart run`, or read in `recomart models` why a trained model was rejected"
        folder = self._models_dir / run_id
        try:
            recommender = Recommender.load(folder)
        except ModelError as error:
            return f"{error} (`recomart run` trains and publishes another model)"
        if recommender.card.run_id != run_id:
            return (
                f"{folder} holds the model of run {recommender.card.run_id}. Restore the model of this run, or run "
                "`recomart run` to train and publish another one"
            )
        return recommender.restrict_products(self.rules.recommendable_products)

    @cached_property
    def rules(self) -> MerchandisingRules:
        """The merchandising rules of the copy."""
        return self.serving_copy.get_merchandising_rules()

    @cached_property
    def _popularity_ranks(self) -> dict[str, int]:
        """Position of each product in the popularity ranking, from 0."""
        return {product_id: position for position, product_id in enumerate(self.serving_copy.get_popularity_ranking())}

    def recommend_for_customer(self, user_id: str, n: int) -> RecommendationList:
        """Return the published recommendations of a customer; popular products for an unknown customer."""
        recommendations = _remove_pinned_scores(self.serving_copy.get_recommendations(user_id, n))
        if recommendations.empty and not self.serving_copy.has_customer(user_id):
            if isinstance(self._model_or_error, Recommender) and self._model_or_error.is_known_user(user_id):
                return self._recommend_by_features(user_id, n)
            return self._recommend_popular(
                n, [f"customer '{user_id}' is unknown to the published copy; {FALLBACK_NOTE}"]
            )
        notes = _note_short_list(recommendations, n, "the merchandising rules or the dbt variable top_n")
        return RecommendationList(recommendations, is_fallback=False, notes=notes)

    def _recommend_by_features(self, user_id: str, n: int) -> RecommendationList:
        """Rank products for a new customer, who has declared features and is not in the copy."""
        _, best_items = self._rank_under_rules({}, n, None, (), user_id)
        notes = [f"customer '{user_id}' has no actions; the list comes from the customer's features"]
        return self._build_list(n, best_items, [None] * len(best_items), "more_from_shop", notes)

    def recommend_for_basket(
        self,
        basket: Basket,
        n: int,
        allowed_products: Collection[str] | None = None,
        excluded_products: Collection[str] = (),
    ) -> RecommendationList:
        """Rank products for a basket; the products of the basket are excluded."""
        model_result, best_items = self._rank_under_rules(basket, n, allowed_products, excluded_products)
        notes = []
        if model_result.unknown_products:
            notes.append(_note_unknown_products(model_result.unknown_products))
        is_fallback = model_result.source == "popularity"
        # A pinned product, and a popular product of a fallback, may be unknown to the model.
        other_known_products = self._popularity_ranks.keys() if is_fallback else self.rules.pinned_products
        unknown_allowed_products = [
            product
            for product in dict.fromkeys(allowed_products or ())
            if product not in self.recommender.products and product not in other_known_products
        ]
        if unknown_allowed_products:
            notes.append(f"allowed products unknown to the model, ignored: {format_names(unknown_allowed_products)}")
        if is_fallback:
            notes.append(f"no product of the basket is known; {FALLBACK_NOTE}")
            return self._recommend_popular(n, notes, allowed_products, [*excluded_products, *basket])
        result = self._build_list(n, best_items, [item.reason_product_id for item in best_items], "goes_with", notes)
        is_pinned = result.recommendations["product_id"].map(self.rules.is_pinned).astype(bool)
        pinned_reason = self.serving_copy.get_reason_text("pinned")
        result.recommendations.loc[is_pinned, ["source", "reason", "reason_product_id"]] = "pinned", pinned_reason, None
        return replace(result, recommendations=_remove_pinned_scores(result.recommendations))

    def find_similar(self, product_id: str, n: int) -> RecommendationList:
        """Return the products most similar to a product; popular products for an unknown product."""
        similar_products = self.recommender.find_similar_products(product_id, n)
        if similar_products.source == "popularity":
            return self._recommend_popular(
                n,
                [f"product '{product_id}' is unknown to the model; {FALLBACK_NOTE}"],
                excluded_products=[product_id],
            )
        return self._build_list(n, similar_products.items, [product_id] * len(similar_products.items), "similar", [])

    def explain(self, product_id: str, *, user_id: str | None = None, basket: Basket | None = None) -> Explanation:
        """Return what each past product of a customer or of a basket, and each feature, adds to a product's score.

        Raises:
            UnknownIdError: The product is unknown.
        """
        # The published interactions, which the lists are scored with, may be newer than the model's training data.
        interactions = None if user_id is None else self.serving_copy.get_interactions(user_id)
        explanation = self.recommender.explain(
            product_id,
            user_id=user_id,
            basket=basket if interactions is None else interactions,
            repeat_scores=None if user_id is None else self.serving_copy.get_repeat_scores(user_id),
        )
        notes = []
        if explanation.unknown_products:
            notes.append(_note_unknown_products(explanation.unknown_products))
        if explanation.source == "popularity":
            owner = "the basket" if user_id is None else f"customer '{user_id}'"
            notes.append(f"no past product of {owner} is known: there is no score to explain")
        past_products = [part.product_id for part in explanation.contributions]
        names = self.serving_copy.get_products([product_id, *past_products]).set_index("product_id")["product_name"]
        contributions = pd.DataFrame(
            {
                "product_id": past_products,
                "product_name": [names.get(product) for product in past_products],
                "contribution": [part.contribution for part in explanation.contributions],
            }
        )
        return Explanation(
            product_id,
            names.get(product_id),
            explanation.score,
            contributions,
            pd.DataFrame(
                [vars(part) for part in explanation.feature_contributions],
                columns=["feature", "value", "contribution"],
            ),
            is_fallback=explanation.source == "popularity",
            notes=notes,
        )

    def _rank_under_rules(
        self,
        basket: Basket,
        n: int,
        allowed_products: Collection[str] | None,
        excluded_products: Collection[str],
        user_id: str | None = None,
    ) -> tuple[Recommendations, list[Recommendation]]:
        """Apply the merchandising rules to the model's ranking; return the model's answer and the ranked products."""
        ranking = self.recommender.iter_ranking(
            basket,
            n,
            user_id=user_id,
            allowed_products=allowed_products,
            excluded_products=[*excluded_products, *self.rules.pinned_products],
        )
        allowed_set = None if allowed_products is None else frozenset(allowed_products)
        best_product_ids = self.rules.apply(
            ranking, n, allowed_products=allowed_set, excluded_products=[*excluded_products, *basket]
        )
        recommendations = self.recommender.recommend(
            user_id=user_id, basket=basket, n=n, allowed_products=best_product_ids
        )
        items_by_product = {item.product_id: item for item in recommendations.items}
        # A pinned product may be unknown to the model.
        return recommendations, [
            items_by_product.get(product, Recommendation(product, 0.0)) for product in best_product_ids
        ]

    def _build_list(
        self,
        n: int,
        items: Sequence[Recommendation],
        reasons: Sequence[str | None],
        reason_key: str,
        notes: list[str],
    ) -> RecommendationList:
        products = [item.product_id for item in items]
        scores = [item.score for item in items]
        recommendations = self.serving_copy.build_recommendations(products, scores, reasons, reason_key)
        return RecommendationList(
            recommendations,
            is_fallback=False,
            notes=[*notes, *_note_short_list(recommendations, n, FILTERED_LIST_REASON)],
        )

    def _recommend_popular(
        self,
        n: int,
        notes: list[str],
        allowed_products: Collection[str] | None = None,
        excluded_products: Collection[str] = (),
    ) -> RecommendationList:
        ranking = self._popularity_ranks
        if allowed_products is not None:
            ranked_products = sorted(ranking.keys() & allowed_products, key=ranking.__getitem__)
            ranking = {product_id: ranking[product_id] for product_id in ranked_products}
        best_product_ids = self.rules.apply(ranking, n, allowed_products=ranking, excluded_products=excluded_products)
        recommendations = _remove_pinned_scores(self.serving_copy.get_popular_recommendations(best_product_ids))
        return RecommendationList(
            recommendations,
            is_fallback=True,
            notes=[*notes, *_note_short_list(recommendations, n, FILTERED_LIST_REASON)],
        )


def _remove_pinned_scores(recommendations: pd.DataFrame) -> pd.DataFrame:
    """Return the recommendations without the scores of pinned products."""
    return recommendations.assign(score=recommendations["score"].mask(recommendations["source"] == "pinned"))


def _note_short_list(recommendations: pd.DataFrame, n: int, reason: str) -> list[str]:
    """Return a note when the list is shorter than requested."""
    count = len(recommendations)
    return [f"the list has {format_count(count, 'product')}; {reason} allow no more"] if count < n else []


def _note_unknown_products(product_ids: Sequence[str]) -> str:
    return f"unknown to the model, ignored: {format_names(product_ids)}"
