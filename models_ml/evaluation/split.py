"""Splits of a ranking benchmark: validation windows for tuning and a test window for the reported metrics."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.data.interaction_files import merge_repeated_pairs, read_interactions
from models_ml.data.interactions import Interactions
from models_ml.errors import ModelError
from models_ml.evaluation.holdout import Holdout, choose_holdout, iter_folds, require_possible
from models_ml.evaluation.window import EvaluationWindow

NEWEST_SHARE = 0.1
"""Share of a file's pairs that become the validation part, and share of its time span that counts as recent."""

MAX_FOLDS = 5
"""Maximum number of validation folds."""

MIN_FOLD_CUSTOMERS = 1_000
"""Number of customers in all folds together that the default number of folds aims at; docs/benchmarks/ranking.md has
the measurements."""

MAX_TIMESTAMP_RATIO = 20
"""Maximum ratio of the last timestamps of two files with the same unit. Units differ by a factor of 24 or more, and the
dates 20260101 and 1767225600 by 87."""


@dataclass(frozen=True)
class Split:
    """The validation folds and the test window of a benchmark."""

    validation: tuple[EvaluationWindow, ...]
    """One window per fold, each with its own training pairs. Parameters are selected by the mean over the folds."""
    test: EvaluationWindow
    origin: str
    """Origin of the validation folds, as text, with the reasons for the holdout and for the number of folds."""
    holdout: Holdout | None = None
    """How the folds were split off the training pairs; None if none was."""

    @classmethod
    def from_files(
        cls,
        train: Path,
        validation: Path | None,
        test: Path,
        config: TrainConfig,
        *,
        holdout: Holdout | None = None,
        folds: int | None = None,
    ) -> "Split":
        """Read the split from interaction files (formats: models_ml.data.interaction_files).

        Without a `validation` file, each fold holds out a tenth of `train` (models_ml.evaluation.holdout); random pairs
        depend on the config's seed. With a file, it is the first fold, and each further fold holds out a part of
        `train` of the same size. `folds` None takes as many folds as have 1,000 customers together, if there are enough
        pairs. The test window follows all pairs of training and validation.

        Raises:
            ModelError: A file is invalid, only one of `train` and `validation` has timestamps or their units differ,
                `holdout` is not possible, a window has no known customer with new products,
                or there are too few pairs for the folds.
        """
        train_pairs, test_pairs = read_interactions(train), read_interactions(test)
        reason = "as requested"
        if holdout is None:
            holdout, reason = choose_holdout(train, train_pairs)
        require_possible(holdout, train, train_pairs)
        if validation is None:
            known_pairs = train_pairs
            parts = iter_folds(train_pairs, holdout, NEWEST_SHARE, config.seed)
        else:
            validation_pairs = read_interactions(validation)
            _require_comparable_timestamps({train: train_pairs, validation: validation_pairs})
            known_pairs = _merge_pairs(train_pairs, validation_pairs)
            parts = _iter_folds_with_file(train_pairs, validation_pairs, holdout, config.seed)
        windows = _build_folds(parts, validation or train, train, config, folds)
        origin = f"{NEWEST_SHARE:.0%} of {train}" if validation is None else f"the file {validation}"
        if validation is not None and len(windows) > 1:
            origin += f", and parts of {train} of the same size"
        is_held_out = validation is None or len(windows) > 1
        if is_held_out:
            origin += f", holdout {holdout} ({reason})"
        if len(windows) > 1:
            cause = f", because the first has only {len(windows[0].known_positions)} customers" if folds is None else ""
            origin = f"{len(windows)} folds{cause}: {origin}"
        return cls(
            windows,
            _build_window("test", test, known_pairs, test_pairs, config.max_evaluation_users),
            origin,
            holdout if is_held_out else None,
        )

    @classmethod
    def from_dataset(cls, dataset: Dataset, config: TrainConfig) -> "Split":
        """Take the two windows of a dataset.

        Raises:
            ModelError: A window has no known customer with new products.
        """
        windows = []
        for name, max_users in (("validation", config.max_selection_users), ("test", config.max_evaluation_users)):
            window = EvaluationWindow.from_dataset(dataset, name, max_users)
            # Other libraries rank new products only.
            window = None if window is None else window.without_repeats()
            if window is None or not len(window.known_positions):
                raise ModelError(f"the {name} window has no customers with a history and new products")
            windows.append(window)
        validation, test = windows
        return cls((validation,), test, "the validation window of the dataset version")


def _require_comparable_timestamps(files: Mapping[Path, pa.Table]) -> None:
    """Check that all files or no file have timestamps, and that the units look equal.

    Raises:
        ModelError: The timestamps of the files cannot be compared; the message names the files.
    """
    dated, undated = (
        [str(file) for file, pairs in files.items() if bool(pairs["timestamp"].null_count) == is_undated]
        for is_undated in (False, True)
    )
    if dated and undated:
        raise ModelError(
            f"the timestamps cannot be compared: {dated[0]} has timestamps, {undated[0]} has none. Add the column "
            f"timestamp to {undated[0]}, or remove it from {dated[0]}"
        )
    if undated:
        return
    last_timestamps = [abs(pc.max(pairs["timestamp"]).as_py()) for pairs in files.values()]
    if max(last_timestamps) > MAX_TIMESTAMP_RATIO * max(min(last_timestamps), 1):
        values = ", ".join(f"{value:.10g} in {file}" for value, file in zip(last_timestamps, files, strict=True))
        raise ModelError(
            f"the timestamps cannot be compared: the last is {values}; dates and datetimes count as microseconds since "
            "1970. Give both files timestamps of the same kind and unit"
        )


def _build_folds(
    parts: Iterator[tuple[pa.Table, pa.Table]], first_file: Path, train: Path, config: TrainConfig, folds: int | None
) -> tuple[EvaluationWindow, ...]:
    """Return the windows of the folds; `first_file` has the held-out pairs of the first, `train` those of the others.

    Raises:
        ModelError: There are too few pairs for `folds` folds, or for one fold.
    """
    windows = [_build_window("validation", first_file, *next(parts), config.max_selection_users)]
    # A window that is a sample of its customers needs no folds: more customers cost less than another fold.
    min_customers = min(MIN_FOLD_CUSTOMERS, config.max_selection_users)
    count = folds or min(MAX_FOLDS, ceil(min_customers / len(windows[0].known_positions)))
    while len(windows) < count:
        try:
            windows.append(_build_window("validation", train, *next(parts), config.max_selection_users))
        except ModelError:
            if folds is not None:
                raise
            break
    return tuple(windows)


def _iter_folds_with_file(
    train: pa.Table, validation: pa.Table, holdout: Holdout, seed: int
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the training pairs and the held-out pairs of each fold; the first fold holds out `validation`.

    Random pairs of `train` are held out of both files together; the last pairs have no later pairs to train on.
    """
    yield train, validation
    for earlier, held_out in iter_folds(train, holdout, validation.num_rows / train.num_rows, seed):
        yield (_merge_pairs(earlier, validation) if holdout == Holdout.RANDOM else earlier), held_out


def _merge_pairs(first: pa.Table, second: pa.Table) -> pa.Table:
    """Return the pairs of both tables; the weights of a pair in both are added, the last timestamp is kept."""
    return merge_repeated_pairs(pa.concat_tables([first, second]))


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
