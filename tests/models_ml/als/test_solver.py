"""Tests of Gramians, batched inverses and conjugate gradients."""

import numpy as np
import pytest
import torch

from models_ml.als.solver import compute_gramian, invert_spd, solve_conjugate_gradient
from tests.models_ml.synthetic_tables import to_csr, to_dense


@pytest.mark.parametrize("n", [1, 31, 32, 33, 100])
def test_invert_spd_equals_float64_inverse(n: int) -> None:
    root = torch.randn((5, n, n), generator=torch.Generator().manual_seed(n))
    matrices = root @ root.mT + torch.eye(n)
    expected = torch.linalg.inv(matrices.double()).float()
    torch.testing.assert_close(invert_spd(matrices), expected, rtol=1e-3, atol=1e-5)


def test_gramian_of_blocks_equals_whole() -> None:
    factors = torch.randn((50, 4), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(compute_gramian(factors, 7), factors.double().T @ factors.double(), rtol=1e-5, atol=1e-5)


def test_conjugate_gradient_solves_short_rows() -> None:
    strength = to_csr(np.eye(5) + np.eye(5, k=1))
    fixed = torch.randn((5, 3), generator=torch.Generator().manual_seed(0))
    fixed = fixed @ torch.linalg.eigh(fixed.T @ fixed).eigenvectors
    eigenvalues = (fixed.T @ fixed).diagonal()
    factors = torch.zeros((5, 3))
    solve_conjugate_gradient(
        factors, fixed, strength.to_torch_csr(), 0.1 * eigenvalues + torch.full((5, 1), 0.3), steps=3
    )
    dense_fixed = fixed.double().numpy()
    for row, values in enumerate(to_dense(strength)):
        gramian = dense_fixed.T @ dense_fixed
        matrix = dense_fixed.T @ (values[:, None] * dense_fixed) + 0.1 * gramian + 0.3 * np.eye(3)
        np.testing.assert_allclose(factors[row], np.linalg.solve(matrix, dense_fixed.T @ values), rtol=1e-4)
