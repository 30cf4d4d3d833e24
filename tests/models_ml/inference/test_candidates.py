"""Tests of candidates."""

from dataclasses import replace
from itertools import pairwise

import pyarrow as pa
import pytest

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.inference.candidates import Candidates
from models_ml.training import TrainingResult, train
from tests.models_ml.synthetic_tables import (
    build_current_dataset,
    build_interactions,
)


def test_candidates_have_reasons(trained: TrainingResult, dataset: Dataset) -> None:
    table = pa.concat_tables(Candidates.create(trained.recommender, dataset.current_interactions).iter_blocks())
    assert table.schema.names == [
        "run_id", "user_id", "product_id", "rank", "score", "reason_product_id", "reason_share",
    ]  # fmt: skip
    candidates = table.to_pylist()
    assert len({row["user_id"] for row in candidates}) == 300
    history = {(row["user_id"], row["product_id"]) for row in dataset.current_interactions.to_pylist()}
    for row, following in pairwise(candidates):
        is_same_user = row["user_id"] == following["user_id"]
        assert following["rank"] == (row["rank"] + 1 if is_same_user else 1)
        assert not is_same_user or row["score"] >= following["score"]
    for row in candidates:
        assert row["reason_product_id"] != row["product_id"]
        assert (row["user_id"], row["reason_product_id"]) in history
        assert 0 < row["reason_share"] <= 1


def test_candidates_add_purchased_products(dataset: Dataset, config: TrainConfig) -> None:
    quick = config.model_copy(update={"max_epochs": 1, "candidates_per_user": 10})
    result = train(dataset, quick, "run")
    purchases = {
        (row["user_id"], row["product_id"]) for row in dataset.current_interactions.to_pylist() if row["has_purchased"]
    }
    lists: dict[str, list[str]] = {}
    candidates = Candidates.create(result.recommender, dataset.current_interactions)
    for row in pa.concat_tables(candidates.iter_blocks()).to_pylist():
        lists.setdefault(row["user_id"], []).append(row["product_id"])
    assert len(lists) == 300
    for user, products in lists.items():
        assert len(products) == len(set(products))
        assert sum((user, product) not in purchases for product in products) == 10
        # Purchased products are candidates only if they are among the ten best products of all.
        assert all((user, product) not in purchases for product in products[10:])


def test_candidates_of_single_customer(config: TrainConfig) -> None:
    dataset = build_current_dataset([("u1", "p1", 1.0, True)])
    recommender = train(dataset, config, "run").recommender
    (block,) = Candidates.create(recommender, dataset.current_interactions).iter_blocks()
    (row,) = block.to_pylist()
    assert (row["product_id"], row["rank"], row["reason_product_id"], row["reason_share"]) == ("p1", 1, None, None)


def test_candidates_do_not_depend_on_block_size(trained: TrainingResult, dataset: Dataset) -> None:
    card = trained.recommender.card
    small_card = card.model_copy(update={"config": card.config.model_copy(update={"block_mib": 1})})
    blocks = list(
        Candidates.create(replace(trained.recommender, card=small_card), dataset.current_interactions).iter_blocks()
    )
    (one_block_table,) = Candidates.create(trained.recommender, dataset.current_interactions).iter_blocks()
    assert len(blocks) > 1
    combined_table = pa.concat_tables(blocks)
    assert combined_table.drop_columns(["score", "reason_share"]).equals(
        one_block_table.drop_columns(["score", "reason_share"])
    )
    assert combined_table["score"].to_pylist() == pytest.approx(one_block_table["score"].to_pylist(), abs=1e-6)


def test_candidates_of_older_model(trained: TrainingResult) -> None:
    """The model scores for the current histories and ignores products that are newer than the model."""
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
    table = pa.concat_tables(Candidates.create(model, rows).iter_blocks())
    assert set(table["user_id"].to_pylist()) == {"newcomer"}
    assert set(table["run_id"].to_pylist()) == {model.card.run_id}
    recommendations = model.recommend(basket={"p1": 2.0, "p2": 1.0}, n=10)
    new_products = [product for product in table["product_id"].to_pylist() if product not in ("p1", "p2")]
    assert new_products[:10] == [item.product_id for item in recommendations.items]
