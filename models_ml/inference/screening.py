"""Exact top-N search for one vector: products are screened in half precision and scored in full precision."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models_ml.data.top_n import select_top_n

MAX_COSINE_ERROR = 2.0**-8
"""Upper bound of the error of a cosine in half precision: the rounding of both directions adds at most 2 * 2^-11."""

MIN_NORM = torch.finfo(torch.float32).tiny
"""Divisor for vectors of length zero."""


@dataclass(frozen=True)
class ScreeningIndex:
    """Index of all products for a search by one vector.

    The time of a search is the time to read the factors from memory. Directions in half precision take half this time,
    and only products within the rounding error of the best need their full factors: about 20 of 200,000 with 256
    factors.
    """

    factors: Tensor
    """float32 of shape (products, factors)."""
    norms: Tensor
    """Euclidean norm of each product's factors, float32 of shape (products)."""
    directions: Tensor
    """Factors divided by their norm, float16 of shape (products, factors); zero if the norm is zero."""

    @classmethod
    def from_factors(cls, factors: Tensor) -> "ScreeningIndex":
        """Build the index from the `factors` of all products, float32 of shape (products, factors)."""
        norms = torch.linalg.vector_norm(factors, dim=1)
        return cls(factors, norms, torch.nn.functional.normalize(factors, eps=MIN_NORM).half())

    def search(
        self, vector: Tensor, n: int, allowed: Tensor, additions: Tensor, *, by_cosine: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the positions (int64) and scores of the `n` best `allowed` products, fewer if fewer are allowed.

        `allowed` is bool of shape (products). A score is the dot product of `vector` (factors) and the product's
        factors, or their cosine, which is 0 if either norm is zero, plus the product's entry of `additions`, float32 of
        shape (products), zero or above. Ties are ordered by position.

        Among the `n` best are only products with an addition and the `n` best without additions, so only these are
        scored.
        """
        shortlist = torch.nonzero(allowed).flatten()
        n = min(n, len(shortlist))
        if not n:
            return shortlist, vector.new_empty(0)
        direction = torch.nn.functional.normalize(vector, dim=0, eps=MIN_NORM)
        target, weights = (direction, None) if by_cosine else (vector, self.norms * torch.linalg.vector_norm(vector))
        if n < len(shortlist):
            cosines = (self.directions @ direction.half()).float()
            lower, upper = cosines - MAX_COSINE_ERROR, cosines + MAX_COSINE_ERROR
            if weights is not None:
                lower, upper = lower * weights, upper * weights
            min_score = torch.topk(lower.masked_fill_(~allowed, -torch.inf), n).values[-1]
            shortlist = torch.nonzero(((upper >= min_score) | (additions > 0)) & allowed).flatten()
        scores = self._compute_dot_products(shortlist, target)
        if by_cosine:
            scores /= self.norms[shortlist].clamp(min=MIN_NORM)
        scores += additions[shortlist]
        positions, best = select_top_n(scores[None], n)
        return shortlist[positions[0]], best[0]

    def _compute_dot_products(self, shortlist: Tensor, target: Tensor) -> Tensor:
        """Return the dot products of the vector `target` (factors) with the factors of the `shortlist` (positions)."""
        # For a long shortlist, scoring all products is faster than a copy of the factors, which can have the model's
        # size.
        if len(shortlist) > len(self.factors) // 8:
            return (self.factors @ target)[shortlist]
        return self.factors[shortlist] @ target
