"""Linear algebra of the training: Gramians, inverses of batched matrices and conjugate gradients."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from models_ml.data.sparse import iter_row_blocks

MAX_LAPACK_SIZE = 32
"""Maximum size of matrices that are inverted by LAPACK."""


def compute_gramian(factors: Tensor, block_rows: int, map_blocks: Callable[..., Iterable[Tensor]] = map) -> Tensor:
    """Return F'F of `factors` F (rows, columns), float64 of shape (columns, columns); blocks are added in float64.

    `map_blocks` computes the products of the blocks in order, like the built-in `map`.
    """
    gramian = torch.zeros((factors.shape[1],) * 2, dtype=torch.float64, device=factors.device)

    def compute_block_gramian(rows: tuple[int, int]) -> Tensor:
        block = factors[slice(*rows)]
        return block.T @ block

    for block_gramian in map_blocks(compute_block_gramian, iter_row_blocks(len(factors), block_rows)):
        gramian += block_gramian.double()
    return gramian


def invert_spd(matrices: Tensor) -> Tensor:
    """Return the inverses of symmetric positive definite `matrices`, both of shape (batch, n, n).

    Recursive block inversion with Schur complements: nearly all work is batched products. LAPACK's inverse, called for
    each matrix, takes 1.5 to 4 times as long.
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
    """Improve every row x of `factors` in place by `steps` conjugate gradient steps, starting at its current value.

    The row's equation is (F'CF + D) x = F'C1 + b. F is `fixed` (columns, factors), C the row's `confidence` (torch CSR
    tensor, rows x columns), D its `diagonal` (rows, factors), which is also the preconditioner, and b its `prior_rhs`
    (rows, factors). Source: Takacs, Pilaszy, Tikk, "Applications of the conjugate gradient method for implicit feedback
    collaborative filtering" (RecSys 2011).

    Returns the weighted errors of the observed pairs C(1 - Fx), float32 of shape (entries).
    """
    scores = _compute_pair_scores(confidence, factors, fixed)
    weighted_errors = scores.values().neg_().add_(1).mul_(confidence.values()).clone()
    residual = (scores @ fixed).sub_(factors * diagonal)
    if prior_rhs is not None:
        residual.add_(prior_rhs)
    preconditioned = residual / diagonal
    direction = preconditioned.clone()
    residual_norm = (residual * preconditioned).sum(1)
    entries = confidence.crow_indices().diff()
    for step in range(steps):
        _compute_pair_scores(confidence, direction, fixed, out=scores)
        scores.values().mul_(confidence.values())
        image = (scores @ fixed).addcmul_(direction, diagonal)
        length = residual_norm / (direction * image).sum(1).clamp_(min=torch.finfo(torch.float32).tiny)
        weighted_errors.addcmul_(scores.values(), length.repeat_interleave(entries), value=-1)
        factors.addcmul_(direction, length[:, None])
        if step + 1 < steps:
            residual.addcmul_(image, length[:, None], value=-1)
            torch.div(residual, diagonal, out=preconditioned)
            previous_norm, residual_norm = residual_norm, (residual * preconditioned).sum(1)
            ratio = residual_norm / previous_norm.clamp_(min=torch.finfo(torch.float32).tiny)
            direction.mul_(ratio[:, None]).add_(preconditioned)
    return weighted_errors


def _compute_pair_scores(pattern: Tensor, factors: Tensor, fixed: Tensor, out: Tensor | None = None) -> Tensor:
    """Return the dot products of `factors` (rows) and `fixed` (columns) at the entries of `pattern` (torch CSR)."""
    scores: Tensor = torch.sparse.sampled_addmm(pattern, factors, fixed.T, beta=0, out=out)
    return scores
