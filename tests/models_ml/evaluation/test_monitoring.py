"""Tests of the evaluation of a model on later interactions."""

from datetime import timedelta

import pyarrow as pa

from models_ml.data.dataset import Dataset
from models_ml.evaluation.monitoring import evaluate_since_training
from models_ml.training import TrainingResult
from tests.models_ml.synthetic_tables import build_interactions


def build_later_interactions(trained: TrainingResult, pairs: list[tuple[str, str]]) -> pa.Table:
    """Return rows at the cutoff 'now' whose interactions began after the training."""
    rows = build_interactions("now", 200, [(user, product, 1.0, False) for user, product in pairs])
    first_interaction_at = pa.array(
        [trained.recommender.card.as_of + timedelta(days=1)] * len(pairs), pa.timestamp("us")
    )
    index = rows.column_names.index("first_interaction_at")
    return rows.set_column(index, "first_interaction_at", first_interaction_at)


def test_monitoring_of_exact_lists(trained: TrainingResult) -> None:
    model = trained.recommender
    users = model.users.ids.to_pylist()[:40]
    recommended = [(user, item.product_id) for user in users for item in model.recommend(user_id=user, n=3).items]
    metrics = evaluate_since_training(model, build_later_interactions(trained, recommended), 10)
    assert metrics is not None
    assert (metrics.user_count, metrics.k) == (40, 10)
    assert metrics.ndcg == 1.0 > metrics.popularity_ndcg


def test_monitoring_ignores_old_pairs(trained: TrainingResult, dataset: Dataset) -> None:
    """Interactions before the training and unknown customers do not count."""
    model = trained.recommender
    assert evaluate_since_training(model, dataset.current_interactions, 10) is None
    assert evaluate_since_training(model, build_later_interactions(trained, [("unknown_user", "p1")]), 10) is None
    known_user = model.users.ids.to_pylist()[0]
    pairs = [("unknown_user", "p1"), (known_user, "unknown product")]
    metrics = evaluate_since_training(model, build_later_interactions(trained, pairs), 10)
    assert metrics is not None
    assert (metrics.user_count, metrics.ndcg) == (1, 0.0)
