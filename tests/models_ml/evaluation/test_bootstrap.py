"""Intervals of means over customers."""

import pytest
import torch

from models_ml.evaluation.bootstrap import bootstrap_mean_bounds


def test_bounds_match_normal_approximation() -> None:
    values = torch.randn((4000, 2), generator=torch.Generator().manual_seed(1)) + torch.tensor([0.0, 3.0])
    lower, upper = bootstrap_mean_bounds(values, 2000, 0, 64)
    spread = 1.96 * values.std(0) / len(values) ** 0.5
    torch.testing.assert_close(lower, (values.mean(0) - spread).double(), rtol=0, atol=0.004)
    torch.testing.assert_close(upper, (values.mean(0) + spread).double(), rtol=0, atol=0.004)


def test_intervals_have_stated_coverage() -> None:
    generator = torch.Generator().manual_seed(2)
    samples = torch.rand((150, 400), generator=generator)
    held = sum(
        bool(lower <= 0.5 <= upper) for lower, upper in (bootstrap_mean_bounds(s[:, None], 300, 0, 50) for s in samples)
    )
    assert 0.88 < held / len(samples) < 0.99


def test_bounds_depend_on_seed_only() -> None:
    values = torch.rand((50, 3), generator=torch.Generator().manual_seed(3))
    whole = bootstrap_mean_bounds(values, 100, 7, 1000)
    torch.testing.assert_close(bootstrap_mean_bounds(values, 100, 7, 9), whole)
    torch.testing.assert_close(bootstrap_mean_bounds(values[:, 1:2], 100, 7, 1000), whole[:, 1:2])
    assert not torch.equal(bootstrap_mean_bounds(values, 100, 8, 1000), whole)


@pytest.mark.parametrize("customers", [1, 5])
def test_bounds_of_equal_values(customers: int) -> None:
    assert bootstrap_mean_bounds(torch.full((customers, 1), 0.25), 10, 0, 3).tolist() == [[0.25], [0.25]]
