"""Tests of trends and content features."""

import numpy as np
import pytest

from models_ml.config import TrainConfig
from models_ml.data.id_map import IdMap
from models_ml.data.item_features import build_content_features, compute_product_trends
from tests.models_ml.synthetic_tables import build_product_features, to_dense


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


CATEGORIES = {"a": "mugs", "b": "mugs", "c": "hats", "d": "hats"}


def test_content_features_are_shared_values() -> None:
    features = build_content_features(
        build_product_features(
            "now",
            dict.fromkeys("abcde", 0.0),
            category=CATEGORIES,
            brand={"a": "acme", "b": "acme", "c": "solo"},
            product_name={"a": "Red MUG, big", "b": "red—mug", "c": "Größe 9", "d": "größe"},
        ),
        IdMap(list("abcde"), "product"),
        TrainConfig(),
    )
    shared = (to_dense(features) > 0).astype(int)
    # a and b share category, brand and the words red and mug; c and d share category and the word größe; e has none.
    assert shared.sum(1).tolist() == [4, 4, 2, 2, 0]
    assert (shared @ shared.T)[0].tolist() == [4, 4, 0, 0, 0]
    np.testing.assert_allclose(np.square(to_dense(features)).sum(1), [1, 1, 1, 1, 0], rtol=1e-6)


def test_price_bands_have_equal_size() -> None:
    prices = {f"p{number}": float(number) for number in range(8)}
    features = build_content_features(
        build_product_features("now", dict.fromkeys([*prices, "unpriced"], 0.0), price=prices),
        IdMap([*prices, "unpriced"], "product"),
        TrainConfig(content_price_bands=4),
    )
    assert (to_dense(features) > 0).sum(0).tolist() == [2, 2, 2, 2]
    assert features.lengths.tolist() == [1] * 8 + [0]


def test_content_words_are_most_frequent() -> None:
    names = {"a": "mug red", "b": "mug red", "c": "mug"}
    features = build_content_features(
        build_product_features("now", dict.fromkeys(names, 0.0), product_name=names),
        IdMap(list(names), "product"),
        TrainConfig(max_content_words=1),
    )
    assert features.lengths.tolist() == [1, 1, 1]
