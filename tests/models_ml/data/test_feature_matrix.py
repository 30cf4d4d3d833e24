"""Tests of matrices of declared features."""

import numpy as np
import pyarrow as pa
import pytest

from models_ml.config import TrainConfig
from models_ml.data.feature_matrix import FeatureMatrix, build_customer_features
from models_ml.data.id_map import IdMap
from tests.models_ml.synthetic_tables import build_feature_rows, to_dense


def build_matrix(ids: str, *features: pa.Table, **settings: int) -> FeatureMatrix:
    """Return the matrix of one-letter product ids."""
    return FeatureMatrix.from_rows(pa.concat_tables(features), IdMap(list(ids), "product"), TrainConfig(**settings))


def test_feature_matrix_has_shared_values() -> None:
    matrix = build_matrix(
        "abcde",
        build_feature_rows(
            "now", "product", "m.category", "category", {"a": "mugs", "b": "mugs", "c": "hats", "d": "hats"}
        ),
        build_feature_rows("now", "product", "m.brand", "category", {"a": "acme", "b": "acme", "c": "solo"}),
        build_feature_rows(
            "now", "product", "m.name", "words", {"a": "Red MUG, big", "b": "red—mug", "c": "Größe 9", "d": "größe"}
        ),
    ).matrix
    shared = (to_dense(matrix) > 0).astype(int)
    # a and b share category, brand and the words red and mug; c and d share category and the word größe; e has none.
    assert shared.sum(1).tolist() == [4, 4, 2, 2, 0]
    assert (shared @ shared.T)[0].tolist() == [4, 4, 0, 0, 0]
    np.testing.assert_allclose(np.square(to_dense(matrix)).sum(1), [1, 1, 1, 1, 0], rtol=1e-6)


def test_number_bands_have_equal_size() -> None:
    prices = {name: float(number) for number, name in enumerate("abcdefgh")}
    features = build_matrix(
        "abcdefghi", build_feature_rows("now", "product", "m.price", "number", prices), feature_number_bands=4
    )
    assert (to_dense(features.matrix) > 0).sum(0).tolist() == [2, 2, 2, 2]
    assert features.matrix.lengths.tolist() == [1] * 8 + [0]
    assert sorted(value.value for value in features.values) == ["1.75 to 3.5", "3.5 to 5.25", "below 1.75", "from 5.25"]


@pytest.mark.parametrize("number", [0.0, -3.5])
def test_equal_numbers_are_one_band(number: float) -> None:
    matrix = build_matrix("ab", build_feature_rows("now", "product", "m.n", "number", dict.fromkeys("ab", number)))
    assert [value.value for value in matrix.values] == [f"from {number:g}"]


def test_feature_words_are_most_frequent() -> None:
    names = {"a": "mug red", "b": "mug red", "c": "mug"}
    features = build_matrix("abc", build_feature_rows("now", "product", "m.name", "words", names), max_feature_words=1)
    assert [value.value for value in features.values] == ["mug"]
    assert features.matrix.lengths.tolist() == [1, 1, 1]


def test_category_can_have_several_values() -> None:
    colours = {"a": ["red", "blue"], "b": ["red"], "c": ["blue"]}
    matrix = build_matrix("abc", build_feature_rows("now", "product", "m.colours", "category", colours)).matrix
    np.testing.assert_allclose(to_dense(matrix), [[0.5**0.5, 0.5**0.5], [0, 1], [1, 0]], rtol=1e-6)


def test_customer_features_come_from_training_users() -> None:
    """A customer without a history has the values and bands that the customers of the training have."""
    plans = {"old1": "gold", "old2": "gold", "new1": "gold", "new2": "basic", "new3": "basic"}
    spend = {"old1": 1.0, "old2": 3.0, "new1": 900.0}
    rows = pa.concat_tables(
        [
            build_feature_rows("now", "customer", "m.plan", "category", plans),
            build_feature_rows("now", "customer", "m.spend", "number", spend),
            build_feature_rows("now", "product", "m.plan", "category", dict.fromkeys(["old1", "x"], "product")),
        ]
    )
    users = IdMap(["old1", "old2", "plain"], "customer")
    features = build_customer_features(rows, users, TrainConfig(feature_number_bands=1))
    assert [(value.feature, value.value) for value in features.values] == [
        ("m.plan", "gold"),
        ("m.spend", "any number"),
    ]
    selected = to_dense(features.select(pa.array(["new1", "unknown", "new2", "old2"])))
    np.testing.assert_allclose(selected, [[0.5**0.5] * 2, [0, 0], [0, 0], [0.5**0.5] * 2], rtol=1e-6)
