"""Tests of the baselines and the oracle."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.data.interactions import Interactions
from models_ml.errors import ModelError
from models_ml.evaluation.baselines import (
    EASE_REGULARIZATIONS,
    ITEM_ITEM_POWERS,
    build_baselines,
    build_oracle_method,
    rank_by_ease,
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
    for powers in ITEM_ITEM_POWERS:
        assert get_recommendations(window, rank_by_item_similarity(window, config, powers)) == {
            "u1": [],
            "u2": ["p2"],
            "n": ["p2", "p4", "p1", "p3"],
        }


def test_ease_equals_closed_form(dataset: Dataset, config: TrainConfig) -> None:
    window = EvaluationWindow.from_dataset(dataset, "test", 1000)
    assert window is not None
    histories = to_dense(window.interactions.strength) > 0
    gramian = histories.T.astype(float) @ histories + 50 * np.eye(histories.shape[1])
    inverse = np.linalg.inv(gramian)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    scores = np.where(histories, -np.inf, histories @ weights)[window.known_positions]
    expected = np.sort(scores, axis=1)[:, ::-1][:, :20]
    ranking = rank_by_ease(window, config, 50)
    np.testing.assert_allclose(ranking.scores[: len(expected)], expected, rtol=1e-3, atol=1e-4)


def test_ease_of_large_catalog_is_refused(window: EvaluationWindow, config: TrainConfig) -> None:
    with pytest.raises(ModelError, match=r"EASE is not computed for 3 products. Raise max_ease_products \(2\)"):
        rank_by_ease(window, config.model_copy(update={"max_ease_products": 2}), 100)


def test_baselines_have_best_setting_of_validation(dataset: Dataset, config: TrainConfig) -> None:
    validation, test = (EvaluationWindow.from_dataset(dataset, cutoff, 1000) for cutoff in ("validation", "test"))
    assert validation is not None
    assert test is not None

    def compute_ndcg(ranking: Ranking) -> float:
        return validation.evaluate(ranking, (config.selection_k,))[0].ndcg

    best_powers = max(
        ITEM_ITEM_POWERS, key=lambda powers: compute_ndcg(rank_by_item_similarity(validation, config, powers))
    )
    best_penalty = max(
        EASE_REGULARIZATIONS, key=lambda penalty: compute_ndcg(rank_by_ease(validation, config, penalty))
    )
    baselines = build_baselines(validation, config)
    for name, expected in (
        ("item_item", rank_by_item_similarity(test, config, best_powers)),
        ("ease", rank_by_ease(test, config, best_penalty)),
    ):
        assert torch.equal(baselines[name](test, config).positions, expected.positions)
    first = build_baselines(None, config)["item_item"](test, config)
    assert torch.equal(first.positions, rank_by_item_similarity(test, config, ITEM_ITEM_POWERS[0]).positions)


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
