"""Top-N for many customers, in blocks, with ties broken by product position."""

import torch
from torch import Tensor

from models_ml.linalg import row_blocks
from models_ml.sparse import Csr


def top_n(
    users: Tensor, products: Tensor, n: int, exclude: Csr | None = None, block_rows: int = 256
) -> tuple[Tensor, Tensor]:
    """Return the positions (int64) and scores of each user's `n` best products, shape (users, min(n, products)).

    `users` (users, factors) and `products` (products, factors) are factors; a score is their dot product. Pairs of
    `exclude` (users x products) are left out. Equal scores are ordered by product position. Where fewer than `n`
    products are left, the rest has position -1 and score -inf. At most `block_rows` x products scores are held.
    """
    n = min(n, len(products))
    positions = torch.empty((len(users), n), dtype=torch.int64, device=users.device)
    scores = torch.empty((len(users), n), dtype=users.dtype, device=users.device)
    for start, stop in row_blocks(len(users), block_rows):
        seen = None if exclude is None else exclude.slice_rows(start, stop)
        positions[start:stop], scores[start:stop] = best_of(users[start:stop] @ products.T, n, seen)
    return positions, scores


def best_of(scores: Tensor, n: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
    """Return the positions (int64) and scores of the `n` best of each row of `scores` (rows, products).

    Ordered and filled up as by `top_n`; a product with score -inf is left out. `scores` is overwritten where `exclude`
    has a pair.
    """
    if exclude is not None:
        scores[exclude.row_of_entry, exclude.columns.long()] = -torch.inf
    n = min(n, scores.shape[1])
    # One more than wanted shows whether the cut goes through a tie, whose order torch.topk leaves open.
    best, positions = torch.topk(scores, min(n + 1, scores.shape[1]), dim=1)
    is_tie = (best[:, n - 1] == best[:, -1]) & (best[:, -1] > -torch.inf) & (best.shape[1] > n)
    cut_tie = torch.nonzero(is_tie).flatten()
    best, positions = best[:, :n], positions[:, :n]
    if len(cut_tie):
        ordered, order = torch.sort(scores[cut_tie], dim=1, descending=True, stable=True)
        best[cut_tie], positions[cut_tie] = ordered[:, :n], order[:, :n]
    positions, order = torch.sort(positions, dim=1)
    best, by_score = torch.sort(best.gather(1, order), dim=1, descending=True, stable=True)
    return positions.gather(1, by_score).masked_fill_(best == -torch.inf, -1), best
