"""Bootstrap confidence intervals of means over customers."""

import torch
from torch import Tensor

from models_ml.data.sparse import iter_row_blocks

INTERVAL_QUANTILES = (0.025, 0.975)
"""Quantiles of the resampled means: a 95 % interval."""


def bootstrap_mean_bounds(values: Tensor, resample_count: int, seed: int, block_rows: int) -> Tensor:
    """Return the lower and upper bound of each column's mean, float64 of shape (2, columns).

    The percentile bootstrap (Efron, Tibshirani, "An introduction to the bootstrap", 1993): as many of the rows of
    `values` (customers, columns) as there are are drawn with replacement, `resamples` times, the same for every column,
    so that differences of one customer between two methods stay paired. `block_rows` resamples are held at a time.
    """
    customers = len(values)
    generator = torch.Generator().manual_seed(seed)
    values = values.double()
    means = torch.empty((resample_count, values.shape[1]), dtype=torch.float64)
    for start, stop in iter_row_blocks(resample_count, block_rows):
        drawn = torch.randint(customers, (stop - start, customers), generator=generator)
        drawn += torch.arange(stop - start)[:, None] * customers
        weights = torch.bincount(drawn.flatten(), minlength=drawn.numel()).reshape(drawn.shape)
        means[start:stop] = weights.double() @ values / customers
    return torch.quantile(means, torch.tensor(INTERVAL_QUANTILES, dtype=torch.float64), dim=0)
