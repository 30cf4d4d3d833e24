"""Tests of the baselines and the oracle."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.interactions import Interactions
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError
from models_ml.evaluation.baselines import (
    build_oracle_method,
    find_nearest_products,
    rank_by_item_similarity,
    rank_by_popularity,
    rank_by_recent_popularity,
)
from models_ml.evaluation.window import EvaluationWindow, Ranking
from tests.models_ml.synthetic_tables import (
    build_evaluation_pairs,
    build_factor_table,
    build_interactions,
    build_product_features,
    to_dense,
)

HISTORIES = [("u1", "p1", 1.0, True), ("u1", "p2", 2.0, False), ("u2", "p1", 1.0, False), ("u3", "p3", 1.0, True)]

POPULARITY = {"p1": 2.0, "p2": 1.0, "p3": 1.0, "p4": 0.0}

RECENT_POPULARITY = {"p1": 0.5, "p2": 3.0, "p4": 1.0}


@pytest.fixture
def window() -> EvaluationWindow:
    """Two known customers and a new one."""
    window = EvaluationWindow.create(
        "test",
        Interactions.from_table(build_interactions("test", 90, HISTORIES)),
        build_product_features("test", POPULARITY, recent_popularity=RECENT_POPULARITY),
        build_evaluation_pairs("test", [("u2", "p2", True), ("u1", "p3", True), ("n", "p1", False)]),
        10,
    )
    assert window is not None
    return window


def get_recommendations(window: EvaluationWindow, ranking: Ranking) -> dict[str, list[str]]:
    """Return each customer's products, best first."""
    recommendations: dict[str, list[str]] = {user: [] for user in window.customer_ids.to_pylist()}
    for row in window.build_candidate_table("run", "method", ranking).to_pylist():
        recommendations[row["user_id"]].append(row["product_id"])
        assert row["rank"] == len(recommendations[row["user_id"]])
    return recommendations


def test_popularity_baselines_exclude_history(window: EvaluationWindow, config: TrainConfig) -> None:
    assert get_recommendations(window, rank_by_popularity(window, config)) == {
        "u1": ["p3", "p4"], "u2": ["p2", "p3", "p4"], "n": ["p1", "p2", "p3", "p4"],
    }  # fmt: skip
    assert get_recommendations(window, rank_by_recent_popularity(window, config)) == {
        "u1": ["p4", "p3"], "u2": ["p2", "p4", "p3"], "n": ["p2", "p4", "p1", "p3"],
    }  # fmt: skip


def test_item_similarity_lists_similar_products(window: EvaluationWindow, config: TrainConfig) -> None:
    assert get_recommendations(window, rank_by_item_similarity(window, config)) == {
        "u1": [],
        "u2": ["p2"],
        "n": ["p2", "p4", "p1", "p3"],
    }


@pytest.mark.parametrize("block_rows", [1, 7, 100])
def test_nearest_products_equal_dense_cosines(strength: Csr, block_rows: int) -> None:
    columns = to_dense(strength)
    norms = np.linalg.norm(columns, axis=0)
    cosines = columns.T @ columns / np.outer(norms, norms)
    np.fill_diagonal(cosines, 0)
    sixth_largest = np.sort(cosines, axis=1)[:, -6, None]
    expected = np.where(cosines >= sixth_largest, cosines, 0)
    np.testing.assert_allclose(to_dense(find_nearest_products(strength, 6, block_rows)), expected, atol=1e-6)
    np.testing.assert_allclose(to_dense(find_nearest_products(strength, 1000, block_rows)), cosines, atol=1e-6)


def test_nearest_products_of_single_product() -> None:
    weights = Csr.from_pairs(torch.tensor([0]), torch.tensor([0]), torch.ones(1), (1, 1))
    assert len(find_nearest_products(weights, 5, 10).values) == 0


def test_oracle_ranks_by_true_factors(window: EvaluationWindow, config: TrainConfig) -> None:
    users = pa.table({"user_id": ["u1", "u2", "n"], "factors": [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]})
    factors = np.array([[9, 9], [1, 4], [2, 3], [3, 2], [4, 1]], dtype=np.float64)
    products = build_factor_table("product_id", "p", factors)
    recommendations = get_recommendations(window, build_oracle_method((users, products))(window, config))
    assert recommendations == {"u1": ["p4", "p3"], "u2": ["p4", "p3", "p2"], "n": ["p1", "p2", "p3", "p4"]}
    with pytest.raises(ModelError, match="unknown customer ids, the first is 'n'"):
        build_oracle_method((users.slice(0, 2), products))(window, config)
    with pytest.raises(ModelError, match="differ in length: 2 and 1"):
        build_oracle_method((users, build_factor_table("product_id", "p", np.ones((5, 1)))))(window, config)
