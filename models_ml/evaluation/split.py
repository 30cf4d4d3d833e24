"""Splits of a ranking benchmark: a validation window for tuning and a test window for the reported metrics."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.data.interaction_files import read_interactions
from models_ml.data.interactions import Interactions
from models_ml.errors import ModelError
from models_ml.evaluation.window import EvaluationWindow

NEWEST_SHARE = 0.1
"""Share of a file's pairs that become the validation part, and share of its time span that counts as recent."""


@dataclass(frozen=True)
class Split:
    """The validation window and the test window of a benchmark."""

    validation: EvaluationWindow
    test: EvaluationWindow

    @classmethod
    def from_files(cls, train: Path, validation: Path | None, test: Path, config: TrainConfig) -> "Split":
        """Read the split from interaction files (formats: models_ml.data.interaction_files).

        Without a `validation` file, a tenth of `train` is the validation part: the newest pairs or, without timestamps,
        random pairs by the config's seed. The test window follows all pairs of training and validation.

        Raises:
            ModelError: A file is invalid, or a window has no known customer with new products.
        """
        earlier, test_pairs = read_interactions(train), read_interactions(test)
        validation_pairs = read_interactions(validation) if validation is not None else None
        if validation_pairs is None:
            earlier, validation_pairs = _split_newest(earlier, config.seed)
        return cls(
            _build_window("validation", validation or train, earlier, validation_pairs, config.max_selection_users),
            _build_window(
                "test", test, _merge_pairs(earlier, validation_pairs), test_pairs, config.max_evaluation_users
            ),
        )

    @classmethod
    def from_dataset(cls, dataset: Dataset, config: TrainConfig) -> "Split":
        """Take the two windows of a dataset.

        Raises:
            ModelError: A window has no known customer with new products.
        """
        windows = [
            EvaluationWindow.from_dataset(dataset, name, max_users)
            for name, max_users in (("validation", config.max_selection_users), ("test", config.max_evaluation_users))
        ]
        for name, window in zip(("validation", "test"), windows, strict=True):
            if window is None:
                raise ModelError(f"the {name} window has no customers with a history and new products")
        # Other libraries rank new products only.
        return cls(*(window.without_repeats() for window in windows if window is not None))


def _split_newest(rows: pa.Table, seed: int) -> tuple[pa.Table, pa.Table]:
    """Return all rows but the newest share, and the newest share; rows without timestamps are split at random."""
    if rows["timestamp"].null_count:
        order = np.random.default_rng(seed).permutation(rows.num_rows)
    else:
        order = np.argsort(rows["timestamp"].to_numpy(), kind="stable")
    train_count = rows.num_rows - max(1, round(rows.num_rows * NEWEST_SHARE))
    if not train_count:
        raise ModelError("there are too few interactions to split off a validation part. Give a validation file")
    return rows.take(order[:train_count]), rows.take(order[train_count:])


def _merge_pairs(first: pa.Table, second: pa.Table) -> pa.Table:
    """Return the pairs of both tables; the weights of a pair in both are added, the last timestamp is kept."""
    groups = pa.concat_tables([first, second]).group_by(["user_id", "item_id"], use_threads=False)
    return groups.aggregate([("weight", "sum"), ("timestamp", "max")]).rename_columns(first.column_names)


def _build_window(cutoff: str, file: Path, earlier: pa.Table, held_out: pa.Table, max_users: int) -> EvaluationWindow:
    interactions = earlier.select(["user_id", "item_id", "weight"]).rename_columns(
        ["user_id", "product_id", "strength"]
    )
    earlier_pairs = earlier.select(["user_id", "item_id"]).append_column(
        "is_earlier", pa.repeat(True, earlier.num_rows)
    )
    new = held_out.join(earlier_pairs, ["user_id", "item_id"], join_type="left anti")
    pairs = pa.table(
        {
            "user_id": new["user_id"],
            "product_id": new["item_id"],
            "is_known_user": pc.is_in(new["user_id"], pc.unique(earlier["user_id"])),
        }
    )
    window = EvaluationWindow.create(
        cutoff, Interactions.from_table(interactions), _build_product_features(earlier), pairs, max_users
    )
    if window is None:
        raise ModelError(f"{file}: no customer with earlier interactions has a new product in this file")
    return window


def _build_product_features(earlier: pa.Table) -> pa.Table:
    """Return a dataset's `product_features`; the category is null."""
    timestamps = earlier["timestamp"]
    if timestamps.null_count:
        is_recent = pa.repeat(0, earlier.num_rows)
    else:
        first, last = pc.min_max(timestamps).as_py().values()
        is_recent = pc.greater(timestamps, last - NEWEST_SHARE * (last - first)).cast(pa.int64())
    counts = (
        pa.table({"product_id": earlier["item_id"], "pairs": pa.repeat(1, earlier.num_rows), "recent": is_recent})
        .group_by("product_id", use_threads=False)
        .aggregate([("pairs", "sum"), ("recent", "sum")])
    )
    recent_users = counts["recent_sum"].cast(pa.float64())
    return pa.table(
        {
            "product_id": counts["product_id"],
            "category": pa.nulls(counts.num_rows, pa.string()),
            "popularity": counts["pairs_sum"].cast(pa.float64()),
            "active_users_28d": recent_users,
            "recent_popularity": recent_users,
        }
    )
