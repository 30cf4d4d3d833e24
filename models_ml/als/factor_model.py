"""A trained model: product factors, and the exact solution of any customer's row given their history.

With H the factors of the history's products, C their confidences and D the rest of the row's matrix (diagonal,
because the product factors stand in their Gramian's eigenbasis), the row's solution is

    x = sum over j of t_j     with    T = C H (H'CH + D)^-1      (one row of T per past interaction)

so the score x.y_i, times the product's trend, is exactly the sum over j of t_j.y_i times the trend: each past
interaction's contribution (Hu, Koren, Volinsky 2008, section 5). Histories shorter than the factors use the equal
form with a small matrix, T = C^1/2 (I + C^1/2 H D^-1 H' C^1/2)^-1 C^1/2 H D^-1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from models_ml.als.confidence import Confidence
from models_ml.als.solver import invert_spd
from models_ml.data.sparse import Csr


@dataclass(frozen=True)
class FactorModel:
    """What training learned; customers are solved from their histories whenever they are needed."""

    product_factors: Tensor
    """float32 of shape (products, factors); those of trained products have a diagonal Gramian."""
    trends: Tensor
    """float32 of shape (products): what a product's scores are multiplied by."""
    eigenvalues: Tensor
    """float32 of shape (factors): that diagonal."""
    trained_products: int
    """Products with customers; the others have the factors that their content tells, and count in no penalty."""
    confidence: Confidence
    unobserved_pair_weight: float
    """Weight of all pairs' pull to zero (w of the objective)."""
    regularization: float
    block_mib: int

    @cached_property
    def scoring_factors(self) -> Tensor:
        """What customers' factors are multiplied with for scores: product factors times trends, (products, factors)."""
        return self.product_factors * self.trends[:, None]

    def fold_in(self, strength: Csr) -> Tensor:
        """Return the exact factors (rows, factors) of every row of `strength`, zero for an empty row."""
        factors = torch.zeros((strength.row_count, self.product_factors.shape[1]), device=self.product_factors.device)
        for block in self.iter_history_blocks(strength):
            factors[block.rows] = block.solve()
        return factors

    def iter_history_blocks(self, strength: Csr, candidates: int = 0) -> Iterator["HistoryBlock"]:
        """Yield the rows of `strength` that are not empty, in blocks of like length, so that little is padded.

        A block is small enough for its buffers, and for `candidates` vectors or contributions a row, to fit
        `block_mib` each.
        """
        confidence = self.confidence.transform(strength)
        penalty = self.regularization * (confidence.sum_rows() + self.unobserved_pair_weight * self.trained_products)
        lengths = strength.lengths.long()
        order = torch.argsort(lengths, descending=True, stable=True)
        order = order[lengths[order] > 0]
        n_factors = self.product_factors.shape[1]
        start = 0
        while start < len(order):
            longest = int(lengths[order[start]])
            cells = max(longest * n_factors, min(longest, n_factors) ** 2, candidates * max(longest, n_factors))
            rows = order[start : start + max(1, self.block_mib * 2**18 // cells)]
            rows = rows[lengths[rows] >= longest // 2]
            start += len(rows)
            products, confidences = confidence.select_rows(rows).to_padded()
            root = confidences.sqrt()
            history = self.product_factors[products].mul_(root[:, :, None])
            diagonal = self.unobserved_pair_weight * self.eigenvalues + penalty[rows, None]
            yield HistoryBlock(rows, products, root, history, diagonal)


@dataclass(frozen=True)
class HistoryBlock:
    """Rows with their histories, padded to the longest with product 0 and confidence 0."""

    rows: Tensor
    """int64 of shape (rows): positions in the matrix that the block is of."""
    products: Tensor
    """int64 of shape (rows, longest): past products."""
    root_confidence: Tensor
    """float32 of shape (rows, longest): C^1/2."""
    weighted_history: Tensor
    """float32 of shape (rows, longest, factors): C^1/2 H."""
    diagonal: Tensor
    """float32 of shape (rows, factors): D."""

    def solve(self) -> Tensor:
        """Return x, float32 of shape (rows, factors)."""
        matrix, divided = self._build_system()
        if divided is None:
            return torch.cholesky_solve(
                self.weighted_history.mT @ self.root_confidence[:, :, None], torch.linalg.cholesky(matrix)
            )[:, :, 0]
        weights = torch.cholesky_solve(self.root_confidence[:, :, None], torch.linalg.cholesky(matrix))
        return (divided.mT @ weights)[:, :, 0]

    def compute_influence(self) -> Tensor:
        """Return T, float32 of shape (rows, longest, factors); zero for padding."""
        matrix, divided = self._build_system()
        # Inverting and multiplying is several times faster here than torch's batched triangular solves.
        inverse = invert_spd(matrix)
        return (self.weighted_history @ inverse if divided is None else inverse @ divided) * self.root_confidence[
            :, :, None
        ]

    def _build_system(self) -> tuple[Tensor, Tensor | None]:
        """Return the matrix to invert, and C^1/2 H D^-1 where it is the one of short histories."""
        longest, n_factors = self.weighted_history.shape[1:]
        if longest > n_factors:
            return self.weighted_history.mT @ self.weighted_history + torch.diag_embed(self.diagonal), None
        divided = self.weighted_history / self.diagonal[:, None, :]
        return divided @ self.weighted_history.mT + torch.eye(longest, device=divided.device), divided
