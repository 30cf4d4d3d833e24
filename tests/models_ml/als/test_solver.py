"""Helpers over blocks."""

import pytest
import torch

from models_ml.als.solver import compute_gramian, invert_spd


@pytest.mark.parametrize("n", [1, 31, 32, 33, 100])
def test_inverses_by_halves_equal_those_in_float64(n: int) -> None:
    root = torch.randn((5, n, n), generator=torch.Generator().manual_seed(n))
    matrices = root @ root.mT + torch.eye(n)
    expected = torch.linalg.inv(matrices.double()).float()
    torch.testing.assert_close(invert_spd(matrices), expected, rtol=1e-3, atol=1e-5)


def test_the_gramian_of_blocks_is_that_of_the_whole() -> None:
    factors = torch.randn((50, 4), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(compute_gramian(factors, 7), factors.double().T @ factors.double(), rtol=1e-5, atol=1e-5)
