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

OF_CUSTOMERS = ("activity", "customer")
OF_PRODUCTS = ("product", "category")
SEGMENTS = OF_CUSTOMERS + OF_PRODUCTS

KNOWN, NEW = "known", "new"
UNKNOWN_CATEGORY, OTHER_CATEGORIES = "(unknown)", "(other)"


class Segment(NamedTuple):
    """One value of one segment."""

    name: str
    value: str
    pairs: Tensor
    """bool of shape (pairs): which of the window's pairs are in it."""


def pair_labels(window: EvaluationWindow, config: TrainConfig) -> pa.Table:
    """Return text columns `SEGMENTS`, a row for each of the window's pairs; activity is null for new customers."""
    is_known = window.pair_rows < len(window.users)
    is_seen = (window.product_customers > 0)[window.pair_products.clamp(min=0)] & (window.pair_products >= 0)
    return pa.table(
        {
            "activity": _activity(window, config),
            "customer": _known_or_new(is_known),
            "product": _known_or_new(is_seen),
            "category": _category(window, is_known, config),
        }
    )


def overall(window: EvaluationWindow) -> Segment:
    """Return all pairs of known customers."""
    return Segment(OVERALL, OVERALL, window.pair_rows < len(window.users))


def segments(window: EvaluationWindow, labels: pa.Table) -> Iterator[Segment]:
    """Yield the overall segment, then every value of `SEGMENTS` in order; all but `customer` of known customers."""
    everything = overall(window)
    yield everything
    for name in SEGMENTS:
        codes = labels[name].combine_chunks().dictionary_encode()
        of_pair = torch.from_numpy(np.array(codes.indices.fill_null(-1), dtype=np.int64))
        for value in sorted(codes.dictionary.to_pylist()):
            pairs = of_pair == codes.dictionary.index(value).as_py()
            pairs = pairs if name == "customer" else pairs & everything.pairs
            if pairs.any():
                yield Segment(name, value, pairs)


def _activity(window: EvaluationWindow, config: TrainConfig) -> pa.Array:
    """Return labels like 01-04, 05-19, 20+: products in the customer's history, written to sort by number."""
    cuts = (1, *config.activity_cuts)
    width = len(str(cuts[-1]))
    bounded = [f"{start:0{width}}-{stop - 1:0{width}}" for start, stop in pairwise(cuts)]
    names = pa.array([*bounded, f"{cuts[-1]}+"])
    starts = torch.tensor(config.activity_cuts, dtype=torch.int32)
    level = torch.bucketize(window.seen.lengths, starts, right=True)
    of_customer = torch.cat([level, torch.full((window.new_customers,), -1)])
    codes = of_customer[window.pair_rows].numpy()
    return names.take(pa.array(codes, mask=codes < 0))


def _known_or_new(is_known: Tensor) -> pa.Array:
    return pc.if_else(pa.array(is_known.numpy()), KNOWN, NEW)


def _category(window: EvaluationWindow, is_known: Tensor, config: TrainConfig) -> pa.Array:
    positions = window.pair_products.numpy()
    categories = window.product_features["category"].cast(pa.string()).combine_chunks()
    of_pair = categories.take(pa.array(positions, mask=positions < 0))
    counts = of_pair.filter(pa.array(is_known.numpy())).drop_null().value_counts().to_pylist()
    largest = sorted(counts, key=lambda count: (-count["counts"], count["values"]))[: config.largest_categories]
    is_large = pc.is_in(of_pair, value_set=pa.array([count["values"] for count in largest], pa.string()))
    return pc.if_else(is_large, of_pair, pc.if_else(of_pair.is_null(), UNKNOWN_CATEGORY, OTHER_CATEGORIES))
