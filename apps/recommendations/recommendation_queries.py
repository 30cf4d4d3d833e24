"""Recommendations, similar products and explanations from one published copy and its model.

The service, the command line and the app use this module.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Self

import pandas as pd

from apps.recommendations.arm_models import NO_LIST_POLICY, POPULARITY_POLICY, ArmModels
from apps.recommendations.live_blocks import LiveBlocks
from apps.recommendations.product_explanations import explain_product
from apps.recommendations.recommendation_lists import (
    Explanation,
    RecommendationList,
    interleave,
    note_short_list,
    note_short_placement_list,
    note_unknown_products,
    remove_pinned_scores,
)
from models_ml.inference.baskets import Basket
from models_ml.inference.recommender import Recommender
from models_ml.inference.results import Recommendation, Recommendations
from warehouse.experiments import ExperimentArm
from warehouse.formatting import format_names
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.merchandising_rules import MerchandisingRules
from warehouse.publishing.placement_queries import (
    CATEGORY_KINDS,
    HOME,
    Placement,
    find_list_category,
    read_placement_list,
)
from warehouse.publishing.reason_circles import copy_reasons, replace_circular_reasons
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

FALLBACK_NOTE = "popular products are recommended instead"

FILTERED_LIST_REASON = "the merchandising rules or the filters of the request"
"""Why a list that is not a published one can be shorter than requested."""


class RecommendationQueries:
    """Queries over one published copy and its model; the model is loaded when a query needs it."""

    def __init__(self, settings: Settings, published: PublishedCopy | None = None) -> None:
        """Open the live copy, or a given one.

        Raises:
            RecomartError: Nothing is published, or the copy is damaged.
        """
        self.serving_copy = ServingCopy(settings, published)
        self.arm_models = ArmModels(self.serving_copy, settings.models_dir)
        self._live_blocks = LiveBlocks(settings, self.serving_copy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.serving_copy.close()

    @property
    def recommender(self) -> Recommender:
        """The model of the published copy; see `ArmModels.get_recommender`."""
        return self.arm_models.get_recommender(None)

    @property
    def rules(self) -> MerchandisingRules:
        """The merchandising rules of the copy."""
        return self.arm_models.get_rules(None)

    @cached_property
    def _popularity_ranks(self) -> dict[str, int]:
        """Position of each product in the popularity ranking, from 0."""
        return {product_id: position for position, product_id in enumerate(self.serving_copy.get_popularity_ranking())}

    def describe_problem(self) -> str | None:
        """Return why the lists may not follow some blocks of products; None if they follow all."""
        return self._live_blocks.describe_problem()

    def recommend_for_customer(self, user_id: str, n: int) -> RecommendationList:
        """Return the published recommendations of a customer; popular products for an unknown customer.

        In an experiment, the list is that of the customer's arm.
        """
        arm = self.arm_models.assign_arm(user_id)
        return self._add_arm(self._recommend_for_customer(user_id, n, arm), arm)

    def _recommend_for_customer(self, user_id: str, n: int, arm: ExperimentArm | None) -> RecommendationList:
        if arm is not None and arm.policy == NO_LIST_POLICY:
            return self._build_holdout_list(f"customer '{user_id}'", arm)
        recommendations = remove_pinned_scores(self._live_blocks.get_recommendations(user_id, n))
        if recommendations.empty and not self.serving_copy.has_customer(user_id):
            if arm is None or arm.policy != POPULARITY_POLICY:
                recommender = self.arm_models.find_recommender(arm)
                if isinstance(recommender, Recommender) and recommender.is_known_user(user_id):
                    return self._recommend_by_features(user_id, n, arm)
            return self._recommend_popular(
                n, [f"customer '{user_id}' is unknown to the published copy; {FALLBACK_NOTE}"], arm
            )
        notes = note_short_list(recommendations, n, "the merchandising rules or the dbt variable top_n")
        return RecommendationList(recommendations, is_fallback=False, notes=notes)

    def _recommend_by_features(self, user_id: str, n: int, arm: ExperimentArm | None) -> RecommendationList:
        """Rank products for a new customer, who has declared features and is not in the copy."""
        _, best_items = self._rank_under_rules({}, n, None, (), arm, user_id)
        notes = [f"customer '{user_id}' has no actions; the list comes from the customer's features"]
        return self._build_list(n, best_items, [None] * len(best_items), ["more_from_shop"] * len(best_items), notes)

    def recommend_for_basket(
        self,
        basket: Basket,
        n: int,
        allowed_products: Collection[str] | None = None,
        excluded_products: Collection[str] = (),
        *,
        visitor_id: str | None = None,
        placement: str = "basket",
    ) -> RecommendationList:
        """Rank products for a basket; the products of the basket are excluded.

        Each second product is one of the same orders, as long as there are some. In an experiment, `visitor_id`, a
        customer or session, decides the arm; without one, the published model ranks.
        """
        arm = self.arm_models.assign_arm(visitor_id)
        result = self._recommend_for_basket(basket, n, allowed_products, excluded_products, arm, placement)
        return self._add_arm(result, arm)

    def _recommend_for_basket(
        self,
        basket: Basket,
        n: int,
        allowed_products: Collection[str] | None,
        excluded_products: Collection[str],
        arm: ExperimentArm | None,
        placement: str,
    ) -> RecommendationList:
        if arm is not None and arm.policy == NO_LIST_POLICY:
            return self._build_holdout_list("the visitor", arm)
        if arm is not None and arm.policy == POPULARITY_POLICY:
            result = self._recommend_popular(n, [], arm, allowed_products, [*excluded_products, *basket], placement)
            return replace(result, is_fallback=False)
        pairs = self.serving_copy.get_bought_together(list(basket)).set_index("product_id")
        model_result, best_items = self._rank_under_rules(
            basket, n, allowed_products, excluded_products, arm, placement=placement, bought_together=list(pairs.index)
        )
        notes = []
        if model_result.unknown_products:
            notes.append(note_unknown_products(model_result.unknown_products))
        is_fallback = model_result.source == "popularity"
        rules = self.arm_models.get_rules(arm, placement)
        # A pinned product, and a popular product of a fallback, may be unknown to the model.
        other_known_products = self._popularity_ranks.keys() if is_fallback else rules.pinned_products
        known_products = self.arm_models.get_recommender(arm).products
        unknown_allowed_products = [
            product
            for product in dict.fromkeys(allowed_products or ())
            if product not in known_products and product not in other_known_products
        ]
        if unknown_allowed_products:
            notes.append(f"allowed products unknown to the model, ignored: {format_names(unknown_allowed_products)}")
        if is_fallback:
            notes.append(f"no product of the basket is known; {FALLBACK_NOTE}")
            return self._recommend_popular(n, notes, arm, allowed_products, [*excluded_products, *basket], placement)
        is_pair = [item.product_id in pairs.index for item in best_items]
        reasons = [
            pairs["reason_product_id"][item.product_id] if has_pair else item.reason_product_id
            for item, has_pair in zip(best_items, is_pair, strict=True)
        ]
        reason_keys = ["bought_together" if has_pair else "goes_with" for has_pair in is_pair]
        result = self._build_list(n, best_items, reasons, reason_keys, notes)
        self._mark_pinned(result.recommendations, rules)
        result.recommendations.loc[result.recommendations["source"] == "pinned", "reason_product_id"] = None
        return replace(result, recommendations=remove_pinned_scores(result.recommendations))

    def recommend_for_placement(
        self,
        placement: Placement,
        n: int,
        *,
        user_id: str | None = None,
        product_id: str | None = None,
        category: str | None = None,
        visitor_id: str | None = None,
    ) -> RecommendationList:
        """Return the list of a placement for a customer, a product or a category.

        A list of a category is that of the customer's favourite one, if none is given. In an experiment, the customer,
        or `visitor_id`, a session, decides the arm.

        Raises:
            UnknownPlacementError: The placement has lists of something else.
        """
        list_kind = placement.list_kind
        placement.check_owner(user_id, product_id, category)
        if list_kind == "personal" and user_id is not None:
            return self.recommend_for_customer(user_id, n)
        if list_kind == "similar" and product_id is not None:
            return self.find_similar(product_id, n, visitor_id=user_id or visitor_id)
        n = min(n, placement.list_length)
        arm = self.arm_models.assign_arm(user_id or visitor_id)
        if arm is not None and arm.policy == NO_LIST_POLICY:
            return self._add_arm(self._build_holdout_list(f"'{user_id or visitor_id}'", arm), arm)
        if list_kind in CATEGORY_KINDS and category is None:
            category = find_list_category(self.serving_copy, placement, user_id)
        rows = read_placement_list(
            self.serving_copy,
            placement,
            user_id=user_id,
            product_id=product_id,
            category=category,
            rule_set=arm.rule_set if arm else None,
        )
        rows = rows[~rows["product_id"].isin(self._live_blocks.get_products())].head(n)
        rows = rows.assign(rank=range(1, len(rows) + 1))
        if list_kind == "home" and user_id is not None:
            max_n = self.serving_copy.get_max_list_length()
            rows = copy_reasons(rows, self.serving_copy.get_recommendations(user_id, max_n))
        rows = replace_circular_reasons(rows, self.serving_copy.get_reason_text)
        rows = self._live_blocks.replace_reasons(rows)
        if rows.empty and placement.fallback == "popular":
            notes = [f"placement '{placement.placement}' has no products for this list; {FALLBACK_NOTE}"]
            excluded_products = [] if product_id is None else [product_id]
            result = self._recommend_popular(n, notes, arm, None, excluded_products, placement.placement)
        else:
            notes = note_short_placement_list(len(rows), n, list_kind, self.serving_copy.get_shop_repeats())
            result = RecommendationList(remove_pinned_scores(rows), is_fallback=False, notes=notes)
        return self._add_arm(result, arm)

    def find_similar(self, product_id: str, n: int, *, visitor_id: str | None = None) -> RecommendationList:
        """Return the products most similar to a product; popular products for an unknown product.

        In an experiment, `visitor_id`, a customer or session, decides the arm; without one, the published model ranks.
        """
        arm = self.arm_models.assign_arm(visitor_id)
        return self._add_arm(self._find_similar(product_id, n, arm), arm)

    def _find_similar(self, product_id: str, n: int, arm: ExperimentArm | None) -> RecommendationList:
        if arm is not None and arm.policy == NO_LIST_POLICY:
            return self._build_holdout_list("the visitor", arm)
        if arm is not None and arm.policy == POPULARITY_POLICY:
            result = self._recommend_popular(n, [], arm, excluded_products=[product_id])
            return replace(result, is_fallback=False)
        blocked_products = self._live_blocks.get_products()
        similar_products = self.arm_models.get_recommender(arm).find_similar_products(
            product_id, n + len(blocked_products)
        )
        if similar_products.source == "popularity":
            return self._recommend_popular(
                n,
                [f"product '{product_id}' is unknown to the model; {FALLBACK_NOTE}"],
                arm,
                excluded_products=[product_id],
            )
        items = [item for item in similar_products.items if item.product_id not in blocked_products][:n]
        return self._build_list(n, items, [product_id] * len(items), ["similar"] * len(items), [])

    def explain(self, product_id: str, *, user_id: str | None = None, basket: Basket | None = None) -> Explanation:
        """Return what each past product of a customer or of a basket adds to the score of a product."""
        return explain_product(self.serving_copy, self.arm_models, product_id, user_id=user_id, basket=basket)

    def _rank_under_rules(
        self,
        basket: Basket,
        n: int,
        allowed_products: Collection[str] | None,
        excluded_products: Collection[str],
        arm: ExperimentArm | None,
        user_id: str | None = None,
        *,
        placement: str = HOME,
        bought_together: Sequence[str] = (),
    ) -> tuple[Recommendations, list[Recommendation]]:
        """Apply the merchandising rules to the model's ranking; return the model's answer and the ranked products.

        Products of the same orders, `bought_together`, take each second place of the ranking.
        """
        recommender = self.arm_models.get_recommender(arm, placement)
        rules = self.arm_models.get_rules(arm, placement)
        excluded_products = [*excluded_products, *self._live_blocks.get_products()]
        ranking = recommender.iter_ranking(
            basket,
            n,
            user_id=user_id,
            allowed_products=allowed_products,
            excluded_products=[*excluded_products, *rules.pinned_products],
        )
        allowed_set = None if allowed_products is None else frozenset(allowed_products)
        best_product_ids = rules.apply(
            interleave(ranking, bought_together),
            n,
            allowed_products=allowed_set,
            excluded_products=[*excluded_products, *basket],
        )
        recommendations = recommender.recommend(user_id=user_id, basket=basket, n=n, allowed_products=best_product_ids)
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
        reason_keys: Sequence[str],
        notes: list[str],
    ) -> RecommendationList:
        products = [item.product_id for item in items]
        scores = [item.score for item in items]
        recommendations = self._live_blocks.replace_reasons(
            self.serving_copy.build_recommendations(products, scores, reasons, reason_keys)
        )
        return RecommendationList(
            recommendations,
            is_fallback=False,
            notes=[*notes, *note_short_list(recommendations, n, FILTERED_LIST_REASON)],
        )

    def _recommend_popular(
        self,
        n: int,
        notes: list[str],
        arm: ExperimentArm | None,
        allowed_products: Collection[str] | None = None,
        excluded_products: Collection[str] = (),
        placement: str = HOME,
    ) -> RecommendationList:
        ranking, rules = self._popularity_ranks, self.arm_models.get_rules(arm, placement)
        excluded_products = [*excluded_products, *self._live_blocks.get_products()]
        if arm is not None and arm.rule_set is not None:
            # The ranking has the pins for all customers only.
            new_pins = sorted(rules.pinned_products - ranking.keys())
            ranking = ranking | {product_id: len(ranking) + i for i, product_id in enumerate(new_pins)}
        if allowed_products is not None:
            ranked_products = sorted(ranking.keys() & allowed_products, key=ranking.__getitem__)
            ranking = {product_id: ranking[product_id] for product_id in ranked_products}
        best_product_ids = rules.apply(
            ranking, n, allowed_products=ranking, excluded_products=excluded_products, is_boosted=True
        )
        recommendations = self.serving_copy.get_popular_recommendations(best_product_ids)
        if arm is not None and arm.rule_set is not None:
            recommendations = self._add_new_pins(recommendations, best_product_ids, rules)
        recommendations = remove_pinned_scores(recommendations)
        return RecommendationList(
            recommendations,
            is_fallback=True,
            notes=[*notes, *note_short_list(recommendations, n, FILTERED_LIST_REASON)],
        )

    def _add_new_pins(
        self, recommendations: pd.DataFrame, product_ids: Sequence[str], rules: MerchandisingRules
    ) -> pd.DataFrame:
        """Add the rows of pinned products without popularity to a list of popular products, and mark all pins."""
        listed_products = set(recommendations["product_id"])
        new_pins = [product_id for product_id in product_ids if product_id not in listed_products]
        if new_pins:
            count = len(new_pins)
            rows = self.serving_copy.build_recommendations(
                new_pins, [0.0] * count, [None] * count, ["more_from_shop"] * count
            )
            rows["rank"] = [product_ids.index(product_id) + 1 for product_id in new_pins]
            recommendations = pd.concat([recommendations, rows[recommendations.columns]]).sort_values("rank")
        recommendations = recommendations.reset_index(drop=True)
        self._mark_pinned(recommendations, rules)
        return recommendations

    def _mark_pinned(self, recommendations: pd.DataFrame, rules: MerchandisingRules) -> None:
        """Set the source and the reason of the pinned products of a list."""
        is_pinned = recommendations["product_id"].map(rules.is_pinned).astype(bool)
        recommendations.loc[is_pinned, ["source", "reason"]] = "pinned", self.serving_copy.get_reason_text("pinned")

    def _build_holdout_list(self, recipient: str, arm: ExperimentArm) -> RecommendationList:
        """Return the empty list of an arm with policy none."""
        recommendations = self.serving_copy.build_recommendations([], [], [], [])
        note = f"{recipient} gets no recommendations in arm '{arm.arm}' of experiment '{arm.experiment}'"
        return RecommendationList(recommendations, is_fallback=False, notes=[note])

    def _add_arm(self, result: RecommendationList, arm: ExperimentArm | None) -> RecommendationList:
        """Return a list with the arm that it is for."""
        if arm is None:
            return replace(result, run_id=self.arm_models.get_run_id(None))
        return replace(result, experiment=arm.experiment, arm=arm.arm, run_id=arm.run_id)
