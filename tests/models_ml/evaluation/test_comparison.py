"""Tests of the comparison of two models."""

import numpy as np
import pyarrow as pa

from models_ml.data.dataset import Dataset
from models_ml.evaluation.comparison import ComparedModel, ModelComparison, compare_models
from models_ml.evaluation.window import EvaluationWindow
from models_ml.training import TrainingResult


def shuffle_products(dataset: Dataset, share: float) -> Dataset:
    """Return the dataset after a delivery in which a share of the pairs as of now have somebody else's product."""
    rows = dataset.interactions
    chance = np.random.default_rng(3)
    is_wrong = (np.asarray(rows["cutoff"]) == "now") & (chance.random(rows.num_rows) < share)
    products = np.asarray(rows["product_id"].to_pylist(), dtype=object)
    products[is_wrong] = chance.permutation(products[is_wrong])
    shuffled = rows.set_column(
        rows.column_names.index("product_id"), "product_id", pa.array(products.tolist(), pa.large_string())
    )
    kept = shuffled.group_by(["cutoff", "as_of", "user_id", "product_id"]).aggregate(
        [(name, "max") for name in rows.column_names if name not in ("cutoff", "as_of", "user_id", "product_id")]
    )
    return Dataset.from_tables(
        kept.rename_columns([name.removesuffix("_max") for name in kept.column_names]),
        dataset.product_features,
        dataset.evaluation_pairs,
    )


def run_comparison(new: ComparedModel, serving: ComparedModel) -> ModelComparison:
    found = compare_models(new, serving, 10)
    assert found is not None
    return found


def test_comparison_equal_for_equal_models(shop: Dataset, trained: TrainingResult) -> None:
    card = trained.recommender.card
    other = card.model_copy(update={"config": card.config.model_copy(update={"seed": 1}), "epochs": card.epochs + 3})
    found = run_comparison(ComparedModel(other, shop), ComparedModel(card, shop))
    assert found.user_count > 0
    assert found.new_ndcg == found.serving_ndcg > 0
    assert (found.lower_bound, found.upper_bound) == (0, 0)


def test_comparison_excludes_relevant_pairs(shop: Dataset, trained: TrainingResult) -> None:
    card = trained.recommender.card
    window = EvaluationWindow.from_dataset(shop, "test", 10_000)
    assert window is not None
    asked = window.pairs.select(["user_id", "product_id"])
    keys = pa.table({name: asked[name].cast(shop.interactions[name].type) for name in asked.column_names})
    unasked = shop.interactions.join(keys, ["user_id", "product_id"], join_type="left anti")
    without = Dataset.from_tables(unasked, shop.product_features, shop.evaluation_pairs)
    found = run_comparison(ComparedModel(card, without), ComparedModel(card, shop))
    assert found.new_ndcg == found.serving_ndcg
