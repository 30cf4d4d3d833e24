"""Tests of the gates of a new model."""

import pyarrow as pa
import pytest

from models_ml.config import GatePolicy, TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.evaluation.comparison import ComparedModel, ModelComparison
from models_ml.evaluation.gates import GateResult, describe_failures, evaluate_gates
from models_ml.inference.artifact import ModelCard
from models_ml.training import TrainingResult, train
from tests.models_ml.evaluation.test_comparison import run_comparison, shuffle_products

POLICY = GatePolicy()


def test_gates_reject_model_of_wrong_rows(dataset: Dataset, trained: TrainingResult) -> None:
    serving = trained.recommender.card
    comparison = run_comparison(ComparedModel(serving, shuffle_products(dataset, 0.7)), ComparedModel(serving, dataset))
    assert comparison.upper_bound < -0.05 * comparison.serving_ndcg
    gates = evaluate_gates(serving, trained.metric_differences, POLICY, serving, comparison)
    assert [gate.gate for gate in gates if not gate.is_passed] == ["versus_serving_model", "possible_loss"]
    assert "in the serving model's test window" in (describe_failures(gates) or "")


def test_gates_accept_model_of_same_data(dataset: Dataset, trained: TrainingResult, config: TrainConfig) -> None:
    result = train(dataset, config.model_copy(update={"seed": 1}), "run-2")
    new, serving = result.recommender.card, trained.recommender.card
    comparison = run_comparison(ComparedModel(new, dataset), ComparedModel(serving, dataset))
    gates = evaluate_gates(new, result.metric_differences, POLICY, serving, comparison)
    assert {gate.gate for gate in gates} == {
        *("versus_popularity", "versus_recent_popularity", "versus_item_item", "versus_user_item_graph"),
        *("versus_ease", "versus_serving_model", "possible_loss", "coverage", "customers_served"),
    }
    assert describe_failures(gates) is None


@pytest.mark.parametrize(
    ("method", "difference", "upper_bound", "is_passed"),
    [
        ("popularity", 0.01, 0.02, True),
        ("popularity", -0.001, 0.01, False),
        ("item_item", -0.001, 0.01, True),
        ("item_item", -0.02, -0.01, False),
        ("oracle", -0.5, -0.4, True),
        ("without feat_user_plan.plan", -0.5, -0.4, True),
    ],
)
def test_gates_against_baselines(
    trained: TrainingResult, method: str, difference: float, upper_bound: float, is_passed: bool
) -> None:
    """The model must be better than popularity, and not significantly worse than the other baselines."""
    key = ("popularity", "all", "ndcg", 10)
    rows = trained.metric_differences.to_pylist()
    template = next(row for row in rows if (row["method"], row["segment"], row["metric"], row["k"]) == key)
    row = template | {"method": method, "difference": difference, "upper_bound": upper_bound}
    gates = evaluate_gates(trained.recommender.card, pa.Table.from_pylist([row]), POLICY)
    assert (describe_failures(gates) is None) == is_passed


def evaluate_against_serving(
    card: ModelCard, serving: ModelCard, users: int = 5, lower_bound: float = -0.02
) -> dict[str, GateResult]:
    no_differences = pa.table({"cutoff": pa.array([], pa.string())})
    comparison = ModelComparison(
        k=10, user_count=users, serving_ndcg=0.2, new_ndcg=0.19, lower_bound=lower_bound, upper_bound=-0.0099
    )
    return {gate.gate: gate for gate in evaluate_gates(card, no_differences, POLICY, serving, comparison)}


def test_gates_check_customers_and_coverage(trained: TrainingResult) -> None:
    """A small loss of NDCG passes all gates; a loss of customers or coverage fails its gate."""
    card = trained.recommender.card
    smaller = card.model_copy(
        update={
            "users": card.users * 8 // 10,
            "metrics": [{**row, "coverage": float(row.get("coverage", 0)) * 0.4} for row in card.metrics],
        }
    )
    assert all(gate.is_passed for gate in evaluate_against_serving(card, card).values())
    failed = {name for name, gate in evaluate_against_serving(smaller, card).items() if not gate.is_passed}
    assert failed == {"coverage", "customers_served"}


@pytest.mark.parametrize(
    ("users", "lower_bound", "is_passed"), [(200, -0.0199, True), (200, -0.0204, False), (199, -0.0204, True)]
)
def test_gates_check_possible_loss(trained: TrainingResult, users: int, lower_bound: float, is_passed: bool) -> None:
    card = trained.recommender.card
    gates = evaluate_against_serving(card, card, users, lower_bound)
    assert all(gate.is_passed for gate in gates.values()) == is_passed
    if not is_passed:
        assert "is at most 10.20% below the serving model's (lower" in gates["possible_loss"].finding
