"""Precision, Recall and NDCG at K of ranked lists, averaged over the customers with something relevant."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RankingMetrics:
    """Means over customers at one list length."""

    k: int
    users: int
    """Customers with at least one relevant product, which the means are over."""
    left_out: int
    """Customers without."""
    precision: float
    """Hits / k, also where a list is shorter than k."""
    recall: float
    """Hits / relevant products."""
    ndcg: float
    """Discounted gain with binary relevance, over that of the best list: min(k, relevant) hits at the top."""


def ranking_metrics(hits: Tensor, relevant: Tensor, cutoffs: Sequence[int]) -> list[RankingMetrics]:
    """Measure `hits` (users, ranks; true where the product at that rank is relevant) at every one of `cutoffs`.

    `relevant` (users) counts each user's relevant products, those that no list could hold included. The means are 0
    where no user has any.
    """
    counted = relevant > 0
    gains = hits[counted].double()
    of_user = relevant[counted].double()
    users = len(of_user)
    discounts = 1 / torch.arange(2, 2 + max(cutoffs), device=hits.device).double().log2()
    best = torch.cat([discounts.new_zeros(1), discounts.cumsum(0)])
    metrics = []
    for k in cutoffs:
        found = gains[:, :k].sum(1)
        discounted = gains[:, :k] @ discounts[: gains[:, :k].shape[1]]
        values = (found / k, found / of_user, discounted / best[of_user.clamp(max=k).long()])
        precision, recall, ndcg = (float(value.sum() / max(users, 1)) for value in values)
        metrics.append(RankingMetrics(k, users, len(relevant) - users, precision, recall, ndcg))
    return metrics
