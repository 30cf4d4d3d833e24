"""Tests of candidates."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.inference.candidates import Candidates
from models_ml.inference.recommender import Recommender
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


@pytest.mark.parametrize("method", ["mmr", "calibrated"])
def test_candidates_follow_reranking(trained: TrainingResult, dataset: Dataset, method: str, tmp_path: Path) -> None:
    """The scores are those without re-ranking, purchased products keep their ranks, and the artifact gives the same."""
    model = trained.recommender
    settings = {"rerank_method": method, "rerank_weight": 0.5, "rerank_depth": 20, "candidates_per_user": 30}
    card = model.card.model_copy(update={"config": model.card.config.model_copy(update=settings)})
    categories = torch.arange(len(model.products)) % 5 if method == "calibrated" else None
    reranked = replace(model, card=card, categories=categories)
    reranked.save(tmp_path / "run")
    plain_card = card.model_copy(update={"config": card.config.model_copy(update={"rerank_method": "none"})})
    plain_rows, rows, loaded_rows = (
        pa.concat_tables(Candidates.create(recommender, dataset.current_interactions).iter_blocks()).to_pylist()
        for recommender in (replace(model, card=plain_card), reranked, Recommender.load(tmp_path / "run"))
    )
    assert [(row["user_id"], row["product_id"]) for row in rows] == [
        (row["user_id"], row["product_id"]) for row in loaded_rows
    ]
    purchases = {
        (row["user_id"], row["product_id"]) for row in dataset.current_interactions.to_pylist() if row["has_purchased"]
    }
    # The reasons of a product are those of its score.
    assert sorted(rows, key=str) != sorted(plain_rows, key=str)
    without_rank = [sorted({**row, "rank": 0}.items(), key=str) for row in rows]
    assert sorted(without_rank, key=str) == sorted(
        (sorted({**row, "rank": 0}.items(), key=str) for row in plain_rows), key=str
    )
    lists: dict[str, list[str]] = {}
    plain_lists: dict[str, list[str]] = {}
    for source, target in ((rows, lists), (plain_rows, plain_lists)):
        for row in source:
            target.setdefault(row["user_id"], []).append(row["product_id"])
            assert row["rank"] == len(target[row["user_id"]])
    assert sum(lists[user] != plain_lists[user] for user in lists) > 250
    for user, products in lists.items():
        is_purchased = [(user, product) in purchases for product in products]
        assert is_purchased == [(user, product) in purchases for product in plain_lists[user]]
        places = [place for place, purchased in enumerate(is_purchased) if not purchased]
        # Products after the depth keep their ranks.
        assert all(products[place] == plain_lists[user][place] for place in places[20:])
        assert all(products[place] == plain_lists[user][place] for place, bought in enumerate(is_purchased) if bought)
