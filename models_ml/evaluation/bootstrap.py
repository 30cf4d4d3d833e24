"""Bootstrap confidence intervals of means over customers."""

import torch
from torch import Tensor

from models_ml.data.sparse import iter_row_blocks

INTERVAL_QUANTILES = (0.025, 0.975)
"""Quantiles of the resampled means: a 95 % interval."""


def bootstrap_mean_bounds(values: Tensor, resample_count: int, seed: int, block_rows: int) -> Tensor:
    """Return the lower and upper bound of each column's mean over `values` (customers, columns), (2, columns) float64.

    The arguments are those of `bootstrap_means`.
    """
    return compute_bounds(bootstrap_means(values, resample_count, seed, block_rows))


def compute_bounds(means: Tensor) -> Tensor:
    """Return the lower and upper bound of each column of resampled `means` (resamples, columns), (2, columns)."""
    return torch.quantile(means, torch.tensor(INTERVAL_QUANTILES, dtype=means.dtype), dim=0)


def bootstrap_means(values: Tensor, resample_count: int, seed: int, block_rows: int) -> Tensor:
    """Return each column's mean over resamples of `values` (customers, columns), (resamples, columns) float64.

    Percentile bootstrap (Efron, Tibshirani, "An introduction to the bootstrap", 1993): each of `resample_count`
    resamples draws as many customers as there are, with replacement. All columns share the resamples, so that the
    differences of one customer between two methods stay paired. Memory holds `block_rows` resamples.
    """
    customers = len(values)
    generator = torch.Generator().manual_seed(seed)
    values = values.double()
    means = torch.empty((resample_count, values.shape[1]), dtype=torch.float64)
    for start, stop in iter_row_blocks(resample_count, block_rows):
        sample = torch.randint(customers, (stop - start, customers), generator=generator)
        sample += torch.arange(stop - start)[:, None] * customers
        weights = torch.bincount(sample.flatten(), minlength=sample.numel()).reshape(sample.shape)
        means[start:stop] = weights.double() @ values / customers
    return means
