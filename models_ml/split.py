"""What a ranking benchmark learns from and is asked: a validation window to tune on, a test window to report on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models_ml.config import TrainConfig
from models_ml.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.evaluation import EvaluationWindow
from models_ml.interaction_files import read_interactions
from models_ml.interactions import Interactions

LATELY = 0.1
"""Share of a file's time span, or of its pairs, that is its newest part."""


@dataclass(frozen=True)
class Split:
    """Two windows: what is known before each, and what is relevant in it."""

    validation: EvaluationWindow
    test: EvaluationWindow

    @classmethod
    def of_files(cls, train: Path, valid: Path | None, test: Path, config: TrainConfig) -> "Split":
        """Read interaction files (see models_ml.interaction_files).

        Without a `valid` file a tenth of `train` is split off: its newest pairs, or, where it has no timestamps, pairs
        drawn by the config's seed. Before the test window everything of train and validation is known.

        Raises ModelError when a file is wrong, or no customer of train is in validation or test.
        """
        known, asked = read_interactions(train), read_interactions(test)
        held_out = read_interactions(valid) if valid is not None else None
        if held_out is None:
            known, held_out = _split_off(known, config.seed)
        return cls(
            _window_of("validation", valid or train, known, held_out, config.selection_users),
            _window_of("test", test, _together(known, held_out), asked, config.evaluation_users),
        )

    @classmethod
    def of_dataset(cls, dataset: Dataset, config: TrainConfig) -> "Split":
        """Take the two windows of a dataset version; ModelError when one has nobody to measure."""
        windows = [
            EvaluationWindow.of_dataset(dataset, name, most)
            for name, most in (("validation", config.selection_users), ("test", config.evaluation_users))
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
    kept = rows.num_rows - max(1, round(rows.num_rows * LATELY))
    if not kept:
        raise ModelError("there are too few interactions to split a validation part off; give a file of your own")
    return rows.take(order[:kept]), rows.take(order[kept:])


def _together(one: pa.Table, other: pa.Table) -> pa.Table:
    both = pa.concat_tables([one, other]).group_by(["user_id", "item_id"], use_threads=False)
    return both.aggregate([("weight", "sum"), ("timestamp", "max")]).rename_columns(one.column_names)


def _window_of(name: str, file: Path, known: pa.Table, asked: pa.Table, most_users: int) -> EvaluationWindow:
    interactions = known.select(["user_id", "item_id", "weight"]).rename_columns(["user_id", "product_id", "strength"])
    seen = known.select(["user_id", "item_id"]).append_column("is_seen", pa.repeat(True, known.num_rows))
    new = asked.join(seen, ["user_id", "item_id"], join_type="left anti")
    pairs = pa.table(
        {
            "user_id": new["user_id"],
            "product_id": new["item_id"],
            "is_known_user": pc.is_in(new["user_id"], pc.unique(known["user_id"])),
        }
    )
    matrix = Interactions.from_table(interactions)
    window = EvaluationWindow.of(name, matrix, _features_of(known), pairs, most_users)
    if window is None:
        raise ModelError(f"{file}: no customer with interactions before it takes anything new in it")
    return window


def _features_of(known: pa.Table) -> pa.Table:
    """Return the columns of marts.ml_product_features as far as interactions tell them."""
    at = known["timestamp"]
    if at.null_count:
        is_late = pa.repeat(0, known.num_rows)
    else:
        first, last = pc.min_max(at).as_py().values()
        is_late = pc.greater(at, last - LATELY * (last - first)).cast(pa.int64())
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
