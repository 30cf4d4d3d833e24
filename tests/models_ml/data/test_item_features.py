"""Tests of trends and the popularity damping."""

import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.id_map import IdMap
from models_ml.data.item_features import compute_popularity_multipliers, compute_product_trends
from tests.models_ml.synthetic_tables import build_product_features


def test_trends_equal_relative_recent_share() -> None:
    features = build_product_features(
        "now",
        {"rising": 90.0, "average": 90.0, "falling": 90.0, "rare": 1.0, "new": 0.0},
        active_users_28d={"rising": 90.0, "average": 45.0, "falling": 0.0, "rare": 0.0},
    )
    products = IdMap(["falling", "new", "rare", "rising", "unknown", "average"], "product")
    trends = dict(zip(products.ids.to_pylist(), compute_product_trends(features, products, TrainConfig()), strict=True))
    assert trends["average"] == pytest.approx(1, rel=0.01)
    assert trends["rising"] == pytest.approx((90 * 2 + 10) / 100, rel=0.01)
    assert trends["falling"] == pytest.approx(0.1)
    assert trends["rare"] == pytest.approx(10 / 11)
    assert trends["new"] == trends["unknown"] == 1


def test_trends_without_recent_customers() -> None:
    features = build_product_features("now", {"a": 3.0, "b": 0.0})
    assert compute_product_trends(features, IdMap(["a", "b"], "product"), TrainConfig()).tolist() == [1, 1]


def test_popularity_multipliers_damp_bestsellers() -> None:
    """The mean is 20: the product without customers does not count."""
    counts = torch.tensor([0, 1, 20, 39], dtype=torch.int32)
    multipliers = compute_popularity_multipliers(counts, 0.5).tolist()
    assert multipliers == pytest.approx([1, (40 / 21) ** 0.5, 1, (40 / 59) ** 0.5])
    assert compute_popularity_multipliers(counts, 0.0).tolist() == [1, 1, 1, 1]
    assert compute_popularity_multipliers(torch.zeros(2, dtype=torch.int32), 0.5).tolist() == [1, 1]
