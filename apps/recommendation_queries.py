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
from warehouse.publishing.live_copy import Published
from warehouse.publishing.merchandising_rules import PINNED_REASON, OfferRules
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

FALLBACK = "what is popular is offered instead"

LEFT_OUT = "the shop's rules or what was asked for"
"""Why a list that is made afresh may be shorter than was asked for."""


@dataclass(frozen=True)
class Offers:
    """Products for somebody, or beside a product, and what there is to say about them."""

    products: pd.DataFrame
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


class Storefront:
    """One version of what the shop offers: a published copy, and its model when a question needs it."""

    def __init__(self, settings: Settings, published: Published | None = None) -> None:
        """Open the copy that is live, or a given one; RecomartError when there is none or it is damaged."""
        self.copy = ServingCopy(settings, published)
        self._models_dir = settings.models_dir

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.copy.close()

    @property
    def recommender(self) -> Recommender:
        """The model that made the copy's lists; it offers what the shop may offer.

        Raises:
            RecomartError: No model has been trained, or its artifact is missing, damaged, or that of another run.
        """
        if isinstance(self._model, str):
            raise RecomartError(self._model)
        return self._model

    @cached_property
    def _model(self) -> "Recommender | str":
        """The model, or why there is none: one that is damaged is not read again for every question."""
        run_id = self.copy.published.run_id
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
        return recommender.offering(self.rules.offered)

    @cached_property
    def rules(self) -> OfferRules:
        """What the shop's analysts decided about its products."""
        return self.copy.offer_rules()

    @cached_property
    def _popularity(self) -> dict[str, int]:
        """The place of every product in the ranking by popularity, best first."""
        return {product_id: place for place, product_id in enumerate(self.copy.popularity())}

    def for_customer(self, user_id: str, n: int) -> Offers:
        """The published list of a customer, the shop's rules applied."""
        listed = self.copy.recommendations(user_id, n)
        if listed.empty and not self.copy.has_customer(user_id):
            return self._popular(n, [f"customer '{user_id}' is not known to the published copy; {FALLBACK}"])
        notes = _fewer(listed, n, "the shop's rules or dbt's variable top_n")
        return Offers(listed, is_fallback=False, notes=notes)

    def for_basket(
        self, basket: Basket, n: int, only: Collection[str] | None = None, without: Collection[str] = ()
    ) -> Offers:
        """A fresh list for somebody unknown, from the products at hand; what they hold is left out."""
        answer, best = self._picked(basket, n, only, without)
        notes = []
        if answer.unknown_products:
            notes.append(f"not known to the model, left out: {', '.join(answer.unknown_products)}")
        if answer.source == "popularity":
            notes.append(f"nothing in the basket is known to the model; {FALLBACK}")
            return self._popular(n, notes, only, [*without, *basket])
        offers = self._offers(n, best, [item.reason_product_id for item in best], "Goes with", notes)
        is_pinned = offers.products["product_id"].map(self.rules.is_pinned).astype(bool)
        offers.products.loc[is_pinned, ["source", "reason", "reason_product_id"]] = "pinned", PINNED_REASON, None
        return offers

    def similar(self, product_id: str, n: int) -> Offers:
        """The products most like a product."""
        answer = self.recommender.similar_items(product_id, n)
        if answer.source == "popularity":
            return self._popular(
                n, [f"product '{product_id}' is not known to the model; {FALLBACK}"], without=[product_id]
            )
        return self._offers(n, answer.items, [product_id] * len(answer.items), "Like", [])

    def explain(self, product_id: str, *, user_id: str | None = None, basket: Basket | None = None) -> Explanation:
        """What every past product of a customer, or of a basket, adds to the model's score of a product.

        Raises:
            UnknownIdError: The model does not know the product.
        """
        # Not the past that the model was trained on: lists are made anew every day, a model is not.
        past_of_customer = None if user_id is None else self.copy.interactions(user_id)
        answer = self.recommender.explain(product_id, basket=basket if past_of_customer is None else past_of_customer)
        notes = []
        if answer.unknown_products:
            notes.append(f"not known to the model, left out: {', '.join(answer.unknown_products)}")
        if answer.source == "popularity":
            who = "nothing in the basket" if user_id is None else f"no past of customer '{user_id}'"
            notes.append(f"{who} is known to the model: there is no score to explain")
        past = [part.product_id for part in answer.contributions]
        names = self.copy.products([product_id, *past]).set_index("product_id")["product_name"]
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

    def _picked(
        self, basket: Basket, n: int, only: Collection[str] | None, without: Collection[str]
    ) -> "tuple[Recommendations, list[Recommendation]]":
        """The list that the shop's rules make of the model's ranking, and what the model says of its products."""
        ranking = self.recommender.ranking(basket, n, only=only, without=[*without, *self.rules.pinned])
        allowed = None if only is None else frozenset(only)
        best = self.rules.best(ranking, n, only=allowed, without=[*without, *basket])
        answer = self.recommender.recommend(basket=basket, n=n, only=best)
        known = {item.product_id: item for item in answer.items}
        # What the model does not know yet is pinned all the same.
        return answer, [known.get(product, Recommendation(product, 0.0, None, None)) for product in best]

    def _offers(
        self, n: int, items: "Sequence[Recommendation]", reasons: Sequence[str | None], wording: str, notes: list[str]
    ) -> Offers:
        products = [item.product_id for item in items]
        scores = [item.score for item in items]
        found = self.copy.offers(products, scores, reasons, wording)
        return Offers(found, is_fallback=False, notes=[*notes, *_fewer(found, n, LEFT_OUT)])

    def _popular(
        self, n: int, notes: list[str], only: Collection[str] | None = None, without: Collection[str] = ()
    ) -> Offers:
        ranking = self._popularity
        if only is not None:
            named = sorted(ranking.keys() & only, key=ranking.__getitem__)
            ranking = {product_id: ranking[product_id] for product_id in named}
        best = self.rules.best(ranking, n, only=ranking, without=without)
        found = self.copy.popular_offers(best)
        return Offers(found, is_fallback=True, notes=[*notes, *_fewer(found, n, LEFT_OUT)])


def _fewer(found: pd.DataFrame, n: int, because: str) -> list[str]:
    """A note when there are fewer than were asked for."""
    return [f"there are {len(found)} to show: {because} leave no more"] if len(found) < n else []
