"""Tests of the evaluation of a model on later interactions."""

from datetime import timedelta

import pyarrow as pa

from models_ml.data.dataset import Dataset
from models_ml.evaluation.monitoring import evaluate_since_training
from models_ml.training import TrainingResult
from tests.models_ml.synthetic_tables import build_interactions


def build_later_interactions(trained: TrainingResult, pairs: list[tuple[str, str]]) -> pa.Table:
    """Return interactions as of now that began after the model was trained."""
    rows = build_interactions("now", 200, [(user, product, 1.0, False) for user, product in pairs])
    began = pa.array([trained.recommender.card.as_of + timedelta(days=1)] * len(pairs), pa.timestamp("us"))
    return rows.set_column(rows.column_names.index("first_interaction_at"), "first_interaction_at", began)


def test_monitoring_of_exact_lists(trained: TrainingResult) -> None:
    model = trained.recommender
    users = model.users.ids.to_pylist()[:40]
    taken = [(user, item.product_id) for user in users for item in model.recommend(user_id=user, n=3).items]
    found = evaluate_since_training(model, build_later_interactions(trained, taken), 10)
    assert found is not None
    assert (found.user_count, found.k) == (40, 10)
    assert found.ndcg == 1.0 > found.popularity_ndcg


def test_monitoring_ignores_old_pairs(trained: TrainingResult, shop: Dataset) -> None:
    model = trained.recommender
    assert evaluate_since_training(model, shop.current_interactions, 10) is None
    assert evaluate_since_training(model, build_later_interactions(trained, [("unknown_user", "p1")]), 10) is None
    known = model.users.ids.to_pylist()[0]
    mixed = pa.concat_tables([build_later_interactions(trained, [("unknown_user", "p1"), (known, "unknown product")])])
    found = evaluate_since_training(model, mixed, 10)
    assert found is not None
    assert (found.user_count, found.ndcg) == (1, 0.0)
