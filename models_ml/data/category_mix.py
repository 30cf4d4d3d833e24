"""Categories of products, and their shares in histories."""

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models_ml.data.sparse import Csr

CALIBRATION_SMOOTHING = 0.01
"""Share a of the history's mix p in the smoothed mix (1 - a) q + a p of a list, which keeps KL(p || q') finite."""


def encode_categories(categories: pa.ChunkedArray) -> tuple[Tensor, int]:
    """Return the category of each product as a number, int64, and how many there are; the last one has the nulls."""
    encoded = categories.combine_chunks().dictionary_encode()
    category_count = len(encoded.dictionary)
    codes = np.array(encoded.indices.fill_null(category_count), dtype=np.int64)
    return torch.from_numpy(codes), category_count + 1


def compute_category_shares(histories: Csr, categories: Tensor, category_count: int) -> Csr:
    """Return the shares of the categories in each history, weighted by strength, customers x categories.

    `histories` are customers x products, `categories` (products) is the category of each product, below
    `category_count`.
    """
    keys = histories.row_of_entry * category_count + categories[histories.columns.long()]
    unique_keys, entry = torch.unique(keys, return_inverse=True)
    sums = torch.zeros(len(unique_keys), dtype=torch.float64, device=keys.device)
    sums.index_add_(0, entry, histories.values.double())
    rows = unique_keys // category_count
    totals = torch.zeros(histories.row_count, dtype=torch.float64, device=keys.device).index_add(0, rows, sums)
    shape = (histories.row_count, category_count)
    return Csr.from_pairs(rows, unique_keys % category_count, sums / totals[rows], shape)


def find_category_entries(shares: Csr, list_categories: Tensor) -> tuple[Tensor, Tensor]:
    """Return the entry in `shares` (rows x categories) of each listed category, and whether there is one.

    `list_categories` (rows, ranks) has -1 for an unused rank. An entry that is not found is any valid position.
    """
    rows = torch.arange(len(list_categories), device=list_categories.device)[:, None]
    list_keys = torch.where(list_categories < 0, -1, rows * shares.column_count + list_categories)
    if not shares.entry_count:
        return torch.zeros_like(list_keys), torch.zeros_like(list_keys, dtype=torch.bool)
    keys = shares.row_of_entry * shares.column_count + shares.columns
    entry = torch.searchsorted(keys, list_keys).clamp(max=shares.entry_count - 1)
    return entry, keys[entry] == list_keys
