"""What one published copy and the model that it names answer; the service and the command line ask here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import pandas as pd

from models_ml.errors import ModelError
from models_ml.inference.recommender import Basket, Recommender
from models_ml.inference.results import Recommendation, Recommendations
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.merchandising_rules import PINNED_REASON, MerchandisingRules
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

FALLBACK_NOTE = "what is popular is offered instead"

FILTERED_LIST_REASON = "the shop's rules or what was asked for"
"""Why a list that is made afresh may be shorter than was asked for."""


@dataclass(frozen=True)
class RecommendationList:
    """Products for somebody, or beside a product, and what there is to say about them."""

    recommendations: pd.DataFrame
    """rank, product_id, product_name, category, brand, price, score, source, reason; best first."""

    is_fallback: bool
    """Whether nothing is known of whom or what was asked about: then it is what is popular."""

    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Explanation:
    """A score taken apart."""

    product_id: str
    product_name: str | None
    score: float | None
    """The model's score; None for a fallback."""

    contributions: pd.DataFrame
    """product_id, product_name, contribution of every past product, the largest first; they add up to the score."""

    is_fallback: bool
    notes: list[str]


class RecommendationQueries:
    """One version of what the shop offers: a published copy, and its model when a question needs it."""

    def __init__(self, settings: Settings, published: PublishedCopy | None = None) -> None:
        """Open the copy that is live, or a given one; RecomartError when there is none or it is damaged."""
        self.serving_copy = ServingCopy(settings, published)
        self._models_dir = settings.models_dir

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.serving_copy.close()

    @property
    def recommender(self) -> Recommender:
        """The model that made the copy's lists; it offers what the shop may offer.

        Raises:
            RecomartError: No model has been trained, or its artifact is missing, damaged, or that of another run.
        """
        if isinstance(self._model_or_error, str):
            raise RecomartError(self._model_or_error)
        return self._model_or_error

    @cached_property
    def _model_or_error(self) -> "Recommender | str":
        """The model, or why there is none: one that is damaged is not read again for every question."""
        run_id = self.serving_copy.published.run_id
        if run_id is None:
            return "no model has been trained; run `recomart run` first"
        folder = self._models_dir / run_id
        mend = f"restore {folder}, or run `recomart run`, which trains another one and publishes its lists"
        try:
            recommender = Recommender.load(folder)
        except ModelError as error:
            return f"{error}; {mend}"
        if recommender.card.run_id != run_id:
            return f"{folder} holds the model of run {recommender.card.run_id}; {mend}"
        return recommender.restrict_products(self.rules.recommendable_products)

    @cached_property
    def rules(self) -> MerchandisingRules:
        """What the shop's analysts decided about its products."""
        return self.serving_copy.get_merchandising_rules()

    @cached_property
    def _popularity_ranks(self) -> dict[str, int]:
        """The place of every product in the ranking by popularity, best first."""
        return {product_id: place for place, product_id in enumerate(self.serving_copy.get_popularity_ranking())}

    def recommend_for_customer(self, user_id: str, n: int) -> RecommendationList:
        """The published list of a customer, the shop's rules applied."""
        listed = self.serving_copy.get_recommendations(user_id, n)
        if listed.empty and not self.serving_copy.has_customer(user_id):
            return self._recommend_popular(
                n, [f"customer '{user_id}' is not known to the published copy; {FALLBACK_NOTE}"]
            )
        notes = _note_short_list(listed, n, "the shop's rules or dbt's variable top_n")
        return RecommendationList(listed, is_fallback=False, notes=notes)

    def recommend_for_basket(
        self,
        basket: Basket,
        n: int,
        allowed_products: Collection[str] | None = None,
        excluded_products: Collection[str] = (),
    ) -> RecommendationList:
        """A fresh list for somebody unknown, from the products at hand; what they hold is left out."""
        answer, best = self._rank_under_rules(basket, n, allowed_products, excluded_products)
        notes = []
        if answer.unknown_products:
            notes.append(f"not known to the model, left out: {', '.join(answer.unknown_products)}")
        if answer.source == "popularity":
            notes.append(f"nothing in the basket is known to the model; {FALLBACK_NOTE}")
            return self._recommend_popular(n, notes, allowed_products, [*excluded_products, *basket])
        offers = self._build_list(n, best, [item.reason_product_id for item in best], "Goes with", notes)
        is_pinned = offers.recommendations["product_id"].map(self.rules.is_pinned).astype(bool)
        offers.recommendations.loc[is_pinned, ["source", "reason", "reason_product_id"]] = "pinned", PINNED_REASON, None
        return offers

    def find_similar(self, product_id: str, n: int) -> RecommendationList:
        """The products most like a product."""
        answer = self.recommender.similar_items(product_id, n)
        if answer.source == "popularity":
            return self._recommend_popular(
                n,
                [f"product '{product_id}' is not known to the model; {FALLBACK_NOTE}"],
                excluded_products=[product_id],
            )
        return self._build_list(n, answer.items, [product_id] * len(answer.items), "Like", [])

    def explain(self, product_id: str, *, user_id: str | None = None, basket: Basket | None = None) -> Explanation:
        """What every past product of a customer, or of a basket, adds to the model's score of a product.

        Raises:
            UnknownIdError: The model does not know the product.
        """
        # Not the past that the model was trained on: lists are made anew every day, a model is not.
        past_of_customer = None if user_id is None else self.serving_copy.get_interactions(user_id)
        answer = self.recommender.explain(product_id, basket=basket if past_of_customer is None else past_of_customer)
        notes = []
        if answer.unknown_products:
            notes.append(f"not known to the model, left out: {', '.join(answer.unknown_products)}")
        if answer.source == "popularity":
            who = "nothing in the basket" if user_id is None else f"no past of customer '{user_id}'"
            notes.append(f"{who} is known to the model: there is no score to explain")
        past = [part.product_id for part in answer.contributions]
        names = self.serving_copy.get_products([product_id, *past]).set_index("product_id")["product_name"]
        contributions = pd.DataFrame(
            {
                "product_id": past,
                "product_name": [names.get(product) for product in past],
                "contribution": [part.contribution for part in answer.contributions],
            }
        )
        return Explanation(
            product_id,
            names.get(product_id),
            answer.score,
            contributions,
            is_fallback=answer.source == "popularity",
            notes=notes,
        )

    def _rank_under_rules(
        self, basket: Basket, n: int, allowed_products: Collection[str] | None, excluded_products: Collection[str]
    ) -> "tuple[Recommendations, list[Recommendation]]":
        """The list that the shop's rules make of the model's ranking, and what the model says of its products."""
        ranking = self.recommender.iter_ranking(
            basket,
            n,
            allowed_products=allowed_products,
            excluded_products=[*excluded_products, *self.rules.pinned_products],
        )
        allowed = None if allowed_products is None else frozenset(allowed_products)
        best = self.rules.apply(ranking, n, allowed_products=allowed, excluded_products=[*excluded_products, *basket])
        answer = self.recommender.recommend(basket=basket, n=n, allowed_products=best)
        known = {item.product_id: item for item in answer.items}
        # What the model does not know yet is pinned all the same.
        return answer, [known.get(product, Recommendation(product, 0.0, None, None)) for product in best]

    def _build_list(
        self,
        n: int,
        items: "Sequence[Recommendation]",
        reasons: Sequence[str | None],
        reason_prefix: str,
        notes: list[str],
    ) -> RecommendationList:
        products = [item.product_id for item in items]
        scores = [item.score for item in items]
        found = self.serving_copy.build_recommendations(products, scores, reasons, reason_prefix)
        return RecommendationList(
            found, is_fallback=False, notes=[*notes, *_note_short_list(found, n, FILTERED_LIST_REASON)]
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
            named = sorted(ranking.keys() & allowed_products, key=ranking.__getitem__)
            ranking = {product_id: ranking[product_id] for product_id in named}
        best = self.rules.apply(ranking, n, allowed_products=ranking, excluded_products=excluded_products)
        found = self.serving_copy.get_popular_recommendations(best)
        return RecommendationList(
            found, is_fallback=True, notes=[*notes, *_note_short_list(found, n, FILTERED_LIST_REASON)]
        )


def _note_short_list(recommendations: pd.DataFrame, n: int, reason: str) -> list[str]:
    """A note when there are fewer than were asked for."""
    return [f"there are {len(recommendations)} to show: {reason} leave no more"] if len(recommendations) < n else []
