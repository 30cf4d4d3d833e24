"""A trained model: product factors, and the exact factors of a customer given their history and features.

Let H be the factors of the history's products, C their confidences and D the other part of the row's normal matrix. D
is diagonal because the product factors are in the eigenbasis of their Gramian. Let b be the prior's right-hand side:
the sum of the rows of B, one per declared feature of the customer. The customer factors are

    x = (H'CH + D)^-1 (H'C1 + b) = sum over j of t_j + sum over f of s_f

with one row t_j of T = C H (H'CH + D)^-1 per past interaction and one row s_f of B (H'CH + D)^-1 per feature, so the
score x.y_i times the product's multiplier is exactly the sum over j of t_j.y_i and over f of s_f.y_i times the
multiplier, the contributions of the past interactions and of the features (Hu, Koren, Volinsky, "Collaborative
filtering for implicit feedback datasets", ICDM 2008, section 5). Histories shorter than the factors use the equivalent
form with a smaller matrix, (H'CH + D)^-1 = D^-1 - D^-1 H'C^1/2 (I + C^1/2 H D^-1 H' C^1/2)^-1 C^1/2 H D^-1.
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
    """Product factors of a trained model; customer factors are computed from histories when needed (fold-in)."""

    product_factors: Tensor
    """float32 of shape (products, factors); the Gramian of the trained products' factors is diagonal."""
    multipliers: Tensor
    """float32 of shape (products): multipliers of the products' scores, from trends and the popularity damping."""
    eigenvalues: Tensor
    """float32 of shape (factors): the diagonal of that Gramian."""
    trained_product_count: int
    """Number of products with customers; all other products have factors predicted from content, and no penalty."""
    confidence: Confidence
    unobserved_pair_weight: float
    """Weight of the target 0 of each pair (w of the objective)."""
    regularization: float
    block_mib: int
    customer_coefficients: Tensor | None = None
    """float32 of shape (feature values, factors): the regression of customer factors on declared features; None
    without such features."""
    customer_prior_products: float = 0.0
    """Number of products in a history at which history and features have equal weight."""

    @cached_property
    def scoring_factors(self) -> Tensor:
        """Product factors times multipliers, (products, factors).

        A score is a dot product of these and customer factors.
        """
        return self.product_factors * self.multipliers[:, None]

    def fold_in(self, strength: Csr, features: Csr | None = None) -> Tensor:
        """Return the exact customer factors, (rows, factors), of each row of `strength`.

        `features` (rows x feature values) are the customers' features. A row without history has the factors predicted
        from its features, which are zero without features.
        """
        factors = torch.zeros((strength.row_count, self.product_factors.shape[1]), device=self.product_factors.device)
        if self.customer_coefficients is not None and features is not None:
            factors = features.to_torch_csr() @ self.customer_coefficients
        for block in self.iter_history_blocks(strength, features):
            factors[block.rows] = block.solve()
        return factors

    def split_by_feature(self, features: Csr) -> Tensor:
        """Return the factors predicted from each feature of the single row of `features`, (entries, factors)."""
        assert self.customer_coefficients is not None
        return features.values[:, None] * self.customer_coefficients[features.columns.long()]

    def iter_history_blocks(
        self, strength: Csr, features: Csr | None = None, candidates: int = 0
    ) -> Iterator["HistoryBlock"]:
        """Yield the nonempty rows of `strength` in blocks of similar length, which limits padding.

        Each buffer of a block, and `candidates` factors or contributions per row, fit `block_mib`. `features` are those
        of `fold_in`.
        """
        confidence = self.confidence.transform(strength)
        penalty = self.regularization * (
            confidence.sum_rows() + self.unobserved_pair_weight * self.trained_product_count
        )
        prior_weight = (
            penalty * self.customer_prior_products / (strength.lengths + self.customer_prior_products).clamp(min=1)
        )
        lengths = strength.lengths.long()
        order = torch.argsort(lengths, descending=True, stable=True)
        order = order[lengths[order] > 0]
        factor_count = self.product_factors.shape[1]
        start = 0
        while start < len(order):
            max_length = int(lengths[order[start]])
            cells = max(
                max_length * factor_count,
                min(max_length, factor_count) ** 2,
                candidates * max(max_length, factor_count),
            )
            rows = order[start : start + max(1, self.block_mib * 2**18 // cells)]
            rows = rows[lengths[rows] >= max_length // 2]
            start += len(rows)
            products, confidences = confidence.select_rows(rows).to_padded()
            root_confidence = confidences.sqrt()
            history = self.product_factors[products].mul_(root_confidence[:, :, None])
            diagonal = self.unobserved_pair_weight * self.eigenvalues + penalty[rows, None]
            prior_rhs = None
            if self.customer_coefficients is not None and features is not None:
                predicted = features.select_rows(rows).to_torch_csr() @ self.customer_coefficients
                prior_rhs = prior_weight[rows, None] * predicted
            yield HistoryBlock(rows, products, root_confidence, history, diagonal, prior_weight[rows], prior_rhs)


@dataclass(frozen=True)
class HistoryBlock:
    """Rows with their histories, padded with product 0 and confidence 0 to the length of the longest history."""

    rows: Tensor
    """int64 of shape (rows): row positions in the whole matrix."""
    products: Tensor
    """int64 of shape (rows, length): products of the histories."""
    root_confidence: Tensor
    """float32 of shape (rows, length): C^1/2."""
    weighted_history: Tensor
    """float32 of shape (rows, length, factors): C^1/2 H."""
    diagonal: Tensor
    """float32 of shape (rows, factors): D."""
    prior_weight: Tensor
    """float32 of shape (rows): weight in b of the factors that are predicted from features."""
    prior_rhs: Tensor | None
    """float32 of shape (rows, factors): b; None without features."""

    def solve(self) -> Tensor:
        """Return the customer factors x, float32 of shape (rows, factors)."""
        matrix, scaled_history = self._build_system()
        cholesky_factor = torch.linalg.cholesky(matrix)
        if scaled_history is None:
            target = self.weighted_history.mT @ self.root_confidence[:, :, None]
            if self.prior_rhs is not None:
                target += self.prior_rhs[:, :, None]
            return torch.cholesky_solve(target, cholesky_factor)[:, :, 0]
        target = self.root_confidence[:, :, None]
        if self.prior_rhs is not None:
            target = target - scaled_history @ self.prior_rhs[:, :, None]
        factors = (scaled_history.mT @ torch.cholesky_solve(target, cholesky_factor))[:, :, 0]
        return factors if self.prior_rhs is None else factors + self.prior_rhs / self.diagonal

    def compute_influence(self) -> Tensor:
        """Return T, float32 of shape (rows, length, factors); zero for padding."""
        matrix, scaled_history = self._build_system()
        # An inverse and a product are several times faster here than torch's batched triangular solves.
        inverse = invert_spd(matrix)
        influence = self.weighted_history @ inverse if scaled_history is None else inverse @ scaled_history
        return influence * self.root_confidence[:, :, None]

    def compute_prior_influence(self, rhs: Tensor) -> Tensor:
        """Return the parts of the customer factors from parts of b, both float32 of shape (rows, parts, factors).

        The parts of b from single features give the rows of B (H'CH + D)^-1.
        """
        matrix, scaled_history = self._build_system()
        cholesky_factor = torch.linalg.cholesky(matrix)
        if scaled_history is None:
            return torch.cholesky_solve(rhs.mT, cholesky_factor).mT
        correction = scaled_history.mT @ torch.cholesky_solve(scaled_history @ rhs.mT, cholesky_factor)
        return rhs / self.diagonal[:, None, :] - correction.mT

    def _build_system(self) -> tuple[Tensor, Tensor | None]:
        """Return the matrix to invert, and C^1/2 H D^-1 for the form of short histories (None otherwise)."""
        length, factor_count = self.weighted_history.shape[1:]
        if length > factor_count:
            return self.weighted_history.mT @ self.weighted_history + torch.diag_embed(self.diagonal), None
        scaled_history = self.weighted_history / self.diagonal[:, None, :]
        matrix = scaled_history @ self.weighted_history.mT + torch.eye(length, device=scaled_history.device)
        return matrix, scaled_history
