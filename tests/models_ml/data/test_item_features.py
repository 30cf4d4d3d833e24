"""Tests of trends and popularity."""

import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.id_map import IdMap
from models_ml.data.item_features import ItemFeatures, compute_product_trends, compute_relative_popularity
from tests.models_ml.synthetic_tables import build_product_features


def test_trends_equal_relative_recent_share() -> None:
    features = build_product_features(
        "now",
        {"rising": 90.0, "average": 90.0, "falling": 90.0, "rare": 1.0, "new": 0.0},
        active_users_28d={"rising": 90.0, "average": 45.0, "falling": 0.0, "rare": 0.0},
    )
    products = IdMap(["falling", "new", "rare", "rising", "unknown", "average"], "product")
    config = TrainConfig(trend_prior_customers=10)
    trends = dict(zip(products.ids.to_pylist(), compute_product_trends(features, products, config), strict=True))
    assert trends["average"] == pytest.approx(1, rel=0.01)
    assert trends["rising"] == pytest.approx((90 * 2 + 10) / 100, rel=0.01)
    assert trends["falling"] == pytest.approx(0.1)
    assert trends["rare"] == pytest.approx(10 / 11)
    assert trends["new"] == trends["unknown"] == 1


def test_trends_without_recent_customers() -> None:
    features = build_product_features("now", {"a": 3.0, "b": 0.0})
    assert compute_product_trends(features, IdMap(["a", "b"], "product"), TrainConfig()).tolist() == [1, 1]


def test_popularity_equals_relative_recent_customers() -> None:
    features = build_product_features(
        "now",
        {"hit": 90.0, "average": 10.0, "past": 90.0, "new": 0.0},
        active_users_28d={"hit": 30.0, "average": 20.0},
    )
    products = IdMap(["average", "hit", "new", "past", "unknown"], "product")
    popularity = compute_relative_popularity(features, products)
    assert popularity.tolist() == pytest.approx([20 / 25, 30 / 25, 1, 0, 1])
    damping = ItemFeatures(ItemFeatures.empty(5).content, torch.ones(5), popularity).compute_damping(0.5)
    assert damping.tolist() == pytest.approx([(2 / 1.8) ** 0.5, (2 / 2.2) ** 0.5, 1, 2**0.5, 1])


def test_popularity_without_recent_customers() -> None:
    features = build_product_features("now", {"a": 3.0, "b": 0.0, "c": 1.0})
    assert compute_relative_popularity(features, IdMap(["a", "b", "c"], "product")).tolist() == [1, 1, 1]
