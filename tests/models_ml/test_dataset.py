"""The content of a dataset and its hash."""

from typing import Any

import pyarrow as pa
import pytest

from models_ml.dataset import Dataset
from models_ml.errors import ModelError
from tests.models_ml.made_up import feature_rows, interaction_rows, pair_rows

PAIRS = [("u1", "p1", 1.0, True), ("u1", "p 2", 0.5, False), ("😀", "p1", 2.0, False)]


def dataset(
    pairs: list[tuple[str, str, float, bool]] = PAIRS,
    popularity: float = 1.0,
    relevant: str = "p1",
) -> Dataset:
    """Return a small dataset of two instants."""
    interactions = pa.concat_tables([interaction_rows("now", 100, pairs), interaction_rows("test", 90, PAIRS[:1])])
    return Dataset.of(
        interactions, feature_rows("test", {"p1": popularity}), pair_rows("test", [("u1", relevant, True)])
    )


def test_the_hash_knows_content_and_nothing_else() -> None:
    table = dataset().interactions
    again = pa.concat_tables([table.slice(2), table.slice(0, 1), table.slice(1, 1)])
    again = again.set_column(2, "user_id", again["user_id"].cast(pa.string()))
    again = again.append_column("more", pa.array(range(again.num_rows)))
    same = Dataset.of(again, feature_rows("test", {"p1": 1.0}), pair_rows("test", [("u1", "p1", True)]))
    assert same.dataset_hash == dataset().dataset_hash


@pytest.mark.parametrize(
    "changed",
    [
        dataset([*PAIRS[:2], ("😀", "p1", 2.0000000001, False)]),
        dataset([*PAIRS[:2], ("😀", "p1", 2.0, True)]),
        dataset([("u1p", "1", 1.0, True), *PAIRS[1:]]),
        dataset(PAIRS[:2]),
        dataset(popularity=2.0),
        dataset(relevant="p 2"),
    ],
    ids=["strength", "purchase", "ids", "rows", "what evaluation ranks", "what evaluation counts"],
)
def test_any_change_gives_another_hash(changed: Dataset) -> None:
    assert changed.dataset_hash != dataset().dataset_hash


def featured(**facts: Any) -> str:
    """Return the hash of a dataset whose three products have these facts."""
    counts = {"p1": 1.0, "p2": 1.0, "p3": 1.0}
    pairs = pair_rows("test", [("u1", "p1", True)])
    return Dataset.of(interaction_rows("now", 100, PAIRS), feature_rows("now", counts, **facts), pairs).dataset_hash


def test_the_hash_tells_unknown_facts_from_empty_ones_and_from_those_of_other_products() -> None:
    hashes = [
        featured(),
        featured(category={"p2": ""}),
        featured(category={"p2": "mugs"}),
        featured(category={"p3": "mugs"}),
        featured(brand={"p2": "mugs"}),
        featured(product_name={"p2": "mugs"}),
        featured(price={"p2": 0.0}),
        featured(price={"p3": 0.0}),
        featured(price={"p2": 1.5}),
        featured(recent_popularity={"p2": 1.5}),
        featured(active_users_28d={"p2": 1.5}),
    ]
    assert len(set(hashes)) == len(hashes)


def test_unknown_facts_are_hashed_alike_however_their_rows_are_chunked() -> None:
    rows = feature_rows("now", {"p1": 1.0, "p2": 1.0, "p3": 1.0}, category={"p1": "mugs", "p3": "pans"})
    interactions, pairs = interaction_rows("now", 100, PAIRS), pair_rows("test", [])
    chunked = pa.concat_tables([rows.slice(1), rows.slice(0, 1)])
    one, other = (Dataset.of(interactions, table, pairs) for table in (rows, chunked))
    assert other.dataset_hash == one.dataset_hash
    assert one.product_features["category"].to_pylist() == ["mugs", None, "pans"]


def test_rows_that_are_no_training_rows_are_refused() -> None:
    table, features, pairs = interaction_rows("now", 100, PAIRS), feature_rows("now", {}), pair_rows("test", [])
    with pytest.raises(ModelError, match="interactions lack the columns cutoff, has_purchased"):
        Dataset.of(table.drop_columns(["cutoff", "has_purchased"]), features, pairs)
    with pytest.raises(ModelError, match="product features lack the columns popularity"):
        Dataset.of(table, features.drop_columns("popularity"), pairs)
    with pytest.raises(ModelError, match="no interactions as of now"):
        Dataset.of(interaction_rows("test", 90, PAIRS), features, pairs)
    with pytest.raises(ModelError, match="nulls in strength"):
        Dataset.of(table.set_column(4, "strength", pa.array([1.0, None, 1.0])), features, pairs)
    unknown = feature_rows("now", {"p1": 1.0}).set_column(6, "popularity", pa.array([None], pa.float64()))
    with pytest.raises(ModelError, match="product features hold nulls in popularity; every value there must be known"):
        Dataset.of(table, unknown, pairs)
    with pytest.raises(ModelError, match="interactions do not have the types"):
        Dataset.of(table.set_column(4, "strength", pa.array(["much", "1", "1"])), features, pairs)
