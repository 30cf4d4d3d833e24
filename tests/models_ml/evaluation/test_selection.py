"""Tests of the selection of parameters on one or more validation windows."""

from statistics import fmean

import pytest

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.evaluation.selection import EpochRecord, select_params
from models_ml.evaluation.window import EvaluationWindow


@pytest.fixture(scope="module")
def windows(dataset: Dataset) -> tuple[EvaluationWindow, EvaluationWindow]:
    """Two windows of the shop with different data before them."""
    first, second = (EvaluationWindow.from_dataset(dataset, name, 10_000) for name in ("validation", "test"))
    assert first is not None
    assert second is not None
    return first, second


def test_select_params_by_mean(windows: tuple[EvaluationWindow, EvaluationWindow], config: TrainConfig) -> None:
    config = config.model_copy(update={"trend_powers": (0.0,), "graph_weights": (), "patience": 20, "max_epochs": 6})
    records: dict[str, list[EpochRecord]] = {"first": [], "second": [], "both": []}
    select_params(windows[:1], config, records["first"].append)
    select_params(windows[1:], config, records["second"].append)
    params, ranking = select_params(windows, config, records["both"].append)
    ndcgs = {name: [record.validation_ndcg or 0 for record in records[name]] for name in records}
    assert ndcgs["both"] == [fmean(pair) for pair in zip(ndcgs["first"], ndcgs["second"], strict=True)]
    assert params.validation_ndcg == max(ndcgs["both"])
    assert params.epochs == ndcgs["both"].index(max(ndcgs["both"])) + 1
    assert windows[0].evaluate(ranking, (config.selection_k,))[0].ndcg == ndcgs["first"][params.epochs - 1]


def test_select_params_equal_windows(windows: tuple[EvaluationWindow, EvaluationWindow], config: TrainConfig) -> None:
    """Several times the same window selects the same parameters, trends and graph included."""
    once, _ = select_params(windows[:1], config, lambda _: None)
    assert select_params((windows[0], windows[0]), config, lambda _: None)[0] == once


def test_select_params_scales_regularization(
    windows: tuple[EvaluationWindow, EvaluationWindow], config: TrainConfig
) -> None:
    """A scale whose factors collapse to zero is not selected on sparse data; other data have the first scale."""
    scales = {"regularization_scales": (20.0, 1.0), "max_epochs": 3}
    sparse = config.model_copy(update={**scales, "sparse_density": 1.0, "max_sparsity": 1.0})
    assert select_params(windows[:1], sparse, lambda _: None)[0].regularization_scale == 1
    selected = select_params(windows[:1], sparse.model_copy(update={"regularization_scales": (1.0,)}), lambda _: None)
    assert select_params(windows[:1], sparse, lambda _: None)[0] == selected[0]
    dense = config.model_copy(update={**scales, "sparse_density": 1e-6, "regularization_scales": (0.5, 1.0)})
    assert select_params(windows[:1], dense, lambda _: None)[0].regularization_scale == 0.5
