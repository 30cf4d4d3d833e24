"""Ranking metrics per customer: accuracy (relevant products in the lists) and exposure (which products are listed).

A metric is a tensor over customers; means, segments and bootstrap intervals are computed from these tensors.
docs/evaluation.md defines the metrics.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models_ml.data.category_mix import CALIBRATION_SMOOTHING, find_category_entries
from models_ml.data.sparse import Csr, iter_row_blocks
from models_ml.evaluation.metric_names import ACCURACY_METRICS
from models_ml.neighbors.similarity import multiply_to_dense, normalize_by_product


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


def compute_list_means(positions: Tensor, values: Tensor, k: int) -> Tensor:
    """Return the means of `values` over each user's first `k` ranks, float64 of shape (users, values).

    `positions` (users, ranks) are the listed products, -1 for an unused rank. `values` (products, values) has a row per
    product. The means of an empty list are 0.
    """
    listed_positions = positions[:, :k]
    is_filled = (listed_positions >= 0)[..., None]
    listed_values = values.double()[listed_positions.clamp(min=0)]
    return (listed_values * is_filled).sum(1) / is_filled.sum(1).clamp(min=1)


def compute_concentration(positions: Tensor, product_count: int, k: int) -> list[float]:
    """Return the `CONCENTRATION_METRICS` of the first `k` ranks of all users.

    `positions` are those of `compute_list_means`. An empty list counts as a list without the most listed product.
    """
    listed_positions = positions[:, :k]
    counts = torch.bincount(listed_positions[listed_positions >= 0], minlength=product_count)
    top_counts = counts.sort(descending=True).values[:10].tolist()
    coverage = int((counts > 0).sum()) / product_count
    return [coverage, top_counts[0] / len(positions), sum(top_counts) / max(int(counts.sum()), 1)]


def compute_diversity(positions: Tensor, histories: Csr, k_values: Sequence[int], block_mib: int) -> Tensor:
    """Return each list's diversity at each of `k_values`, float64 of shape (lists, k_values).

    The diversity is the mean of 1 - similarity over all pairs of listed products; a list with fewer than two products
    has 0. The similarity of two products is the cosine of their customers in `histories` (customers x products), each
    customer with weight 1; a product without customers is similar to none. `positions` (lists, ranks) are columns of
    `histories`, -1 for an unused rank. Temporary buffers have about `block_mib` MiB.

    Sources: Ziegler, McNee, Konstan, Lausen, "Improving recommendation lists through topic diversification" (WWW 2005);
    Smyth, McClave, "Similarity vs. diversity" (ICCBR 2001).
    """
    similarities = _sum_similarities_to_preceding(positions, histories, block_mib)
    diversities = []
    for k in k_values:
        product_count = (positions[:, :k] >= 0).sum(1)
        pair_count = (product_count * (product_count - 1) / 2).double()
        mean_similarity = similarities[:, :k].sum(1) / pair_count.clamp(min=1)
        diversities.append(torch.where(pair_count > 0, 1 - mean_similarity, 0))
    return torch.stack(diversities, 1)


def _sum_similarities_to_preceding(positions: Tensor, histories: Csr, block_mib: int) -> Tensor:
    """Return the sum of each listed product's similarities to the products of better rank, float64 (lists, ranks)."""
    rank_count = positions.shape[1]
    listed = torch.unique(positions[positions >= 0])
    column = torch.full((histories.column_count,), -1)
    column[listed] = torch.arange(len(listed))
    normalized = normalize_by_product(histories.remap_columns(column, len(listed)))
    transposed = normalized.transpose().to_torch_coo()
    columns = torch.where(positions < 0, -1, column[positions.clamp(min=0)])
    place_of_product = columns.flatten().sort(stable=True)
    sums = torch.zeros(columns.numel(), dtype=torch.float64)
    # The sparse product and its dense copy have six 32-bit numbers per cell.
    for start, stop in iter_row_blocks(len(listed), max(1, block_mib * 2**18 // (6 * max(1, len(listed))))):
        similarities = multiply_to_dense(normalized.slice_rows(start, stop), transposed)
        first, last = torch.searchsorted(place_of_product.values, torch.tensor([start, stop])).tolist()
        max_places = max(1, block_mib * 2**15 // rank_count)
        for places in torch.split(place_of_product.indices[first:last], max_places):
            others = columns[places // rank_count]
            is_preceding = (torch.arange(rank_count) < (places % rank_count)[:, None]) & (others >= 0)
            products = columns.flatten()[places] - start
            values = similarities[products[:, None], others.clamp(min=0)]
            sums[places] = (values * is_preceding).sum(1, dtype=torch.float64)
    return sums.view(columns.shape)


def compute_calibration_error(list_categories: Tensor, category_shares: Csr, k_values: Sequence[int]) -> Tensor:
    """Return each customer's calibration error at each of `k_values`, float64 of shape (customers, k_values).

    The error is the Kullback-Leibler divergence KL(p || q') in nats of the list's category mix from that of the
    history: the shares p in the history, q in the list and q' = (1 - a) q + a p, with a = 0.01
    (`CALIBRATION_SMOOTHING`), which keeps it finite. An empty list has q = 0 and the largest error, -log a.
    `list_categories` (customers, ranks) has the category of each listed product, -1 for an unused rank;
    `category_shares` are those of models_ml.data.category_mix. A customer without a history has NaN.

    Source: Steck, "Calibrated recommendations" (RecSys 2018).
    """
    entry, is_in_history = find_category_entries(category_shares, list_categories)
    rows = category_shares.row_of_entry
    shares, errors = category_shares.values.double(), []
    has_history = category_shares.lengths > 0
    for k in k_values:
        counts = torch.bincount(entry[:, :k][is_in_history[:, :k]], minlength=len(shares)).double()
        list_lengths = (list_categories[:, :k] >= 0).sum(1).clamp(min=1)
        smoothed = (1 - CALIBRATION_SMOOTHING) * counts / list_lengths[rows] + CALIBRATION_SMOOTHING * shares
        terms = shares * (shares / smoothed).log()
        error = torch.zeros(len(list_categories), dtype=torch.float64).index_add(0, rows, terms)
        errors.append(torch.where(has_history, error.clamp(min=0), torch.nan))
    return torch.stack(errors, 1)


def compute_serendipity(positions: Tensor, is_hit: Tensor, expected: Tensor, k_values: Sequence[int]) -> Tensor:
    """Return each user's serendipity at each of `k_values`, float64 of shape (users, k_values).

    The serendipity is the number of relevant listed products that are not in the list of a primitive method, divided by
    k. `positions` (users, ranks) are the listed products, -1 for an unused rank; `is_hit` has the same shape, and
    `expected` (users, ranks) has the list of the primitive method.

    Source: Ge, Delgado-Battenfeld, Jannach, "Beyond accuracy: evaluating recommender systems by coverage and
    serendipity" (RecSys 2010), in the form of Kaminskas, Bridge, "Diversity, serendipity, novelty, and coverage" (ACM
    TiiS 2016).
    """
    values = []
    for k in k_values:
        rows, ranks = torch.nonzero(is_hit[:, :k], as_tuple=True)
        is_expected = (expected[rows, :k] == positions[rows, ranks][:, None]).any(1)
        values.append(torch.bincount(rows[~is_expected], minlength=len(positions)).double() / k)
    return torch.stack(values, 1)


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
