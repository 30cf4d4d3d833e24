"""Tests of the selection of the largest entries."""

import torch

from models_ml.data.top_n import select_top_entries, select_top_n


def test_top_entries_equal_dense_selection() -> None:
    generator = torch.Generator().manual_seed(0)
    # Few different values give ties, and the rows 3 and 9 are empty.
    dense = torch.randint(0, 4, (10, 50), generator=generator).float()
    dense[[3, 9]] = 0
    rows, columns = torch.nonzero(dense, as_tuple=True)
    top_rows, top_columns, values = select_top_entries(rows, columns, dense[rows, columns], 7)
    positions, scores = select_top_n(dense.where(dense > 0, -torch.inf), 7)
    expected = torch.nonzero(positions >= 0, as_tuple=True)
    assert torch.equal(top_rows, expected[0])
    assert torch.equal(top_columns, positions[expected])
    assert torch.equal(values, scores[expected])


def test_top_entries_without_entries() -> None:
    none = torch.empty(0, dtype=torch.int64)
    assert [len(tensor) for tensor in select_top_entries(none, none, torch.empty(0), 5)] == [0, 0, 0]
