"""Parts of what is measured: the relevant pairs of some customers, or of some products.

A segment is a label on every relevant pair. Measuring one means to count its pairs alone as relevant: of a segment of
customers those are all of theirs, of a segment of products the hits and misses among these products, in whole lists.
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
"""The segment, and its value, of all known customers and all products."""

CUSTOMER_SEGMENTS = ("activity", "customer")
PRODUCT_SEGMENTS = ("product", "category")
SEGMENTS = CUSTOMER_SEGMENTS + PRODUCT_SEGMENTS

KNOWN, NEW = "known", "new"
UNKNOWN_CATEGORY, OTHER_CATEGORIES = "(unknown)", "(other)"


class Segment(NamedTuple):
    """One value of one segment."""

    name: str
    value: str
    pair_mask: Tensor
    """bool of shape (pairs): which of the window's pairs are in it."""


def label_pairs(window: EvaluationWindow, config: TrainConfig) -> pa.Table:
    """Return text columns `SEGMENTS`, a row for each of the window's pairs; activity is null for new customers."""
    is_known = window.pair_rows < len(window.known_positions)
    is_seen = (window.product_customer_counts > 0)[window.pair_products.clamp(min=0)] & (window.pair_products >= 0)
    return pa.table(
        {
            "activity": _label_activity(window, config),
            "customer": _label_known(is_known),
            "product": _label_known(is_seen),
            "category": _label_category(window, is_known, config),
        }
    )


def build_overall_segment(window: EvaluationWindow) -> Segment:
    """Return all pairs of known customers."""
    return Segment(OVERALL, OVERALL, window.pair_rows < len(window.known_positions))


def iter_segments(window: EvaluationWindow, labels: pa.Table) -> Iterator[Segment]:
    """Yield the overall segment, then every value of `SEGMENTS` in order; all but `customer` of known customers."""
    everything = build_overall_segment(window)
    yield everything
    for name in SEGMENTS:
        codes = labels[name].combine_chunks().dictionary_encode()
        of_pair = torch.from_numpy(np.array(codes.indices.fill_null(-1), dtype=np.int64))
        for value in sorted(codes.dictionary.to_pylist()):
            pairs = of_pair == codes.dictionary.index(value).as_py()
            pairs = pairs if name == "customer" else pairs & everything.pair_mask
            if pairs.any():
                yield Segment(name, value, pairs)


def _label_activity(window: EvaluationWindow, config: TrainConfig) -> pa.Array:
    """Return labels like 01-04, 05-19, 20+: products in the customer's history, written to sort by number."""
    cuts = (1, *config.activity_thresholds)
    width = len(str(cuts[-1]))
    bounded = [f"{start:0{width}}-{stop - 1:0{width}}" for start, stop in pairwise(cuts)]
    names = pa.array([*bounded, f"{cuts[-1]}+"])
    starts = torch.tensor(config.activity_thresholds, dtype=torch.int32)
    level = torch.bucketize(window.seen.lengths, starts, right=True)
    of_customer = torch.cat([level, torch.full((window.new_customer_count,), -1)])
    codes = of_customer[window.pair_rows].numpy()
    return names.take(pa.array(codes, mask=codes < 0))


def _label_known(is_known: Tensor) -> pa.Array:
    return pc.if_else(pa.array(is_known.numpy()), KNOWN, NEW)


def _label_category(window: EvaluationWindow, is_known: Tensor, config: TrainConfig) -> pa.Array:
    positions = window.pair_products.numpy()
    categories = window.product_features["category"].cast(pa.string()).combine_chunks()
    of_pair = categories.take(pa.array(positions, mask=positions < 0))
    counts = of_pair.filter(pa.array(is_known.numpy())).drop_null().value_counts().to_pylist()
    largest = sorted(counts, key=lambda count: (-count["counts"], count["values"]))[: config.max_category_segments]
    is_large = pc.is_in(of_pair, value_set=pa.array([count["values"] for count in largest], pa.string()))
    return pc.if_else(is_large, of_pair, pc.if_else(of_pair.is_null(), UNKNOWN_CATEGORY, OTHER_CATEGORIES))
