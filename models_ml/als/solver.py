"""Small helpers over blocks of rows."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from models_ml.data.sparse import iter_row_blocks

MAX_LAPACK_SIZE = 32
"""Matrices up to this size are inverted by LAPACK."""


def compute_gramian(factors: Tensor, block_rows: int, map_blocks: Callable[..., Iterable[Tensor]] = map) -> Tensor:
    """Return factors' factors in float64, shape (columns, columns), adding the blocks in float64.

    `each` makes the blocks' products, in their order.
    """
    total = torch.zeros((factors.shape[1],) * 2, dtype=torch.float64, device=factors.device)

    def product(rows: tuple[int, int]) -> Tensor:
        block = factors[slice(*rows)]
        return block.T @ block

    for part in map_blocks(product, iter_row_blocks(len(factors), block_rows)):
        total += part.double()
    return total


def invert_spd(matrices: Tensor) -> Tensor:
    """Return the inverses of symmetric positive definite `matrices` (batch, n, n).

    By halves (Schur complements), so that nearly all work is batched products: LAPACK's inverse, called for one matrix
    after the other, takes 1.5 to 4 times as long.
    """
    n = matrices.shape[-1]
    if n <= MAX_LAPACK_SIZE:
        return torch.cholesky_inverse(torch.linalg.cholesky(matrices))
    half = n // 2
    first = invert_spd(matrices[:, :half, :half])
    coupling = first @ matrices[:, :half, half:]
    second = invert_spd(matrices[:, half:, half:] - matrices[:, half:, :half] @ coupling)
    corner = -coupling @ second
    upper = torch.cat([first - corner @ coupling.mT, corner], 2)
    return torch.cat([upper, torch.cat([corner.mT, second], 2)], 1)


def solve_conjugate_gradient(
    factors: Tensor, fixed: Tensor, confidence: Tensor, diagonal: Tensor, steps: int, prior_rhs: Tensor | None = None
) -> Tensor:
    """Solve (F'CF + diagonal) x = F'C1 + pull for every row of `factors` at once, from its present value, in place.

    F is `fixed` (columns x factors), C the row's `confidence` (a torch CSR tensor, rows x columns), `diagonal` (rows x
    factors) also the preconditioner. Returns C(1 - Fx): float32 of shape (entries), what every observed pair's score
    misses of its target, times its confidence.
    """
    scores = _compute_pair_scores(confidence, factors, fixed)
    missing = scores.values().neg_().add_(1).mul_(confidence.values()).clone()
    residual = (scores @ fixed).sub_(factors * diagonal)
    if prior_rhs is not None:
        residual.add_(prior_rhs)
    scaled = residual / diagonal
    direction = scaled.clone()
    energy = (residual * scaled).sum(1)
    entries = confidence.crow_indices().diff()
    for step in range(steps):
        _compute_pair_scores(confidence, direction, fixed, out=scores)
        scores.values().mul_(confidence.values())
        image = (scores @ fixed).addcmul_(direction, diagonal)
        length = energy / (direction * image).sum(1).clamp_(min=torch.finfo(torch.float32).tiny)
        missing.addcmul_(scores.values(), length.repeat_interleave(entries), value=-1)
        factors.addcmul_(direction, length[:, None])
        if step + 1 < steps:
            residual.addcmul_(image, length[:, None], value=-1)
            torch.div(residual, diagonal, out=scaled)
            previous, energy = energy, (residual * scaled).sum(1)
            ratio = energy / previous.clamp_(min=torch.finfo(torch.float32).tiny)
            direction.mul_(ratio[:, None]).add_(scaled)
    return missing


def _compute_pair_scores(pattern: Tensor, factors: Tensor, fixed: Tensor, out: Tensor | None = None) -> Tensor:
    scores: Tensor = torch.sparse.sampled_addmm(pattern, factors, fixed.T, beta=0, out=out)
    return scores
