"""Tests of the baselines and the oracle."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.data.interactions import Interactions
from models_ml.errors import ModelError
from models_ml.evaluation import baselines
from models_ml.evaluation.baselines import (
    EASE_REGULARIZATIONS,
    GRAPH_FILTER_WEIGHTS,
    ITEM_ITEM_POWERS,
    build_baselines,
    build_oracle_method,
    rank_by_ease,
    rank_by_item_similarity,
    rank_by_popularity,
    rank_by_recent_popularity,
    rank_by_user_item_graph,
)
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.window import EvaluationWindow
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
    expected = {"u1": [], "u2": ["p2"], "n": ["p2", "p4", "p1", "p3"]}
    for ranking in rank_by_item_similarity(window, config, ITEM_ITEM_POWERS):
        assert get_recommendations(window, ranking) == expected


@pytest.mark.parametrize("cells", [6, 100])
@pytest.mark.parametrize("vectors", [3, 256])
def test_graph_filter_equals_dense_reference(
    dataset: Dataset, config: TrainConfig, vectors: int, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 100 cells divide the 120 products and the customers into blocks of 21.
    monkeypatch.setattr(baselines, "CELLS_PER_SIMILARITY", cells)
    monkeypatch.setattr(baselines, "MAX_SINGULAR_VECTORS", vectors)
    monkeypatch.setattr(baselines, "ROWS_PER_SINGULAR_VECTOR", 2)
    monkeypatch.setattr(baselines, "SINGULAR_VECTOR_ITERATIONS", 60)
    window = EvaluationWindow.from_dataset(dataset, "test", 1000)
    assert window is not None
    pairs = (to_dense(window.interactions.strength) > 0).astype(np.float64)
    product_roots = np.sqrt(np.maximum(pairs.sum(0), 1))
    normalized = pairs / np.sqrt(pairs.sum(1, keepdims=True)) / product_roots
    right = np.linalg.svd(normalized)[2][: min(vectors, pairs.shape[1] // 2)]
    low_pass = (pairs / product_roots) @ right.T @ right * product_roots
    config = config.model_copy(update={"block_mib": 1})
    for weight, ranking in zip((0.0, 0.3), rank_by_user_item_graph(window, config, (0.0, 0.3)), strict=True):
        scores = pairs @ normalized.T @ normalized + weight * low_pass
        scores = np.where((pairs > 0) | (scores <= 0), -np.inf, scores)[window.known_positions]
        expected = np.sort(scores, axis=1)[:, ::-1][:, :20]
        np.testing.assert_allclose(ranking.scores[: len(expected)], expected, rtol=1e-3, atol=1e-4)


def test_graph_filter_is_reproducible(dataset: Dataset, config: TrainConfig) -> None:
    window = EvaluationWindow.from_dataset(dataset, "test", 1000)
    assert window is not None
    state = torch.get_rng_state()
    (first,), (second,) = (rank_by_user_item_graph(window, config, (0.3,)) for _ in range(2))
    assert torch.equal(first.scores, second.scores)
    assert torch.equal(torch.get_rng_state(), state)


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
    _, ranking = rank_by_ease(window, config, (300, 50))
    np.testing.assert_allclose(ranking.scores[: len(expected)], expected, rtol=1e-3, atol=1e-4)


def test_ease_of_large_catalog_is_refused(window: EvaluationWindow, config: TrainConfig) -> None:
    with pytest.raises(ModelError, match=r"EASE is not computed for 3 products. Raise max_ease_products \(2\)"):
        rank_by_ease(window, config.model_copy(update={"max_ease_products": 2}), (100,))


@pytest.mark.parametrize(
    ("name", "rank", "candidates"),
    [
        ("item_item", rank_by_item_similarity, ITEM_ITEM_POWERS),
        ("user_item_graph", rank_by_user_item_graph, GRAPH_FILTER_WEIGHTS),
        ("ease", rank_by_ease, EASE_REGULARIZATIONS),
    ],
)
def test_baselines_have_best_setting_of_validation(
    dataset: Dataset,
    config: TrainConfig,
    name: str,
    rank: Callable[[EvaluationWindow, TrainConfig, Sequence[object]], list[Ranking]],
    candidates: Sequence[object],
) -> None:
    validation, test = (EvaluationWindow.from_dataset(dataset, cutoff, 1000) for cutoff in ("validation", "test"))
    assert validation is not None
    assert test is not None
    ndcgs = [
        validation.evaluate(ranking, (config.selection_k,))[0].ndcg
        for candidate in candidates
        for ranking in rank(validation, config, [candidate])
    ]
    rankings = rank(test, config, candidates)
    best, first = build_baselines(validation, config)[name], build_baselines(None, config)[name]
    assert torch.equal(best(test, config).positions, rankings[int(np.argmax(ndcgs))].positions)
    assert torch.equal(first(test, config).positions, rankings[0].positions)


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
