"""Merchandising rules in `RecommendationQueries`, on a synthetic shop with 36 categories of ten products."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from apps.benchmarks.synthetic_model import PUBLISHED_TABLES, SyntheticShop, publish_synthetic_shop
from apps.recommendations.recommendation_queries import RecommendationQueries
from models_ml.inference import explanations
from warehouse.database import open_writer
from warehouse.publishing.publisher import publish
from warehouse.settings import Settings

CATEGORY_COUNT = 36
BASKET = ["P0000001", "P0000002"]


@pytest.fixture
def synthetic_shop_settings(tmp_path: Path) -> Settings:
    settings = Settings(warehouse=tmp_path)
    publish_synthetic_shop(settings, SyntheticShop(products=400, customers=2, factors=8))
    return settings


def publish_with_rules(settings: Settings, *rules: str) -> RecommendationQueries:
    """Change `rec_product_rules`, publish, and open the new copy."""
    with open_writer(settings) as connection:
        for rule in rules:
            connection.execute(f"update marts.rec_product_rules set {rule}")
    publish(settings, PUBLISHED_TABLES)
    return RecommendationQueries(settings)


def test_popular_recommendations_follow_rules(synthetic_shop_settings: Settings) -> None:
    with RecommendationQueries(synthetic_shop_settings) as queries:
        popular = queries.serving_copy.get_popularity_ranking()
    last = popular[-1]
    with publish_with_rules(
        synthetic_shop_settings, "category_cap = 1", f"pinned_position = 3 where product_id = '{last}'"
    ) as queries:
        result = queries.recommend_for_customer("unknown user", 400)
        assert len(result.recommendations) == CATEGORY_COUNT
        assert result.recommendations["category"].is_unique
        assert result.recommendations["rank"].tolist() == list(range(1, CATEGORY_COUNT + 1))
        assert result.recommendations["product_id"].tolist()[:3] == [popular[0], popular[1], last]
        others = result.recommendations["product_id"].drop(2).map(popular.index)
        assert others.is_monotonic_increasing
        for short_result in (
            queries.recommend_for_customer("unknown user", 5),
            queries.recommend_for_basket(["no such"], 5),
        ):
            pd.testing.assert_frame_equal(short_result.recommendations, result.recommendations.head(5))
        filtered = queries.recommend_for_basket(
            ["no such"], 400, allowed_products=popular[:200], excluded_products=popular[:3]
        )
        assert filtered.recommendations["category"].is_unique
        assert filtered.recommendations["product_id"][0] == popular[3]
        assert last not in set(filtered.recommendations["product_id"])
        assert queries.find_similar("no such", 400).recommendations["category"].is_unique


def test_short_basket_list_is_prefix_of_longer(synthetic_shop_settings: Settings) -> None:
    with RecommendationQueries(synthetic_shop_settings) as queries:
        best = queries.recommend_for_basket(BASKET, 1).recommendations["product_id"][0]
    with publish_with_rules(synthetic_shop_settings, f"pinned_position = 9 where product_id = '{best}'") as queries:
        longer = queries.recommend_for_basket(BASKET, 30).recommendations
        for n in (1, 8, 9, 12):
            pd.testing.assert_frame_equal(queries.recommend_for_basket(BASKET, n).recommendations, longer.head(n))
    pinned = longer[longer["source"] == "pinned"]
    assert pinned[["rank", "product_id", "reason"]].to_numpy().tolist() == [[9, best, "Chosen by the shop"]]
    assert pinned["reason_product_id"].isna().all()
    assert longer["reason_product_id"].drop(8).isin(BASKET).all()


def test_product_unknown_to_model_can_be_pinned(synthetic_shop_settings: Settings) -> None:
    pinned = "'new' as product_id, true as is_recommendable, 2 as pinned_position"
    with open_writer(synthetic_shop_settings) as connection:
        connection.execute(
            f"insert into marts.rec_product_rules select * replace ({pinned}) from marts.rec_product_rules limit 1"
        )
    with publish_with_rules(synthetic_shop_settings) as queries:
        result = queries.recommend_for_basket(BASKET, 3).recommendations
        assert (result["product_id"][1], result["source"][1]) == ("new", "pinned")
        assert result["score"].isna().tolist() == [False, True, False]
        others = result["product_id"].drop(1).tolist()
        assert (
            queries.recommend_for_basket(BASKET, 3, allowed_products=others).recommendations["product_id"].tolist()
            == others
        )


def test_only_listed_products_are_explained(synthetic_shop_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    explained_counts: list[int] = []
    find_strongest_reasons = explanations.find_strongest_reasons

    def count_explained(model: Any, strength: Any, candidates: Any, features: Any) -> Any:
        explained_counts.append(candidates.shape[1])
        return find_strongest_reasons(model, strength, candidates, features)

    monkeypatch.setattr("models_ml.inference.recommender.find_strongest_reasons", count_explained)
    with publish_with_rules(synthetic_shop_settings, "category_cap = 1") as queries:
        result = queries.recommend_for_basket(BASKET, 100).recommendations
    assert len(result) == CATEGORY_COUNT
    assert result["category"].is_unique
    assert result["score"].is_monotonic_decreasing
    assert explained_counts == [CATEGORY_COUNT]
