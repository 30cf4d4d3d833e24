"""Top lists of a method, the input of all metrics."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True)
class Ranking:
    """Top lists of a method for the customers of a window."""

    positions: Tensor
    """int64 of shape (customers, ranks): positions in the window's catalog, -1 for an unused rank."""
    scores: Tensor
    """float32 of shape (customers, ranks): scores, -inf for an unused rank."""

    @classmethod
    def from_top_n(cls, top: tuple[Tensor, Tensor]) -> "Ranking":
        """Create a ranking from the positions and scores of `rank_top_n`."""
        positions, scores = top
        return cls(positions.cpu(), scores.cpu())

    def repeat(self, customer_count: int) -> "Ranking":
        """Return the single list of this ranking for each of `customer_count` customers."""
        return Ranking(self.positions.expand(customer_count, -1), self.scores.expand(customer_count, -1))

    def append(self, others: "Ranking") -> "Ranking":
        """Return the lists of this ranking, then the lists of `others`; shorter lists are padded."""
        rank_count = max(self.positions.shape[1], others.positions.shape[1])
        positions, scores = [], []
        for ranking in (self, others):
            padding = (0, rank_count - ranking.positions.shape[1])
            positions.append(pad(ranking.positions, padding, value=-1))
            scores.append(pad(ranking.scores, padding, value=-torch.inf))
        return Ranking(torch.cat(positions), torch.cat(scores))
