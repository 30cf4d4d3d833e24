"""Small helpers over blocks of rows."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

LEAF = 32
"""Matrices up to this size are inverted by LAPACK."""


def row_blocks(rows: int, block_rows: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of consecutive blocks of at most `block_rows` of `rows` rows."""
    for start in range(0, rows, block_rows):
        yield start, min(start + block_rows, rows)


def gramian(factors: Tensor, block_rows: int, each: Callable[..., Iterable[Tensor]] = map) -> Tensor:
    """Return factors' factors in float64, shape (columns, columns), adding the blocks in float64.

    `each` makes the blocks' products, in their order.
    """
    total = torch.zeros((factors.shape[1],) * 2, dtype=torch.float64, device=factors.device)

    def product(rows: tuple[int, int]) -> Tensor:
        block = factors[slice(*rows)]
        return block.T @ block

    for part in each(product, row_blocks(len(factors), block_rows)):
        total += part.double()
    return total


def spd_inverse(matrices: Tensor) -> Tensor:
    """Return the inverses of symmetric positive definite `matrices` (batch, n, n).

    By halves (Schur complements), so that nearly all work is batched products: LAPACK's inverse, called for one matrix
    after the other, takes 1.5 to 4 times as long.
    """
    n = matrices.shape[-1]
    if n <= LEAF:
        return torch.cholesky_inverse(torch.linalg.cholesky(matrices))
    half = n // 2
    first = spd_inverse(matrices[:, :half, :half])
    coupling = first @ matrices[:, :half, half:]
    second = spd_inverse(matrices[:, half:, half:] - matrices[:, half:, :half] @ coupling)
    corner = -coupling @ second
    upper = torch.cat([first - corner @ coupling.mT, corner], 2)
    return torch.cat([upper, torch.cat([corner.mT, second], 2)], 1)
