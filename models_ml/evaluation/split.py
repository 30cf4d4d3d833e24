"""What a ranking benchmark learns from and is asked: a validation window to tune on, a test window to report on."""

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
"""Share of a file's time span, or of its pairs, that is its newest part."""


@dataclass(frozen=True)
class Split:
    """Two windows: what is known before each, and what is relevant in it."""

    validation: EvaluationWindow
    test: EvaluationWindow

    @classmethod
    def from_files(cls, train: Path, validation: Path | None, test: Path, config: TrainConfig) -> "Split":
        """Read interaction files (see models_ml.data.interaction_files).

        Without a `valid` file a tenth of `train` is split off: its newest pairs, or, where it has no timestamps, pairs
        drawn by the config's seed. Before the test window everything of train and validation is known.

        Raises ModelError when a file is wrong, or no customer of train is in validation or test.
        """
        known, asked = read_interactions(train), read_interactions(test)
        held_out = read_interactions(validation) if validation is not None else None
        if held_out is None:
            known, held_out = _split_off(known, config.seed)
        return cls(
            _build_window("validation", validation or train, known, held_out, config.max_selection_users),
            _build_window("test", test, _merge_pairs(known, held_out), asked, config.max_evaluation_users),
        )

    @classmethod
    def from_dataset(cls, dataset: Dataset, config: TrainConfig) -> "Split":
        """Take the two windows of a dataset version; ModelError when one has nobody to measure."""
        windows = [
            EvaluationWindow.from_dataset(dataset, name, most)
            for name, most in (("validation", config.max_selection_users), ("test", config.max_evaluation_users))
        ]
        for name, window in zip(("validation", "test"), windows, strict=True):
            if window is None:
                raise ModelError(f"the {name} window has no customer with a history who takes anything new in it")
        return cls(*(window for window in windows if window is not None))


def _split_off(rows: pa.Table, seed: int) -> tuple[pa.Table, pa.Table]:
    if rows["timestamp"].null_count:
        order = np.random.default_rng(seed).permutation(rows.num_rows)
    else:
        order = np.argsort(rows["timestamp"].to_numpy(), kind="stable")
    kept = rows.num_rows - max(1, round(rows.num_rows * NEWEST_SHARE))
    if not kept:
        raise ModelError("there are too few interactions to split a validation part off; give a file of your own")
    return rows.take(order[:kept]), rows.take(order[kept:])


def _merge_pairs(first: pa.Table, second: pa.Table) -> pa.Table:
    both = pa.concat_tables([first, second]).group_by(["user_id", "item_id"], use_threads=False)
    return both.aggregate([("weight", "sum"), ("timestamp", "max")]).rename_columns(first.column_names)


def _build_window(cutoff: str, file: Path, known: pa.Table, held_out: pa.Table, max_users: int) -> EvaluationWindow:
    interactions = known.select(["user_id", "item_id", "weight"]).rename_columns(["user_id", "product_id", "strength"])
    seen = known.select(["user_id", "item_id"]).append_column("is_seen", pa.repeat(True, known.num_rows))
    new = held_out.join(seen, ["user_id", "item_id"], join_type="left anti")
    pairs = pa.table(
        {
            "user_id": new["user_id"],
            "product_id": new["item_id"],
            "is_known_user": pc.is_in(new["user_id"], pc.unique(known["user_id"])),
        }
    )
    matrix = Interactions.from_table(interactions)
    window = EvaluationWindow.create(cutoff, matrix, _build_product_features(known), pairs, max_users)
    if window is None:
        raise ModelError(f"{file}: no customer with interactions before it takes anything new in it")
    return window


def _build_product_features(known: pa.Table) -> pa.Table:
    """Return the columns of marts.ml_product_features as far as interactions tell them."""
    at = known["timestamp"]
    if at.null_count:
        is_late = pa.repeat(0, known.num_rows)
    else:
        first, last = pc.min_max(at).as_py().values()
        is_late = pc.greater(at, last - NEWEST_SHARE * (last - first)).cast(pa.int64())
    counted = (
        pa.table({"product_id": known["item_id"], "pairs": pa.repeat(1, known.num_rows), "late": is_late})
        .group_by("product_id", use_threads=False)
        .aggregate([("pairs", "sum"), ("late", "sum")])
    )
    late = counted["late_sum"].cast(pa.float64())
    unknown = {
        name: pa.nulls(counted.num_rows, type_)
        for name, type_ in (
            ("product_name", pa.string()), ("category", pa.string()), ("brand", pa.string()), ("price", pa.float64())
        )
    }  # fmt: skip
    return pa.table(
        {
            "product_id": counted["product_id"],
            **unknown,
            "popularity": counted["pairs_sum"].cast(pa.float64()),
            "active_users_28d": late,
            "recent_popularity": late,
        }
    )
