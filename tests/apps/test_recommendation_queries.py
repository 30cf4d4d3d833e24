"""The shop's rules over what is made when it is asked for, in a made-up shop of 36 categories of ten products."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from apps.benchmarks.synthetic_model import PUBLISHED_TABLES, SyntheticShop, publish_synthetic_shop
from apps.recommendation_queries import RecommendationQueries
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
    """The storefront when `rec_product_rules` was changed so."""
    with open_writer(settings) as connection:
        for rule in rules:
            connection.execute(f"update marts.rec_product_rules set {rule}")
    publish(settings, PUBLISHED_TABLES)
    return RecommendationQueries(settings)


def test_whoever_is_unknown_has_what_is_popular_under_the_rules(synthetic_shop_settings: Settings) -> None:
    with RecommendationQueries(synthetic_shop_settings) as storefront:
        popular = storefront.serving_copy.get_popularity_ranking()
    last = popular[-1]
    with publish_with_rules(
        synthetic_shop_settings, "category_cap = 1", f"pinned_position = 3 where product_id = '{last}'"
    ) as storefront:
        listed = storefront.recommend_for_customer("nobody", 400)
        assert len(listed.recommendations) == CATEGORY_COUNT
        assert listed.recommendations["category"].is_unique
        assert listed.recommendations["rank"].tolist() == list(range(1, CATEGORY_COUNT + 1))
        assert listed.recommendations["product_id"].tolist()[:3] == [popular[0], popular[1], last]
        others = listed.recommendations["product_id"].drop(2).map(popular.index)
        assert others.is_monotonic_increasing
        for short in (storefront.recommend_for_customer("nobody", 5), storefront.recommend_for_basket(["no such"], 5)):
            pd.testing.assert_frame_equal(short.recommendations, listed.recommendations.head(5))
        filtered = storefront.recommend_for_basket(
            ["no such"], 400, allowed_products=popular[:200], excluded_products=popular[:3]
        )
        assert filtered.recommendations["category"].is_unique
        assert filtered.recommendations["product_id"][0] == popular[3]
        assert last not in set(filtered.recommendations["product_id"])
        assert storefront.find_similar("no such", 400).recommendations["category"].is_unique


def test_a_list_for_a_basket_is_the_beginning_of_a_longer_one(synthetic_shop_settings: Settings) -> None:
    with RecommendationQueries(synthetic_shop_settings) as storefront:
        best = storefront.recommend_for_basket(BASKET, 1).recommendations["product_id"][0]
    with publish_with_rules(synthetic_shop_settings, f"pinned_position = 9 where product_id = '{best}'") as storefront:
        longer = storefront.recommend_for_basket(BASKET, 30).recommendations
        for n in (1, 8, 9, 12):
            pd.testing.assert_frame_equal(storefront.recommend_for_basket(BASKET, n).recommendations, longer.head(n))
    pinned = longer[longer["source"] == "pinned"]
    assert pinned[["rank", "product_id", "reason"]].to_numpy().tolist() == [[9, best, "Chosen by the shop"]]
    assert pinned["reason_product_id"].isna().all()
    assert longer["reason_product_id"].drop(8).isin(BASKET).all()


def test_what_the_model_does_not_know_is_pinned_all_the_same(synthetic_shop_settings: Settings) -> None:
    pinned = "'new' as product_id, true as is_recommendable, 2 as pinned_position"
    with open_writer(synthetic_shop_settings) as connection:
        connection.execute(
            f"insert into marts.rec_product_rules select * replace ({pinned}) from marts.rec_product_rules limit 1"
        )
    with publish_with_rules(synthetic_shop_settings) as storefront:
        listed = storefront.recommend_for_basket(BASKET, 3).recommendations
        assert (listed["product_id"][1], listed["source"][1], listed["score"][1]) == ("new", "pinned", 0)
        others = listed["product_id"].drop(1).tolist()
        assert (
            storefront.recommend_for_basket(BASKET, 3, allowed_products=others).recommendations["product_id"].tolist()
            == others
        )


def test_caps_that_leave_a_list_short_have_no_more_explained_than_is_in_it(
    synthetic_shop_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    explained: list[int] = []
    strongest_reasons = explanations.find_strongest_reasons

    def counted(model: Any, strength: Any, candidates: Any) -> Any:
        explained.append(candidates.shape[1])
        return strongest_reasons(model, strength, candidates)

    monkeypatch.setattr("models_ml.inference.recommender.find_strongest_reasons", counted)
    with publish_with_rules(synthetic_shop_settings, "category_cap = 1") as storefront:
        listed = storefront.recommend_for_basket(BASKET, 100).recommendations
    assert len(listed) == CATEGORY_COUNT
    assert listed["category"].is_unique
    assert listed["score"].is_monotonic_decreasing
    assert explained == [CATEGORY_COUNT]
