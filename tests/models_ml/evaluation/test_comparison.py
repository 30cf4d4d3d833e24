"""Tests of the comparison of two models."""

import numpy as np
import pyarrow as pa

from models_ml.data.dataset import Dataset
from models_ml.evaluation.comparison import ComparedModel, ModelComparison, compare_models
from models_ml.evaluation.window import EvaluationWindow
from models_ml.training import TrainingResult


def shuffle_products(dataset: Dataset, share: float) -> Dataset:
    """Return the dataset with permuted products in a share of the pairs at the cutoff 'now'."""
    rows = dataset.interactions
    rng = np.random.default_rng(3)
    is_permuted = (np.asarray(rows["cutoff"]) == "now") & (rng.random(rows.num_rows) < share)
    products = np.asarray(rows["product_id"].to_pylist(), dtype=object)
    products[is_permuted] = rng.permutation(products[is_permuted])
    shuffled = rows.set_column(
        rows.column_names.index("product_id"), "product_id", pa.array(products.tolist(), pa.large_string())
    )
    merged = shuffled.group_by(["cutoff", "as_of", "user_id", "product_id"]).aggregate(
        [(name, "max") for name in rows.column_names if name not in ("cutoff", "as_of", "user_id", "product_id")]
    )
    return Dataset.from_tables(
        merged.rename_columns([name.removesuffix("_max") for name in merged.column_names]),
        dataset.product_features,
        dataset.evaluation_pairs,
    )


def run_comparison(new: ComparedModel, serving: ComparedModel) -> ModelComparison:
    comparison = compare_models(new, serving, 10)
    assert comparison is not None
    return comparison


def test_comparison_equal_for_equal_models(dataset: Dataset, trained: TrainingResult) -> None:
    card = trained.recommender.card
    other = card.model_copy(
        update={
            "config": card.config.model_copy(update={"seed": 1}),
            "epochs": card.epochs + 3,
            "graph_weight": card.graph_weight + 0.4,
        }
    )
    comparison = run_comparison(ComparedModel(other, dataset), ComparedModel(card, dataset))
    assert comparison.user_count > 0
    assert comparison.new_ndcg == comparison.serving_ndcg > 0
    assert (comparison.lower_bound, comparison.upper_bound) == (0, 0)


def test_comparison_excludes_relevant_pairs(dataset: Dataset, trained: TrainingResult) -> None:
    card = trained.recommender.card
    window = EvaluationWindow.from_dataset(dataset, "test", 10_000)
    assert window is not None
    keys = ["user_id", "product_id"]
    relevant_pairs = pa.table({key: window.pairs[key].cast(dataset.interactions[key].type) for key in keys})
    other_rows = dataset.interactions.join(relevant_pairs, keys, join_type="left anti")
    without_relevant = Dataset.from_tables(other_rows, dataset.product_features, dataset.evaluation_pairs)
    comparison = run_comparison(ComparedModel(card, without_relevant), ComparedModel(card, dataset))
    assert comparison.new_ndcg == comparison.serving_ndcg
