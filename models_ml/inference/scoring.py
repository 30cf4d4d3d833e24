"""Top-N lists of many customers, in blocks."""

import torch
from torch import Tensor

from models_ml.data.sparse import Csr, iter_row_blocks
from models_ml.data.top_n import GROUP_SIZE, select_top_n
from models_ml.neighbors.item_graph import ItemGraph


def rank_top_n(
    user_factors: Tensor,
    product_factors: Tensor,
    n: int,
    histories: Csr | None = None,
    block_rows: int = 256,
    graph: ItemGraph | None = None,
    excluded: Csr | None = None,
    additions: Csr | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the positions (int64) and scores of each user's `n` best products, shape (users, min(n, products)).

    A score is the dot product of `user_factors` (users, factors) and `product_factors` (products, factors), plus the
    score of the `graph` for the user's row of `histories` (users x products), plus the value of `additions` (users x
    products). The pairs of `excluded`, by default those of `histories`, are skipped. Ties are ordered by product
    position. Rows with fewer than `n` products are padded with position -1 and score -inf. Memory holds at most
    `block_rows` x products scores.
    """
    n = min(n, len(product_factors))
    positions = torch.empty((len(user_factors), n), dtype=torch.int64, device=user_factors.device)
    scores = torch.empty((len(user_factors), n), dtype=user_factors.dtype, device=user_factors.device)
    excluded = histories if excluded is None else excluded
    scorer = BlockScorer(product_factors, min(block_rows, len(user_factors)))
    for start, stop in iter_row_blocks(len(user_factors), block_rows):
        block_scores = scorer.score(user_factors[start:stop])
        block_histories = None if histories is None else histories.slice_rows(start, stop)
        if graph is not None and block_histories is not None:
            graph.add_scores(block_histories, block_scores)
        if additions is not None:
            additions.slice_rows(start, stop).add_to(block_scores)
        block_excluded = None if excluded is None else excluded.slice_rows(start, stop)
        positions[start:stop], scores[start:stop] = select_top_n(block_scores, n, block_excluded)
    return positions, scores


class BlockScorer:
    """Scores blocks of users in one reused buffer: allocation of a new buffer takes as long as the matrix product."""

    def __init__(self, product_factors: Tensor, block_rows: int) -> None:
        """Allocate the buffer for `product_factors` (products, factors) and at most `block_rows` users."""
        self.product_factors = product_factors
        # A row length that is a multiple of the group size saves select_top_n a copy.
        shape = (block_rows, -(-len(product_factors) // GROUP_SIZE) * GROUP_SIZE)
        self.buffer = torch.full(shape, -torch.inf, dtype=product_factors.dtype, device=product_factors.device)

    def score(self, user_factors: Tensor) -> Tensor:
        """Return the scores of a block, (users, products), padded with -inf to a multiple of the group size.

        The next call overwrites them.
        """
        block = self.buffer[: len(user_factors)]
        torch.mm(user_factors, self.product_factors.T, out=block[:, : len(self.product_factors)])
        return block
