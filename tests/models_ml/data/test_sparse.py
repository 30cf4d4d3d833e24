"""Tests of sparse matrices against dense matrices."""

from itertools import pairwise

import numpy as np
import pytest

from tests.models_ml.synthetic_tables import to_csr, to_dense


@pytest.mark.parametrize("rows", [1, 3, 100])
@pytest.mark.parametrize("entries", [1, 8, 1000])
def test_block_bounds_within_limits(rows: int, entries: int) -> None:
    matrix = to_csr((np.random.default_rng(0).random((50, 20)) < np.linspace(0, 1, 50)[:, None]).astype(float))
    bounds = matrix.find_block_bounds(rows, entries)
    assert (bounds[0], bounds[-1]) == (0, 50)
    for start, stop in pairwise(bounds):
        assert 1 <= stop - start <= rows
        assert stop == start + 1 or int(matrix.lengths[start:stop].sum()) <= entries
    # A block is maximal: its next row would exceed one of the limits.
    extended_entries = [int(matrix.lengths[start : stop + 1].sum()) for start, stop in pairwise(bounds[:-1])]
    block_rows = [stop - start for start, stop in pairwise(bounds[:-1])]
    assert all(count > entries or size == rows for count, size in zip(extended_entries, block_rows, strict=True))


def test_transpose_orders_entries() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.random((30, 200)) * (rng.random((30, 200)) < 0.2)
    transposed = to_csr(matrix).transpose()
    np.testing.assert_allclose(to_dense(transposed), matrix.T, rtol=1e-6)
    columns = transposed.columns.tolist()
    starts = transposed.row_starts.tolist()
    assert all(columns[start:stop] == sorted(columns[start:stop]) for start, stop in pairwise(starts))


def test_density_ignores_empty_columns() -> None:
    assert to_csr(np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0]])).density == 3 / 4


def test_transpose_and_row_sums() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.random((9, 5)) * (rng.random((9, 5)) < 0.4)
    assert to_dense(to_csr(matrix).transpose()).tolist() == to_dense(to_csr(matrix)).T.tolist()
    assert to_csr(matrix).sum_rows().tolist() == pytest.approx(matrix.sum(1).tolist())
