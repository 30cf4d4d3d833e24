"""Differences in NDCG between RecoMart's model and the other methods of the ranking benchmark."""

from collections.abc import Sequence

import torch
from pydantic import BaseModel, ConfigDict

from apps.benchmarks.ranking_results import RankingResult
from models_ml.config import TrainConfig
from models_ml.evaluation.bootstrap import bootstrap_means, compute_bounds


class NdcgDifference(BaseModel):
    """RecoMart's NDCG minus the NDCG of another method, over the same customers."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    method: str
    """The other method."""

    difference: float
    lower_bound: float
    """Lower end of the 95 % bootstrap interval of the difference."""

    upper_bound: float
    relative_difference: float | None
    """The difference as a share of the other method's NDCG; None, as are its bounds, when that is zero."""

    relative_lower_bound: float | None
    relative_upper_bound: float | None


def compute_differences(results: Sequence[RankingResult], config: TrainConfig) -> list[NdcgDifference]:
    """Return the differences between the first result and each of the others, which have the same customers."""
    recomart_result, *others = results
    if not others:
        return []
    ndcgs = torch.tensor([result.customer_ndcgs for result in results], dtype=torch.float64).T
    # Three temporary arrays per resample and customer of 64-bit numbers, as in models_ml.evaluation.report.
    block_rows = config.compute_block_rows(6 * len(ndcgs))
    means = bootstrap_means(ndcgs, config.bootstrap_resamples, config.seed, block_rows)
    bounds = compute_bounds(means[:, :1] - means[:, 1:]).T.tolist()
    relative_bounds = compute_bounds(means[:, :1] / means[:, 1:] - 1).T.tolist()
    return [
        NdcgDifference(
            method=other.method,
            difference=recomart_result.ndcg - other.ndcg,
            lower_bound=lower,
            upper_bound=upper,
            relative_difference=recomart_result.ndcg / other.ndcg - 1 if other.ndcg else None,
            relative_lower_bound=relative_lower if other.ndcg else None,
            relative_upper_bound=relative_upper if other.ndcg else None,
        )
        for other, (lower, upper), (relative_lower, relative_upper) in zip(others, bounds, relative_bounds, strict=True)
    ]
