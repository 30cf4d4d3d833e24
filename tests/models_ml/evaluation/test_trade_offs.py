"""Tests of the trade-offs of damping and re-ranking."""

from dataclasses import replace

import pyarrow as pa
import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.evaluation.selection import select_params
from models_ml.evaluation.trade_offs import DAMPINGS, RERANK_WEIGHTS, measure_trade_offs
from models_ml.evaluation.window import EvaluationWindow
from models_ml.evaluation.window_model import fit_window_model
from models_ml.ranking_model import SelectedParams


@pytest.fixture(scope="module")
def window(dataset: Dataset) -> EvaluationWindow:
    """The validation window of the shop, with recent customers and three categories."""
    features = dataset.product_features
    categories = pa.array([f"c{row % 3}" for row in range(features.num_rows)], pa.large_string())
    for name, values in (("active_users_28d", features["popularity"]), ("category", categories)):
        features = features.set_column(features.schema.get_field_index(name), name, values)
    window = EvaluationWindow.from_dataset(replace(dataset, product_features=features), "validation", 1000)
    assert window is not None
    return window


def test_trade_offs_show_cost_and_gain(window: EvaluationWindow, config: TrainConfig) -> None:
    settings = config.model_copy(update={"popularity_damping": 0.1})
    dampings, rerankings = measure_trade_offs(window, settings, SelectedParams(3, 0.0, 0.1))
    assert [row.popularity_damping for row in dampings] == list(DAMPINGS)
    assert {row.popularity_damping for row in rerankings} == {0.1}
    assert [(row.rerank_method, row.rerank_weight) for row in rerankings] == [
        ("none", None),
        *((method, weight) for method, weights in RERANK_WEIGHTS.items() for weight in weights),
    ]
    for rows in (dampings, rerankings):
        for row in rows:
            assert row.ndcg_change == pytest.approx(row.ndcg / rows[0].ndcg - 1)
    # The row without re-ranking has the lists of the config's damping.
    assert replace(rerankings[0], ndcg_change=dampings[2].ndcg_change) == dampings[2]
    novelty = [row.novelty for row in dampings]
    assert novelty == sorted(novelty)
    reference = rerankings[0]
    strongest = {row.rerank_method: row for row in rerankings}
    assert strongest["mmr"].diversity > reference.diversity
    assert strongest["calibrated"].calibration_error is not None
    assert reference.calibration_error is not None
    assert strongest["calibrated"].calibration_error < reference.calibration_error


def test_selection_ignores_damping_and_reranking(window: EvaluationWindow, config: TrainConfig) -> None:
    """The returned ranking is that of a model with these settings."""
    # With converged customer factors, the selection has the factors that a model computes from the histories.
    quick = config.model_copy(update={"max_epochs": 2, "cg_steps": 32, "popularity_damping": 0.0})
    changed = quick.model_copy(update={"popularity_damping": 0.8, "rerank_method": "mmr", "rerank_weight": 0.5})
    (params, plain), (changed_params, ranking) = (
        select_params((window,), settings, lambda _: None) for settings in (quick, changed)
    )
    assert changed_params == params
    assert (ranking.positions != plain.positions).any()
    for settings, selected in ((quick, plain), (changed, ranking)):
        model, customer_features = fit_window_model(window, settings, params)
        expected = window.rank_by_model(model, customer_features, settings)
        assert torch.equal(selected.positions, expected.positions[: len(selected.positions)])
