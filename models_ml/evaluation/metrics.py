"""Ranking metrics per customer: accuracy (relevant products in the lists) and exposure (novelty, long tail, coverage).

A metric is a tensor over customers; means, segments and bootstrap intervals are computed from these tensors.
docs/evaluation.md defines the metrics.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models_ml.evaluation.metric_names import ACCURACY_METRICS


@dataclass(frozen=True)
class RankingMetrics:
    """Mean accuracy over customers at one list length k."""

    k: int
    user_count: int
    """Number of customers with at least one relevant product; the means are over these customers."""
    precision: float
    """Hits / k, also for lists shorter than k."""
    recall: float
    """Hits / relevant products."""
    ndcg: float
    """Discounted cumulative gain with binary relevance / DCG of the ideal list, min(k, relevant) hits at the top."""
    map: float
    """Mean average precision: sum of the precision at each hit's rank / min(k, relevant)."""
    hit_rate: float
    """Share of customers with at least one hit."""


def compute_ranking_metrics(hits: Tensor, relevant_counts: Tensor, k_values: Sequence[int]) -> list[RankingMetrics]:
    """Return the mean accuracy at each of `k_values`.

    `hits` (users, ranks) is whether the product at a rank is relevant. `relevant_counts` (users) counts each user's
    relevant products, including products outside the catalog. The means are 0 when no user has a relevant product.
    """
    is_counted = relevant_counts > 0
    user_count = int(is_counted.sum())
    rows, ranks = torch.nonzero(hits[is_counted], as_tuple=True)
    totals = compute_accuracy(rows, ranks, relevant_counts[is_counted], k_values).sum(0)
    means = (totals / max(user_count, 1)).tolist()
    return [
        RankingMetrics(k, user_count, **dict(zip(ACCURACY_METRICS, means_at_k, strict=True)))
        for k, means_at_k in zip(k_values, means, strict=True)
    ]


def compute_accuracy(rows: Tensor, ranks: Tensor, relevant_counts: Tensor, k_values: Sequence[int]) -> Tensor:
    """Return each user's `ACCURACY_METRICS` at each of `k_values`, float64 of shape (users, k_values, metrics).

    `rows` (position of the user) and `ranks` (from 0) list all hits, ordered by row, then rank. `relevant_counts`
    (users) counts each user's relevant products, at least one. NDCG: Järvelin, Kekäläinen, "Cumulated gain-based
    evaluation of IR techniques" (TOIS 2002).
    """
    user_count = len(relevant_counts)
    hit_counts = torch.bincount(rows, minlength=user_count)
    first_hit = hit_counts.cumsum(0) - hit_counts
    precision_at_hit = (torch.arange(1, len(rows) + 1, device=rows.device) - first_hit[rows]) / (ranks + 1).double()
    discounts = 1 / torch.arange(2, 2 + max(k_values), device=rows.device).double().log2()
    ideal_dcg = discounts.cumsum(0)
    metrics = []
    for k in k_values:
        is_in_top_k = ranks < k
        users, max_hits = rows[is_in_top_k], relevant_counts.clamp(max=k)
        hits = torch.bincount(users, minlength=user_count).double()
        dcg = torch.bincount(users, discounts[ranks[is_in_top_k]], minlength=user_count)
        precision_sum = torch.bincount(users, precision_at_hit[is_in_top_k], minlength=user_count)
        metrics_at_k = (
            hits / k,
            hits / relevant_counts,
            dcg / ideal_dcg[max_hits - 1],
            precision_sum / max_hits,
            (hits > 0).double(),
        )
        metrics.append(torch.stack(metrics_at_k, 1))
    return torch.stack(metrics, 1)


def compute_exposure(positions: Tensor, information: Tensor, is_long_tail: Tensor, k: int) -> Tensor:
    """Return the `EXPOSURE_METRICS` of each user's first `k` ranks, float64 of shape (users, metrics).

    `positions` (users, ranks) are the listed products, -1 for an unused rank. `information` (products) is the
    self-information in bits, `is_long_tail` (products) whether a product is outside the head. The metrics of an empty
    list are 0.
    """
    listed_positions = positions[:, :k]
    values = torch.stack([information.double(), is_long_tail.double()], 1)[listed_positions.clamp(min=0)]
    is_filled = (listed_positions >= 0)[..., None]
    return (values * is_filled).sum(1) / is_filled.sum(1).clamp(min=1)


def compute_coverage(positions: Tensor, product_count: int, k: int) -> float:
    """Return the share of products that are in the first `k` ranks of at least one user.

    `positions` are those of `compute_exposure`.
    """
    listed_positions = positions[:, :k]
    return (
        int((torch.bincount(listed_positions[listed_positions >= 0], minlength=product_count) > 0).sum())
        / product_count
    )


def compute_self_information(customer_counts: Tensor, customer_count: int) -> Tensor:
    """Return -log2 of each product's share of customers, float64 of shape (products).

    `customer_counts` (products) counts the product's customers, `customer_count` all customers. For a product
    without customers, a count of one is used. Source: Zhou et al., "Solving the apparent diversity-accuracy dilemma of
    recommender systems" (PNAS 2010).
    """
    return -(customer_counts.double().clamp(min=1) / customer_count).log2()


def find_long_tail(customer_counts: Tensor, head_share: float) -> Tensor:
    """Return whether each product is in the long tail, bool of shape (products).

    The head is the smallest set of most popular products with `head_share` of all customer-product pairs; ties are
    ordered by position. All other products are the long tail. `customer_counts` (products) counts the product's
    customers. Source: Abdollahpouri, Burke, Mobasher, "Controlling popularity bias in learning-to-rank recommendation"
    (RecSys 2017).
    """
    sorted_counts = customer_counts.double().sort(descending=True, stable=True)
    preceding_counts = sorted_counts.values.cumsum(0) - sorted_counts.values
    is_long_tail = torch.ones(len(customer_counts), dtype=torch.bool, device=customer_counts.device)
    is_long_tail[sorted_counts.indices] = preceding_counts >= head_share * sorted_counts.values.sum()
    return is_long_tail
