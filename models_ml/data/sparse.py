"""Compressed sparse row (CSR) matrices with 32-bit indices, which torch multiplies fastest."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models_ml.errors import ModelError


class DuplicatePairError(ModelError):
    """A pair of row and column occurs more than once."""

    def __init__(self, entry: int, count: int) -> None:
        """Store the position of a repeated `entry` in the input and the `count` of repeated entries."""
        super().__init__(f"{count:,} pairs occur more than once")
        self.entry = entry
        self.count = count


@dataclass(frozen=True)
class Csr:
    """A sparse matrix; entries are ordered by row, then by column."""

    row_starts: Tensor
    """int32 of shape (rows + 1): position of each row's first entry."""
    columns: Tensor
    """int32 of shape (entries)."""
    values: Tensor
    """float32 of shape (entries)."""
    column_count: int

    @classmethod
    def from_pairs(cls, rows: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> "Csr":
        """Create a matrix from int64 `rows` and `columns` and their values, in any order.

        Raises DuplicatePairError when a pair occurs twice, ModelError when there are 2^31 pairs or more.
        """
        if len(rows) >= 2**31:
            raise ModelError(f"{len(rows):,} pairs do not fit 32-bit indices. Train on fewer than 2^31 pairs")
        keys, order = torch.sort(rows * shape[1] + columns)
        repeat_positions = torch.nonzero(keys[1:] == keys[:-1])
        if len(repeat_positions):
            raise DuplicatePairError(int(order[repeat_positions[0, 0]]), len(repeat_positions))
        return cls(_compute_row_starts(rows, shape[0]), columns[order].int(), values[order].float(), shape[1])

    @classmethod
    def empty(cls, row_count: int, column_count: int) -> "Csr":
        """Return a matrix without entries."""
        no_columns = torch.empty(0, dtype=torch.int32)
        return cls(torch.zeros(row_count + 1, dtype=torch.int32), no_columns, torch.empty(0), column_count)

    @property
    def row_count(self) -> int:
        """Number of rows."""
        return len(self.row_starts) - 1

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return self.row_count, self.column_count

    @property
    def entry_count(self) -> int:
        """Number of entries."""
        return len(self.columns)

    @property
    def lengths(self) -> Tensor:
        """Number of entries of each row, int32 of shape (rows)."""
        return self.row_starts[1:] - self.row_starts[:-1]

    @property
    def density(self) -> float:
        """Share of entries among all pairs of a row and a nonempty column."""
        columns = int((torch.bincount(self.columns) > 0).sum())
        return self.entry_count / (self.row_count * columns)

    @property
    def row_of_entry(self) -> Tensor:
        """Row of each entry, int64 of shape (entries)."""
        return torch.repeat_interleave(torch.arange(self.row_count, device=self.columns.device), self.lengths)

    def replace_values(self, values: Tensor) -> "Csr":
        """Return a matrix with the same entries and other values, float32 of shape (entries)."""
        return replace(self, values=values)

    def to(self, device: torch.device) -> "Csr":
        """Return the matrix on `device`."""
        return Csr(self.row_starts.to(device), self.columns.to(device), self.values.to(device), self.column_count)

    def transpose(self) -> "Csr":
        """Return the transposed matrix."""
        # A stable sort keeps the entries of a column in row order.
        columns, order = torch.sort(self.columns, stable=True)
        rows = torch.arange(self.row_count, dtype=torch.int32, device=columns.device).repeat_interleave(self.lengths)
        return Csr(_compute_row_starts(columns, self.column_count), rows[order], self.values[order], self.row_count)

    def sum_rows(self) -> Tensor:
        """Return the sum of each row's values, added in float64; float32 of shape (rows)."""
        totals = torch.zeros(len(self.values) + 1, dtype=torch.float64, device=self.values.device)
        torch.cumsum(self.values, 0, dtype=torch.float64, out=totals[1:])
        return (totals[self.row_starts[1:].long()] - totals[self.row_starts[:-1].long()]).float()

    def slice_rows(self, start: int, stop: int) -> "Csr":
        """Return rows `start` to `stop` (exclusive); entries are views, not copies."""
        first, last = int(self.row_starts[start]), int(self.row_starts[stop])
        starts = self.row_starts[start : stop + 1] - first
        return Csr(starts, self.columns[first:last], self.values[first:last], self.column_count)

    def find_block_bounds(self, max_rows: int, max_entries: int) -> list[int]:
        """Return the first row of each block of consecutive rows, followed by the number of rows.

        A block has at most `max_rows` rows and at most `max_entries` entries; a longer row is a block by itself.
        """
        starts = self.row_starts.cpu().numpy()
        bounds = [0]
        while bounds[-1] < self.row_count:
            start = bounds[-1]
            stop = int(starts.searchsorted(int(starts[start]) + max_entries, side="right")) - 1
            bounds.append(min(max(stop, start + 1), start + max_rows, self.row_count))
        return bounds

    def select_rows(self, rows: Tensor) -> "Csr":
        """Return the rows at the positions `rows` (int64), in that order."""
        lengths = self.lengths.long()[rows]
        starts = torch.zeros(len(rows) + 1, dtype=torch.int64, device=rows.device)
        torch.cumsum(lengths, 0, out=starts[1:])
        shift = torch.repeat_interleave(self.row_starts.long()[rows] - starts[:-1], lengths)
        entries = torch.arange(len(shift), device=rows.device) + shift
        return Csr(starts.int(), self.columns[entries], self.values[entries], self.column_count)

    def get_values(self, columns: Tensor) -> Tensor:
        """Return the value of each row at its `columns` (int64 of shape (rows, n)), 0 without an entry or column -1."""
        keys = self.row_of_entry * self.column_count + self.columns.long()
        if not len(keys):
            return torch.zeros(columns.shape, device=columns.device)
        wanted = torch.arange(self.row_count, device=columns.device)[:, None] * self.column_count + columns
        place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
        return torch.where((keys[place] == wanted) & (columns >= 0), self.values[place], 0)

    def add_to(self, dense: Tensor) -> None:
        """Add the values to `dense`, which has at least as many columns, in place."""
        dense[self.row_of_entry, self.columns.long()] += self.values

    def scale(self, factor: float) -> "Csr":
        """Return the matrix with its values multiplied by a factor."""
        return self.replace_values(self.values * factor)

    def without(self, pairs: "Csr") -> "Csr":
        """Return the matrix without the entries at the `pairs` of a matrix of the same shape."""
        keys, removed_keys = (
            matrix.row_of_entry * self.column_count + matrix.columns.long() for matrix in (self, pairs)
        )
        is_kept = ~torch.isin(keys, removed_keys, assume_unique=True)
        starts = torch.zeros(len(keys) + 1, dtype=torch.int64, device=keys.device)
        torch.cumsum(is_kept, 0, out=starts[1:])
        return Csr(starts[self.row_starts.long()].int(), self.columns[is_kept], self.values[is_kept], self.column_count)

    def remap_columns(self, position: Tensor, column_count: int) -> "Csr":
        """Move each column to its new `position` (int64 of shape (columns)); columns below 0 are dropped."""
        columns = position.to(self.columns.device)[self.columns.long()]
        is_kept = columns >= 0
        return Csr.from_pairs(
            self.row_of_entry[is_kept], columns[is_kept], self.values[is_kept], (self.row_count, column_count)
        )

    def to_padded(self) -> tuple[Tensor, Tensor]:
        """Return columns (int64) and values as dense (rows, longest row); padding has column 0 and value 0."""
        lengths = self.lengths.long()
        slot = torch.arange(len(self.values), device=self.values.device)
        slot -= torch.repeat_interleave(self.row_starts[:-1].long(), lengths)
        width = int(lengths.max()) if len(lengths) else 0
        columns = torch.zeros((self.row_count, width), dtype=torch.int64, device=self.values.device)
        values = torch.zeros((self.row_count, width), dtype=self.values.dtype, device=self.values.device)
        rows = self.row_of_entry
        columns[rows, slot] = self.columns.long()
        values[rows, slot] = self.values
        return columns, values

    def to_torch_csr(self) -> Tensor:
        """Return a torch CSR tensor that shares the memory of this matrix."""
        with suppress_beta_warning():
            return torch.sparse_csr_tensor(
                self.row_starts, self.columns, self.values, (self.row_count, self.column_count), check_invariants=False
            )

    def to_torch_coo(self) -> Tensor:
        """Return a torch COO tensor of the same entries."""
        indices = torch.stack([self.row_of_entry, self.columns.long()])
        shape = (self.row_count, self.column_count)
        return torch.sparse_coo_tensor(indices, self.values, shape, check_invariants=False, is_coalesced=True)


def iter_row_blocks(row_count: int, block_rows: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of consecutive blocks of at most `block_rows` rows that cover `row_count` rows."""
    for start in range(0, row_count, block_rows):
        yield start, min(start + block_rows, row_count)


@contextmanager
def suppress_beta_warning() -> Iterator[None]:
    """Suppress torch's warning that sparse CSR tensors are a beta feature, shown once per process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        yield


def _compute_row_starts(rows: Tensor, row_count: int) -> Tensor:
    """Return `Csr.row_starts` for the row of every entry, given in any order."""
    starts = torch.zeros(row_count + 1, dtype=torch.int64, device=rows.device)
    torch.cumsum(torch.bincount(rows, minlength=row_count), 0, out=starts[1:])
    return starts.int()
