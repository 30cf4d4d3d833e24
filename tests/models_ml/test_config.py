"""Tests of the training settings."""

import pytest
from pydantic import ValidationError

from models_ml.config import TrainConfig


@pytest.mark.parametrize(
    ("density", "sparsity"), [(0.5, 1.0), (0.01, 1.0), (0.005, 2.0), (0.001, 10.0), (0.00001, 10.0)]
)
def test_adapt_to_matrix_increases_penalties(density: float, sparsity: float) -> None:
    config = TrainConfig(regularization=0.2, unobserved_weight=10)
    adapted = config.adapt_to_matrix(density, 100)
    assert adapted.regularization == pytest.approx(0.2 * sparsity ** (1 / 3))
    assert adapted.unobserved_weight == pytest.approx(10 * sparsity**0.45)
    assert adapted.user_damping == config.user_damping
    assert adapted.adapt_to_matrix(0.00001, 1) == adapted


def test_adapt_to_matrix_reduces_damping() -> None:
    config = TrainConfig(user_damping=0.4, full_damping_history=20)
    assert [config.adapt_to_matrix(0.5, length).user_damping for length in (5, 20, 100)] == [0.1, 0.4, 0.4]


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("k_values", (10, 5), "in ascending order"),
        ("k_values", (0, 10), "above 0"),
        ("k_values", (10, 10), "in ascending order"),
        ("k_values", (5,), "selection_k 10 is above the last of k_values, 5"),
        ("activity_thresholds", (1, 5), "above 1"),
        ("trend_powers", (-1.0,), "greater than or equal to 0"),
        ("trend_powers", (float("nan"),), "less than or equal to 2"),
        ("popularity_damping", -0.1, "greater than or equal to 0"),
        ("popularity_damping", float("nan"), "less than or equal to 1"),
    ],
)
def test_config_rejects_invalid_settings(setting: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainConfig.model_validate({setting: value})


def test_reranking_needs_enough_candidates() -> None:
    TrainConfig(rerank_depth=100, candidates_per_user=50)
    with pytest.raises(ValidationError, match="rerank_depth 100 is above candidates_per_user 50"):
        TrainConfig(rerank_method="mmr", rerank_depth=100, candidates_per_user=50)


def test_differences_ignore_other_settings() -> None:
    config = TrainConfig()
    assert config.describe_differences(TrainConfig(k_values=(10,), block_mib=8, warm_epochs=1)) == ""
    assert (
        config.describe_differences(TrainConfig(factors=32, trend_powers=(0.0,), popularity_damping=1))
        == f"factors was 256, is 32, trend_powers, popularity_damping was {config.popularity_damping:g}, is 1"
    )
