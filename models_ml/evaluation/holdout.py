"""Holdouts: how a part of the training pairs becomes the validation part of a benchmark."""

from collections.abc import Iterator
from enum import StrEnum
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models_ml.data.interaction_files import has_item_lists
from models_ml.errors import ModelError

MIN_ASCENDING_SHARE = 0.95
"""Share of ascending neighbors in the lines of a file from which on its items count as sorted by id."""

MIN_LAST_PAIRS = 5
"""Minimum number of pairs of a customer whose last tenth, rounded, has a pair."""

MIN_KEPT_SHARE = 0.5
"""Minimum share of the pairs that a fold keeps for training. Each fold of the last pairs keeps fewer."""


class Holdout(StrEnum):
    """Which training pairs become the validation part."""

    LAST = "last"
    """The last pairs of each customer, by timestamp or, without timestamps, in the order of the file."""

    RANDOM = "random"
    """Random pairs."""

    TIME = "time"
    """The newest pairs of all customers together."""


def choose_holdout(file: Path, rows: pa.Table) -> tuple[Holdout, str]:
    """Return the default holdout for the pairs of a file, and the reason as text."""
    if not rows["timestamp"].null_count:
        return Holdout.TIME, "the file has timestamps"
    if not has_item_lists(file):
        return Holdout.RANDOM, "the file has no timestamps"
    if _is_sorted_by_item(rows):
        return Holdout.RANDOM, "the file has no timestamps, and the items of its lines are sorted by id"
    if pc.max(pc.value_counts(rows["user_id"]).field("counts")).as_py() < MIN_LAST_PAIRS:
        return Holdout.RANDOM, f"the file has no timestamps, and its customers have fewer than {MIN_LAST_PAIRS} items"
    return Holdout.LAST, "the file has lines `user item item ...`, whose order usually is the order of time"


def require_possible(holdout: Holdout, file: Path, rows: pa.Table) -> None:
    """Check that the pairs of a file have what the holdout needs.

    Raises:
        ModelError: The holdout is `time`, and the file has no timestamps.
    """
    if holdout == Holdout.TIME and rows["timestamp"].null_count:
        raise ModelError(
            f"the holdout 'time' failed: {file} has no timestamps. Add the column timestamp, or choose the holdout "
            "'last' or 'random'"
        )


def iter_folds(rows: pa.Table, holdout: Holdout, share: float, seed: int) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the training pairs and the held-out pairs of each fold; a fold holds out `share` of the pairs.

    The folds of the holdout `random` hold out disjoint parts and train on all other pairs. The first fold of `time` and
    `last` holds out the last part; each further fold holds out the part before and trains on the pairs before that.
    With `last`, each customer's number of pairs times `share` is rounded, and each customer keeps at least one pair.

    Raises:
        ModelError: There are too few pairs for the next fold.
    """
    for fold in count():
        kept_share = 1 - (1 if holdout == Holdout.RANDOM else fold + 1) * share
        if kept_share < MIN_KEPT_SHARE or (fold + 1) * share > 1:
            raise ModelError(
                f"there are too few interactions to split off another fold with {share:.0%} of the training "
                "interactions. Use fewer folds"
            )
        is_earlier, is_held_out = _split_rows(rows, holdout, share, seed, fold)
        if not is_held_out.any() or not is_earlier.any():
            raise ModelError(
                "there are too few interactions to split off a validation part. Give a validation file"
                + (", or choose the holdout 'random'" if holdout == Holdout.LAST else "")
            )
        yield rows.filter(pa.array(is_earlier)), rows.filter(pa.array(is_held_out))


def _split_rows(
    rows: pa.Table, holdout: Holdout, share: float, seed: int, fold: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return whether each row is a training pair of the fold, and whether it is held out."""
    if holdout == Holdout.LAST:
        distances, sizes = _count_later_pairs(rows)
        part_sizes = np.floor(sizes * share + 0.5).astype(np.int64)
        # A customer whose pairs would all be held out keeps the rest.
        stops = np.where(sizes > (fold + 1) * part_sizes, fold + 1, fold) * part_sizes
        return distances >= stops, (distances >= fold * part_sizes) & (distances < stops)
    if holdout == Holdout.TIME:
        order = np.argsort(rows["timestamp"].to_numpy(), kind="stable")
    else:
        order = np.random.default_rng(seed).permutation(rows.num_rows)
    distances = np.empty(rows.num_rows, np.int64)
    distances[order] = np.arange(rows.num_rows)[::-1]
    part_size = max(1, round(rows.num_rows * share))
    start, stop = fold * part_size, (fold + 1) * part_size
    is_held_out = (distances >= start) & (distances < stop)
    return (~is_held_out if holdout == Holdout.RANDOM else distances >= stop), is_held_out


def _count_later_pairs(rows: pa.Table) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return each row's number of later pairs of the same customer, and the customer's number of pairs."""
    customers = rows["user_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    timestamps = rows["timestamp"].fill_null(0.0).to_numpy()
    # Equal timestamps keep the order of the file.
    order = np.lexsort((np.arange(rows.num_rows), timestamps, customers))
    counts = np.bincount(customers)
    later_pairs = np.empty(rows.num_rows, np.int64)
    later_pairs[order] = np.repeat(np.cumsum(counts), counts) - 1 - np.arange(rows.num_rows)
    return later_pairs, counts[customers]


def _is_sorted_by_item(rows: pa.Table) -> bool:
    """Return whether the items of each customer are in ascending order; ids are compared as numbers if they are."""
    users, items = rows["user_id"].combine_chunks(), rows["item_id"].combine_chunks()
    if pc.all(pc.ascii_is_decimal(items)).as_py():
        items = items.cast(pa.float64())
    is_same_user = pc.equal(users[1:], users[:-1])
    is_ascending = pc.greater(items[1:], items[:-1]).filter(is_same_user)
    return len(is_ascending) > 0 and pc.mean(is_ascending).as_py() >= MIN_ASCENDING_SHARE
