"""What a model foretold, held against what happened since."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from models_ml.data.dataset import Dataset
from models_ml.evaluation.monitoring import evaluate_since_training
from models_ml.inference.candidates import Candidates
from models_ml.training import TrainingResult
from tests.models_ml.synthetic_tables import build_interactions


def build_later_interactions(trained: TrainingResult, pairs: list[tuple[str, str]]) -> pa.Table:
    """Return interactions as of now that began after the model was trained."""
    rows = build_interactions("now", 200, [(user, product, 1.0, False) for user, product in pairs])
    began = pa.array([trained.recommender.card.as_of + timedelta(days=1)] * len(pairs), pa.timestamp("us"))
    return rows.set_column(rows.column_names.index("first_interaction_at"), "first_interaction_at", began)


def test_a_model_whose_lists_came_true_has_foretold_it(trained: TrainingResult) -> None:
    model = trained.recommender
    users = model.users.ids.to_pylist()[:40]
    taken = [(user, item.product_id) for user in users for item in model.recommend(user_id=user, n=3).items]
    found = evaluate_since_training(model, build_later_interactions(trained, taken), 10)
    assert found is not None
    assert (found.user_count, found.k) == (40, 10)
    assert found.ndcg == 1.0 > found.popularity_ndcg


def test_what_was_before_and_who_was_not_there_does_not_count(trained: TrainingResult, shop: Dataset) -> None:
    model = trained.recommender
    assert evaluate_since_training(model, shop.current_interactions, 10) is None
    assert evaluate_since_training(model, build_later_interactions(trained, [("unknown_user", "p1")]), 10) is None
    known = model.users.ids.to_pylist()[0]
    mixed = pa.concat_tables([build_later_interactions(trained, [("unknown_user", "p1"), (known, "unknown product")])])
    found = evaluate_since_training(model, mixed, 10)
    assert found is not None
    assert (found.user_count, found.ndcg) == (1, 0.0)


def test_an_older_model_scores_for_the_histories_of_today(trained: TrainingResult) -> None:
    model = trained.recommender
    rows = build_interactions(
        "now",
        200,
        [
            ("newcomer", "p1", 2.0, True),
            ("newcomer", "p2", 1.0, False),
            ("newcomer", "unknown product", 1.0, True),
            ("only unknown", "unknown product", 1.0, True),
        ],
    )
    rows = rows.cast(
        pa.schema(
            [field.with_type(pa.large_string()) if pa.types.is_string(field.type) else field for field in rows.schema]
        )
    )
    table = Candidates.create(model, rows).to_table()
    assert set(table["user_id"].to_pylist()) == {"newcomer"}
    assert set(table["run_id"].to_pylist()) == {model.card.run_id}
    basket = model.recommend(basket={"p1": 2.0, "p2": 1.0}, n=10, exclude_seen=False)
    best = table.filter(pc.less_equal(table["rank"], 10))["product_id"].to_pylist()
    assert best == [item.product_id for item in basket.items]
