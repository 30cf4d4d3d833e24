"""Segments of the evaluation: the relevant pairs of a group of customers or of a group of products.

A segment is a label of relevant pairs. The evaluation of a segment counts only its pairs as relevant, in unchanged
lists: all pairs of its customers for a customer segment, the pairs with its products for a product segment.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.evaluation.window import EvaluationWindow

OVERALL = "all"
"""Name and value of the segment of all known customers and all products."""

CUSTOMER_SEGMENTS = ("activity", "customer")
PRODUCT_SEGMENTS = ("product", "category", "purchase")
SEGMENTS = CUSTOMER_SEGMENTS + PRODUCT_SEGMENTS

KNOWN, NEW, REPEAT = "known", "new", "repeat"
UNKNOWN_CATEGORY, OTHER_CATEGORIES = "(unknown)", "(other)"


class Segment(NamedTuple):
    """One value of a segmentation, such as the value 'new' of 'customer'."""

    name: str
    value: str
    pair_mask: Tensor
    """bool of shape (pairs): whether each pair of the window belongs to the segment."""


def label_pairs(window: EvaluationWindow, config: TrainConfig) -> pa.Table:
    """Return the segment values of each pair of the window, text columns `SEGMENTS`.

    `activity` is null for new customers, `purchase` in a shop without repeat purchases.
    """
    is_known = window.customer_row_of_pair < len(window.known_positions)
    is_seen = (window.product_customer_counts > 0)[window.catalog_position_of_pair.clamp(min=0)] & (
        window.catalog_position_of_pair >= 0
    )
    return pa.table(
        {
            "activity": _label_activity(window, config),
            "customer": _label_known(is_known),
            "product": _label_known(is_seen),
            "category": _label_category(window, is_known, config),
            "purchase": _label_purchase(window),
        }
    )


def build_overall_segment(window: EvaluationWindow) -> Segment:
    """Return the segment of all pairs of known customers."""
    return Segment(OVERALL, OVERALL, window.customer_row_of_pair < len(window.known_positions))


def iter_segments(window: EvaluationWindow, labels: pa.Table) -> Iterator[Segment]:
    """Yield the overall segment, then the segments of `labels` in the order of `SEGMENTS`.

    Segments other than `customer` hold pairs of known customers only; empty segments are skipped.
    """
    overall = build_overall_segment(window)
    yield overall
    for name in SEGMENTS:
        encoded = labels[name].combine_chunks().dictionary_encode()
        codes = torch.from_numpy(np.array(encoded.indices.fill_null(-1), dtype=np.int64))
        for value in sorted(encoded.dictionary.to_pylist()):
            pair_mask = codes == encoded.dictionary.index(value).as_py()
            pair_mask = pair_mask if name == "customer" else pair_mask & overall.pair_mask
            if pair_mask.any():
                yield Segment(name, value, pair_mask)


def _label_activity(window: EvaluationWindow, config: TrainConfig) -> pa.Array:
    """Return labels of the number of products in the customer's history: 01-04, 05-19, 20+ (zeros for sorting)."""
    bounds = (1, *config.activity_thresholds)
    width = len(str(bounds[-1]))
    closed_ranges = [f"{start:0{width}}-{stop - 1:0{width}}" for start, stop in pairwise(bounds)]
    names = pa.array([*closed_ranges, f"{bounds[-1]}+"])
    thresholds = torch.tensor(config.activity_thresholds, dtype=torch.int32)
    known_levels = torch.bucketize(window.histories.lengths, thresholds, right=True)
    levels = torch.cat([known_levels, torch.full((window.new_customer_count,), -1)])
    pair_levels = levels[window.customer_row_of_pair].numpy()
    return names.take(pa.array(pair_levels, mask=pair_levels < 0))


def _label_known(is_known: Tensor) -> pa.Array:
    return pc.if_else(pa.array(is_known.numpy()), KNOWN, NEW)


def _label_purchase(window: EvaluationWindow) -> pa.Array:
    """Return whether each product is new to the customer or bought again."""
    if window.repeat_scores is None:
        return pa.nulls(window.pairs.num_rows, pa.string())
    return pc.if_else(window.pairs["is_repeat"].combine_chunks(), REPEAT, NEW)


def _label_category(window: EvaluationWindow, is_known: Tensor, config: TrainConfig) -> pa.Array:
    """Return the category of each pair; categories beyond `max_category_segments` are OTHER_CATEGORIES."""
    positions = window.catalog_position_of_pair.numpy()
    categories = window.product_features["category"].cast(pa.string()).combine_chunks()
    pair_categories = categories.take(pa.array(positions, mask=positions < 0))
    counts = pair_categories.filter(pa.array(is_known.numpy())).drop_null().value_counts().to_pylist()
    largest = sorted(counts, key=lambda count: (-count["counts"], count["values"]))[: config.max_category_segments]
    is_large = pc.is_in(pair_categories, value_set=pa.array([count["values"] for count in largest], pa.string()))
    small_category = pc.if_else(pair_categories.is_null(), UNKNOWN_CATEGORY, OTHER_CATEGORIES)
    return pc.if_else(is_large, pair_categories, small_category)
