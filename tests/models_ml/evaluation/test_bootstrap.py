"""Tests of bootstrap intervals."""

import pytest
import torch

from models_ml.evaluation.bootstrap import bootstrap_mean_bounds


def test_bounds_match_normal_approximation() -> None:
    values = torch.randn((4000, 2), generator=torch.Generator().manual_seed(1)) + torch.tensor([0.0, 3.0])
    lower, upper = bootstrap_mean_bounds(values, 2000, 0, 64)
    half_width = 1.96 * values.std(0) / len(values) ** 0.5
    torch.testing.assert_close(lower, (values.mean(0) - half_width).double(), rtol=0, atol=0.004)
    torch.testing.assert_close(upper, (values.mean(0) + half_width).double(), rtol=0, atol=0.004)


def test_intervals_have_stated_coverage() -> None:
    generator = torch.Generator().manual_seed(2)
    samples = torch.rand((150, 400), generator=generator)
    intervals = (bootstrap_mean_bounds(sample[:, None], 300, 0, 50) for sample in samples)
    covered_count = sum(bool(lower <= 0.5 <= upper) for lower, upper in intervals)
    assert 0.88 < covered_count / len(samples) < 0.99


def test_bounds_depend_on_seed_only() -> None:
    values = torch.rand((50, 3), generator=torch.Generator().manual_seed(3))
    bounds = bootstrap_mean_bounds(values, 100, 7, 1000)
    torch.testing.assert_close(bootstrap_mean_bounds(values, 100, 7, 9), bounds)
    torch.testing.assert_close(bootstrap_mean_bounds(values[:, 1:2], 100, 7, 1000), bounds[:, 1:2])
    assert not torch.equal(bootstrap_mean_bounds(values, 100, 8, 1000), bounds)


@pytest.mark.parametrize("customers", [1, 5])
def test_bounds_of_equal_values(customers: int) -> None:
    assert bootstrap_mean_bounds(torch.full((customers, 1), 0.25), 10, 0, 3).tolist() == [[0.25], [0.25]]
