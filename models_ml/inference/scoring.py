"""Top-N for many customers, in blocks, exact, with ties broken by product position."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from models_ml.data.sparse import Csr, iter_row_blocks

GROUP_SIZE = 32
"""Neighbouring scores that are looked at together: torch takes 0.09 ns a score for the maxima of 32, 0.5 of 16."""


def rank_top_n(
    user_factors: Tensor, product_factors: Tensor, n: int, exclude: Csr | None = None, block_rows: int = 256
) -> tuple[Tensor, Tensor]:
    """Return the positions (int64) and scores of each user's `n` best products, shape (users, min(n, products)).

    `users` (users, factors) and `products` (products, factors) are factors; a score is their dot product. Pairs of
    `exclude` (users x products) are left out. Equal scores are ordered by product position. Where fewer than `n`
    products are left, the rest has position -1 and score -inf. At most `block_rows` x products scores are held.
    """
    n = min(n, len(product_factors))
    positions = torch.empty((len(user_factors), n), dtype=torch.int64, device=user_factors.device)
    scores = torch.empty((len(user_factors), n), dtype=user_factors.dtype, device=user_factors.device)
    scorer = BlockScorer(product_factors, min(block_rows, len(user_factors)))
    for start, stop in iter_row_blocks(len(user_factors), block_rows):
        seen = None if exclude is None else exclude.slice_rows(start, stop)
        positions[start:stop], scores[start:stop] = select_top_n(scorer.score(user_factors[start:stop]), n, seen)
    return positions, scores


class BlockScorer:
    """Scores blocks of users in one buffer: a fresh one for each block takes as long as the products themselves."""

    def __init__(self, product_factors: Tensor, block_rows: int) -> None:
        """Take the `products` (products, factors) and the most users of a block."""
        self.product_factors = product_factors
        # Rows a whole number of groups long, so that best_of need not copy them.
        shape = (block_rows, -(-len(product_factors) // GROUP_SIZE) * GROUP_SIZE)
        self.buffer = torch.full(shape, -torch.inf, dtype=product_factors.dtype, device=product_factors.device)

    def score(self, user_factors: Tensor) -> Tensor:
        """Return the scores (users, products, padded with -inf to whole groups); the next block overwrites them."""
        block = self.buffer[: len(user_factors)]
        torch.mm(user_factors, self.product_factors.T, out=block[:, : len(self.product_factors)])
        return block


def select_top_n(scores: Tensor, n: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
    """Return the positions (int64) and scores of the `n` best of each row of `scores` (rows, products).

    Ordered and filled up as by `top_n`; a product with score -inf is left out. `scores` is overwritten where `exclude`
    has a pair.

    The n-th best of the maxima of disjoint groups of products is no better than the n-th best product: only groups
    whose maximum reaches this bound are looked into, and only scores that reach it are sorted.
    """
    if exclude is not None:
        scores[exclude.row_of_entry, exclude.columns.long()] = -torch.inf
    rows, n = len(scores), min(n, scores.shape[1])
    size = min(GROUP_SIZE, 1 << (max(1, scores.shape[1] // (4 * n)).bit_length() - 1))
    if missing := -scores.shape[1] % size:
        scores = pad(scores, (0, missing), value=-torch.inf)
    groups = scores.view(rows, -1, size)
    maxima = groups.amax(2)
    bound = _compute_lower_bound(maxima, n)
    row, group = _select_reaching(maxima, torch.arange(rows, device=scores.device), bound, n)
    found = groups.flatten(0, 1).index_select(0, row * groups.shape[1] + group)
    entry, place = _select_reaching(found, row, bound, n)
    row, positions, best = row[entry], group[entry] * size + place, found[entry, place]
    rank = _rank_within_rows(row, torch.ones_like(row), rows) - 1
    shape = (rows, max(n, int(rank.max()) + 1 if len(rank) else 0))
    by_row = torch.full(shape, -1, device=scores.device)
    by_row[row, rank] = positions
    best_by_row = scores.new_full(shape, -torch.inf)
    best_by_row[row, rank] = best
    best_by_row, order = torch.sort(best_by_row, dim=1, descending=True, stable=True)
    return by_row.gather(1, order[:, :n]), best_by_row[:, :n]


def _compute_lower_bound(maxima: Tensor, n: int) -> Tensor:
    """Return finite scores (rows) that at least `n` products of each row reach, or all that are left."""
    # Selecting costs more than another round of maxima, and four times n of them make a bound nearly as good.
    fold = max(1, maxima.shape[1] // (4 * n))
    width = maxima.shape[1] // fold
    coarse = maxima[:, : fold * width].view(len(maxima), fold, width).amax(1)
    return coarse.kthvalue(width - n + 1, dim=1).values.clamp(min=torch.finfo(maxima.dtype).min)


def _select_reaching(scores: Tensor, row: Tensor, bound: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return where `scores` (lines, columns) reach the bound of their line's `row`; of equals, each row's first `n`."""
    limit = bound[row][:, None]
    line, column = torch.nonzero(scores >= limit, as_tuple=True)
    is_tied = (scores[line, column] == limit[line, 0]).long()
    kept = (is_tied == 0) | (_rank_within_rows(row[line], is_tied, len(bound)) <= n)
    return line[kept], column[kept]


def _rank_within_rows(row: Tensor, is_counted: Tensor, row_count: int) -> Tensor:
    """Return how many of its `row` are `counted` (0 or 1) up to each entry; entries are in row order."""
    total = is_counted.cumsum(0)
    ends = torch.bincount(row, minlength=row_count).cumsum(0)
    before = pad(total, (1, 0))[pad(ends, (1, 0))[:-1]]
    return total - before[row]
