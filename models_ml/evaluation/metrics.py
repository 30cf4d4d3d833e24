"""How good ranked lists are, for each customer: whether they hold what was relevant, and what they expose.

Every measure is a tensor over customers, so that means, segments and bootstrap intervals all come from one place. The
definitions are those of docs/evaluation.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ACCURACY_METRICS = ("precision", "recall", "ndcg", "map", "hit_rate")
"""Columns of `accuracy`."""

EXPOSURE_METRICS = ("novelty", "long_tail_share")
"""Columns of `exposure`."""


@dataclass(frozen=True)
class RankingMetrics:
    """Means over customers at one list length."""

    k: int
    user_count: int
    """Customers with at least one relevant product, which the means are over."""
    skipped_user_count: int
    """Customers without."""
    precision: float
    """Hits / k, also where a list is shorter than k."""
    recall: float
    """Hits / relevant products."""
    ndcg: float
    """Discounted gain with binary relevance, over that of the best list: min(k, relevant) hits at the top."""
    map: float
    """Average precision: the precision at each hit's rank, summed, over min(k, relevant)."""
    hit_rate: float
    """Share of customers with a hit."""


def compute_ranking_metrics(hits: Tensor, relevant_counts: Tensor, k_values: Sequence[int]) -> list[RankingMetrics]:
    """Measure `hits` (users, ranks; true where the product at that rank is relevant) at every one of `k_values`.

    `relevant` (users) counts each user's relevant products, those that no list could hold included. The means are 0
    where no user has any.
    """
    counted = relevant_counts > 0
    users = int(counted.sum())
    rows, ranks = torch.nonzero(hits[counted], as_tuple=True)
    means = (compute_accuracy(rows, ranks, relevant_counts[counted], k_values).sum(0) / max(users, 1)).tolist()
    return [
        RankingMetrics(k, users, len(relevant_counts) - users, **dict(zip(ACCURACY_METRICS, of_k, strict=True)))
        for k, of_k in zip(k_values, means, strict=True)
    ]


def compute_accuracy(rows: Tensor, ranks: Tensor, relevant_counts: Tensor, k_values: Sequence[int]) -> Tensor:
    """Return each user's `ACCURACY` at every one of `k_values`, float64 of shape (users, cut-offs, metrics).

    A hit is an entry of `rows` (which user's list) and `ranks` (where in it, from 0), in order of both; `relevant`
    (users) counts each user's relevant products, at least one each.
    """
    users = len(relevant_counts)
    before = torch.bincount(rows, minlength=users).cumsum(0) - torch.bincount(rows, minlength=users)
    precision_at_hit = (torch.arange(1, len(rows) + 1, device=rows.device) - before[rows]) / (ranks + 1).double()
    discounts = 1 / torch.arange(2, 2 + max(k_values), device=rows.device).double().log2()
    ideal = discounts.cumsum(0)
    metrics = []
    for k in k_values:
        inside = ranks < k
        of_user, most = rows[inside], relevant_counts.clamp(max=k)
        found = torch.bincount(of_user, minlength=users).double()
        gain = torch.bincount(of_user, discounts[ranks[inside]], minlength=users)
        precisions = torch.bincount(of_user, precision_at_hit[inside], minlength=users)
        of_k = (found / k, found / relevant_counts, gain / ideal[most - 1], precisions / most, (found > 0).double())
        metrics.append(torch.stack(of_k, 1))
    return torch.stack(metrics, 1)


def compute_exposure(positions: Tensor, information: Tensor, is_long_tail: Tensor, k: int) -> Tensor:
    """Return the `EXPOSURE` of each user's first `k` places, float64 of shape (users, metrics).

    `positions` (users, ranks) are the products listed, -1 for none; `information` (products) is each one's
    self-information in bits, `is_long_tail` (products) whether it is outside the head. A user without a list has zeros.
    """
    listed = positions[:, :k]
    facts = torch.stack([information.double(), is_long_tail.double()], 1)[listed.clamp(min=0)]
    filled = (listed >= 0)[..., None]
    return (facts * filled).sum(1) / filled.sum(1).clamp(min=1)


def compute_coverage(positions: Tensor, product_count: int, k: int) -> float:
    """Return the share of `products` that stand in anybody's first `k` places (`positions` as in `exposure`)."""
    listed = positions[:, :k]
    return int((torch.bincount(listed[listed >= 0], minlength=product_count) > 0).sum()) / product_count


def compute_self_information(customer_counts: Tensor, customer_count: int) -> Tensor:
    """Return -log2 of the share of customers who had dealt with each product, float64 of shape (products).

    `customers` (products) counts them among `of`; a product that nobody had dealt with counts as if one had. Zhou et
    al., "Solving the apparent diversity-accuracy dilemma of recommender systems" (PNAS 2010).
    """
    return -(customer_counts.double().clamp(min=1) / customer_count).log2()


def find_long_tail(customer_counts: Tensor, head_share: float) -> Tensor:
    """Return which products are outside the head, bool of shape (products).

    The head are the most popular products, as few as together have `head_share` of all pairs of customer and product;
    of products with as many `customers` each (products), those earlier by position come first. Abdollahpouri, Burke,
    Mobasher, "Controlling popularity bias in learning-to-rank recommendation" (RecSys 2017).
    """
    by_popularity = customer_counts.double().sort(descending=True, stable=True)
    before = by_popularity.values.cumsum(0) - by_popularity.values
    is_tail = torch.ones(len(customer_counts), dtype=torch.bool, device=customer_counts.device)
    is_tail[by_popularity.indices] = before >= head_share * by_popularity.values.sum()
    return is_tail
