"""Tests of datasets and their hashes."""

from typing import Any

import pyarrow as pa
import pytest

from models_ml.data.dataset import Dataset
from models_ml.errors import ModelError
from tests.models_ml.synthetic_tables import (
    build_evaluation_pairs,
    build_feature_rows,
    build_features,
    build_interactions,
    build_product_features,
)

PAIRS = [("u1", "p1", 1.0, True), ("u1", "p 2", 0.5, False), ("😀", "p1", 2.0, False)]

FEATURES = build_feature_rows("test", "customer", "feat_club.club", "category", {"u1": "gold"})


def build_dataset(
    pairs: list[tuple[str, str, float, bool]] = PAIRS,
    popularity: float = 1.0,
    relevant: str = "p1",
) -> Dataset:
    """Return a small dataset at two cutoffs."""
    interactions = pa.concat_tables([build_interactions("now", 100, pairs), build_interactions("test", 90, PAIRS[:1])])
    return Dataset.from_tables(
        interactions,
        build_product_features("test", {"p1": popularity}),
        build_evaluation_pairs("test", [("u1", relevant, True)]),
        FEATURES,
    )


def test_hash_depends_on_content_only() -> None:
    table = build_dataset().interactions
    changed = pa.concat_tables([table.slice(2), table.slice(0, 1), table.slice(1, 1)])
    changed = changed.set_column(2, "user_id", changed["user_id"].cast(pa.string()))
    changed = changed.append_column("extra_column", pa.array(range(changed.num_rows)))
    dataset = Dataset.from_tables(
        changed,
        build_product_features("test", {"p1": 1.0}),
        build_evaluation_pairs("test", [("u1", "p1", True)]),
        FEATURES,
    )
    assert dataset.dataset_hash == build_dataset().dataset_hash


@pytest.mark.parametrize(
    "changed",
    [
        build_dataset([*PAIRS[:2], ("😀", "p1", 2.0000000001, False)]),
        build_dataset([*PAIRS[:2], ("😀", "p1", 2.0, True)]),
        build_dataset([("u1p", "1", 1.0, True), *PAIRS[1:]]),
        build_dataset(PAIRS[:2]),
        build_dataset(popularity=2.0),
        build_dataset(relevant="p 2"),
    ],
    ids=["strength", "purchase", "ids", "rows", "product features", "evaluation pairs"],
)
def test_hash_changes_with_content(changed: Dataset) -> None:
    assert changed.dataset_hash != build_dataset().dataset_hash


def hash_with_features(**features: Any) -> str:
    """Return the hash of a dataset whose three products have these features."""
    popularity = {"p1": 1.0, "p2": 1.0, "p3": 1.0}
    pairs = build_evaluation_pairs("test", [("u1", "p1", True)])
    product_features = build_product_features("now", popularity, **features)
    return Dataset.from_tables(
        build_interactions("now", 100, PAIRS), product_features, pairs, build_features(product_features)
    ).dataset_hash


def test_hash_distinguishes_nulls_and_products() -> None:
    hashes = [
        hash_with_features(),
        hash_with_features(category={"p2": ""}),
        hash_with_features(category={"p2": "mugs"}),
        hash_with_features(category={"p3": "mugs"}),
        hash_with_features(brand={"p2": "mugs"}),
        hash_with_features(product_name={"p2": "mugs"}),
        hash_with_features(price={"p2": 0.0}),
        hash_with_features(price={"p3": 0.0}),
        hash_with_features(price={"p2": 1.5}),
        hash_with_features(recent_popularity={"p2": 1.5}),
        hash_with_features(active_users_28d={"p2": 1.5}),
    ]
    assert len(set(hashes)) == len(hashes)


def test_hash_does_not_depend_on_chunks() -> None:
    rows = build_product_features("now", {"p1": 1.0, "p2": 1.0, "p3": 1.0}, category={"p1": "mugs", "p3": "pans"})
    interactions, pairs = build_interactions("now", 100, PAIRS), build_evaluation_pairs("test", [])
    chunked = pa.concat_tables([rows.slice(1), rows.slice(0, 1)])
    dataset, chunked_dataset = (Dataset.from_tables(interactions, table, pairs) for table in (rows, chunked))
    assert chunked_dataset.dataset_hash == dataset.dataset_hash
    assert dataset.product_features["category"].to_pylist() == ["mugs", None, "pans"]


def test_dataset_rejects_invalid_tables() -> None:
    table, features, pairs = (
        build_interactions("now", 100, PAIRS),
        build_product_features("now", {}),
        build_evaluation_pairs("test", []),
    )
    with pytest.raises(ModelError, match="interactions lack the columns cutoff, has_purchased"):
        Dataset.from_tables(table.drop_columns(["cutoff", "has_purchased"]), features, pairs)
    with pytest.raises(ModelError, match="product features lack the columns popularity"):
        Dataset.from_tables(table, features.drop_columns("popularity"), pairs)
    with pytest.raises(ModelError, match="no interactions at cutoff now"):
        Dataset.from_tables(build_interactions("test", 90, PAIRS), features, pairs)
    with pytest.raises(ModelError, match="nulls in strength"):
        Dataset.from_tables(table.set_column(4, "strength", pa.array([1.0, None, 1.0])), features, pairs)
    null_row = build_product_features("now", {"p1": 1.0}).set_column(6, "popularity", pa.array([None], pa.float64()))
    with pytest.raises(ModelError, match=r"product features hold nulls in popularity\. Give a value"):
        Dataset.from_tables(table, null_row, pairs)
    with pytest.raises(ModelError, match="interactions do not have the types"):
        Dataset.from_tables(table.set_column(4, "strength", pa.array(["much", "1", "1"])), features, pairs)
