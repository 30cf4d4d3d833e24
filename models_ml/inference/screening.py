"""The best products for one vector: screened in half precision, scored exactly."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models_ml.inference.scoring import select_top_n

MAX_COSINE_ERROR = 2.0**-8
"""More than a cosine of half-precision directions can be off: rounding both directions costs at most twice 2^-11."""

MIN_NORM = torch.finfo(torch.float32).tiny
"""Divisor in place of a length of zero."""


@dataclass(frozen=True)
class ScreeningIndex:
    """All products, to be ranked for one vector at a time.

    Such a ranking takes as long as reading all factors from memory. Their directions in half precision are read in half
    that time, and only products that are among the best by less than the rounding need their factors: of 200,000 with
    256 factors about twenty.
    """

    factors: Tensor
    """float32 of shape (products, factors)."""
    norms: Tensor
    """Euclidean length of each product's factors, float32 of shape (products)."""
    directions: Tensor
    """Factors divided by their length, float16 of shape (products, factors); zero where the length is."""

    @classmethod
    def from_factors(cls, factors: Tensor) -> "ScreeningIndex":
        """Take the `factors` of all products."""
        lengths = torch.linalg.vector_norm(factors, dim=1)
        return cls(factors, lengths, torch.nn.functional.normalize(factors, eps=MIN_NORM).half())

    def search(self, vector: Tensor, n: int, allowed: Tensor, *, by_cosine: bool = False) -> tuple[Tensor, Tensor]:
        """Return the positions (int64) and scores of the `n` best of the `allowed` (bool, products), or of all those.

        A score is the dot product of `vector` (factors) and the product's factors, or the cosine between them, which is
        0 where either has no length. Equal scores are ordered by position.
        """
        shortlist = torch.nonzero(allowed).flatten()
        n = min(n, len(shortlist))
        if not n:
            return shortlist, vector.new_empty(0)
        direction = torch.nn.functional.normalize(vector, dim=0, eps=MIN_NORM)
        target, weights = (direction, None) if by_cosine else (vector, self.norms * torch.linalg.vector_norm(vector))
        # Where all are wanted, there is nothing to choose.
        if n < len(shortlist):
            cosines = (self.directions @ direction.half()).float()
            least, most = cosines - MAX_COSINE_ERROR, cosines + MAX_COSINE_ERROR
            if weights is not None:
                least, most = least * weights, most * weights
            floor = torch.topk(least.masked_fill_(~allowed, -torch.inf), n).values[-1]
            shortlist = torch.nonzero((most >= floor) & allowed).flatten()
        scores = self._compute_dot_products(shortlist, target)
        if by_cosine:
            scores /= self.norms[shortlist].clamp(min=MIN_NORM)
        positions, best = select_top_n(scores[None], n)
        return shortlist[positions[0]], best[0]

    def _compute_dot_products(self, shortlist: Tensor, target: Tensor) -> Tensor:
        """Return the dot products of the vector `target` with the factors of a shortlist."""
        # Of many, reading all takes less time and no memory to speak of; a copy of theirs has the model's size.
        if len(shortlist) > len(self.factors) // 8:
            return (self.factors @ target)[shortlist]
        return self.factors[shortlist] @ target
