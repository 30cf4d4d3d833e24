"""Tests of metrics against manual calculations, a loop implementation, and the library ir_measures."""

import math
from itertools import combinations

import ir_measures
import numpy as np
import pytest
import torch
from ir_measures import AP, P, R, ScoredDoc, Success, nDCG

from models_ml.data.category_mix import compute_category_shares
from models_ml.data.sparse import Csr
from models_ml.evaluation.metric_names import ACCURACY_METRICS
from models_ml.evaluation.metrics import (
    compute_accuracy,
    compute_calibration_error,
    compute_concentration,
    compute_diversity,
    compute_list_means,
    compute_ranking_metrics,
    compute_self_information,
    compute_serendipity,
    find_long_tail,
)
from tests.models_ml.synthetic_tables import to_dense


def test_metrics_equal_manual_calculation() -> None:
    hits = torch.tensor([[True, False, True], [False, False, False], [False, True, False]])
    at_2, at_3 = compute_ranking_metrics(hits, torch.tensor([2, 0, 5]), [2, 3])
    assert (at_2.k, at_2.user_count) == (2, 2)
    assert at_2.precision == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert at_2.recall == pytest.approx((1 / 2 + 1 / 5) / 2)
    second, third = 1 / math.log2(3), 1 / math.log2(4)
    assert at_2.ndcg == pytest.approx((1 / (1 + second) + second / (1 + second)) / 2)
    assert at_2.map == pytest.approx((1 / 2 + (1 / 2) / 2) / 2)
    assert at_2.hit_rate == 1
    assert at_3.precision == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert at_3.recall == pytest.approx((1 + 1 / 5) / 2)
    assert at_3.ndcg == pytest.approx(((1 + third) / (1 + second) + second / (1 + second + third)) / 2)
    assert at_3.map == pytest.approx(((1 + 2 / 3) / 2 + (1 / 2) / 3) / 2)


def test_metrics_equal_loop_implementation() -> None:
    generator = torch.Generator().manual_seed(0)
    ranked = torch.rand((200, 50), generator=generator).argsort(1)[:, :20]
    is_relevant = torch.rand((200, 50), generator=generator) < 0.08
    hits = is_relevant.gather(1, ranked)
    for metrics in compute_ranking_metrics(hits, is_relevant.sum(1), (1, 5, 10, 20)):
        k, precision, recall, ndcg, average_precision, has_hit = metrics.k, [], [], [], [], []
        for products, row in zip(ranked.tolist(), is_relevant, strict=True):
            relevant_products = set(torch.nonzero(row).flatten().tolist())
            if relevant_products:
                is_hit = [product in relevant_products for product in products[:k]]
                dcg = sum(1 / math.log2(rank + 2) for rank, hit in enumerate(is_hit) if hit)
                ideal_dcg = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(relevant_products))))
                precision.append(sum(is_hit) / k)
                recall.append(sum(is_hit) / len(relevant_products))
                ndcg.append(dcg / ideal_dcg)
                precisions = [sum(is_hit[: rank + 1]) / (rank + 1) for rank, hit in enumerate(is_hit) if hit]
                average_precision.append(sum(precisions) / min(k, len(relevant_products)))
                has_hit.append(any(is_hit))
        assert metrics.user_count == len(ndcg)
        assert metrics.precision == pytest.approx(sum(precision) / len(ndcg))
        assert metrics.recall == pytest.approx(sum(recall) / len(ndcg))
        assert metrics.ndcg == pytest.approx(sum(ndcg) / len(ndcg))
        assert metrics.map == pytest.approx(sum(average_precision) / len(ndcg))
        assert metrics.hit_rate == pytest.approx(sum(has_hit) / len(ndcg))


@pytest.mark.parametrize("seed", range(8))
def test_metrics_equal_ir_measures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, products, depth = int(rng.integers(1, 40)), int(rng.integers(20, 80)), int(rng.integers(1, 25))
    ranked = rng.random((users, products)).argsort(1)[:, :depth]
    is_relevant = rng.random((users, products)) < rng.uniform(0.02, 0.6)
    is_relevant[np.arange(users), rng.integers(0, products, users)] = True
    relevant_counts = torch.from_numpy(is_relevant.sum(1))
    k_values = (1, 5, 10, 20)
    rows, ranks = torch.nonzero(torch.from_numpy(np.take_along_axis(is_relevant, ranked, 1)), as_tuple=True)
    accuracy = compute_accuracy(rows, ranks, relevant_counts, k_values)
    # The library divides average precision by the number of relevant products, also if it is above k.
    max_hit_share = torch.minimum(relevant_counts[:, None], torch.tensor(k_values)).double() / relevant_counts[:, None]
    accuracy[:, :, ACCURACY_METRICS.index("map")] *= max_hit_share
    relevant_pairs = zip(*np.nonzero(is_relevant), strict=True)
    judgments = [ir_measures.Qrel(f"u{user}", f"p{product}", 1) for user, product in relevant_pairs]
    run = [
        ScoredDoc(f"u{user}", f"p{product}", float(depth - rank))
        for user, row in enumerate(ranked)
        for rank, product in enumerate(row)
    ]
    measures = {
        measure @ k: (row, column)
        for row, k in enumerate(k_values)
        for column, measure in enumerate((P, R, nDCG, AP, Success))
    }
    expected = torch.full_like(accuracy, torch.nan)
    for value in ir_measures.iter_calc(list(measures), judgments, run):
        expected[(int(value.query_id[1:]), *measures[value.measure])] = value.value
    torch.testing.assert_close(accuracy, expected, rtol=1e-9, atol=1e-12)


def test_metrics_of_lists_shorter_than_k() -> None:
    (metrics,) = compute_ranking_metrics(torch.tensor([[True, True]]), torch.tensor([2]), [10])
    assert (metrics.precision, metrics.recall, metrics.ndcg) == pytest.approx((0.2, 1.0, 1.0))
    assert (metrics.map, metrics.hit_rate) == (1.0, 1.0)


def test_metrics_without_relevant_products() -> None:
    (metrics,) = compute_ranking_metrics(torch.zeros((3, 5), dtype=torch.bool), torch.zeros(3, dtype=torch.int64), [5])
    assert metrics.user_count == 0
    assert {getattr(metrics, name) for name in ACCURACY_METRICS} == {0.0}


def test_list_means() -> None:
    positions = torch.tensor([[0, 1, 2], [0, -1, -1], [-1, -1, -1]])
    information, is_long_tail = compute_self_information(torch.tensor([4, 2, 0]), 8), torch.tensor([False, False, True])
    assert information.tolist() == [1, 2, 3]
    values = torch.stack([information, is_long_tail.double()], 1)
    at_2, at_3 = (compute_list_means(positions, values, k).tolist() for k in (2, 3))
    assert at_2 == [[1.5, 0], [1, 0], [0, 0]]
    assert at_3 == [[2, pytest.approx(1 / 3)], [1, 0], [0, 0]]


def test_concentration_of_lists() -> None:
    positions = torch.tensor([[0, 1, 2], [0, -1, -1], [-1, -1, -1]])
    assert compute_concentration(positions, 4, 1) == [0.25, 2 / 3, 1]
    assert compute_concentration(positions, 4, 3) == [0.75, 2 / 3, 1]
    assert compute_concentration(torch.full((2, 3), -1), 4, 3) == [0, 0, 0]
    # Twelve products in one list each, and one of them in a second list.
    positions = torch.cat([torch.arange(12), torch.tensor([5])])[:, None]
    assert compute_concentration(positions, 20, 1) == [12 / 20, 2 / 13, 11 / 13]


@pytest.mark.parametrize("block_mib", [0, 1, 128])
def test_diversity_equals_loop(strength: Csr, block_mib: int) -> None:
    """Product 40 has no customers; a block of 0 MiB has one row."""
    generator = torch.Generator().manual_seed(1)
    positions = torch.rand((50, 41), generator=generator).argsort(1)[:, :12]
    positions[:3, 6:], positions[3, 1:], positions[4] = -1, -1, -1
    histories = Csr(strength.row_starts, strength.columns, strength.values, 41)
    customers = to_dense(histories) > 0
    diversity = compute_diversity(positions, histories, (1, 5, 12), block_mib)
    for row, products in enumerate(positions.tolist()):
        for column, k in enumerate((1, 5, 12)):
            listed = [product for product in products[:k] if product >= 0]
            distances = []
            for first, second in combinations(listed, 2):
                shared = (customers[:, first] & customers[:, second]).sum()
                norm = math.sqrt(customers[:, first].sum() * customers[:, second].sum())
                distances.append(1 - shared / norm if norm else 1)
            expected = sum(distances) / len(distances) if distances else 0
            assert diversity[row, column] == pytest.approx(expected, abs=1e-6)


def test_calibration_error_equals_loop(strength: Csr) -> None:
    generator = torch.Generator().manual_seed(2)
    categories = torch.randint(5, (40,), generator=generator)
    shares = compute_category_shares(strength, categories, 5)
    lists = torch.rand((60, 40), generator=generator).argsort(1)[:, :10]
    lists[0, 4:], lists[1] = -1, -1
    list_categories = torch.where(lists < 0, -1, categories[lists.clamp(min=0)])
    errors = compute_calibration_error(list_categories, shares, (3, 10))
    dense = to_dense(strength)
    for row, products in enumerate(lists.tolist()):
        history_mix = np.bincount(categories.numpy(), dense[row], minlength=5) / dense[row].sum()
        np.testing.assert_allclose(to_dense(shares)[row], history_mix, rtol=1e-6)
        for column, k in enumerate((3, 10)):
            listed = [int(categories[product]) for product in products[:k] if product >= 0]
            list_mix = np.bincount(listed, minlength=5) / max(1, len(listed))
            expected = sum(
                share * math.log(share / (0.99 * list_mix[category] + 0.01 * share))
                for category, share in enumerate(history_mix)
                if share
            )
            assert errors[row, column] == pytest.approx(expected, abs=1e-6)
    assert errors[1].tolist() == pytest.approx([-math.log(0.01)] * 2)


def test_calibration_error_of_same_mix_and_without_history() -> None:
    histories = Csr.from_pairs(torch.tensor([0, 0]), torch.tensor([0, 1]), torch.ones(2), (2, 3))
    shares = compute_category_shares(histories, torch.tensor([0, 1, 2]), 3)
    errors = compute_calibration_error(torch.tensor([[0, 1, 2], [0, 1, 2]]), shares, (2,))
    assert errors[0].item() == pytest.approx(0, abs=1e-6)
    assert math.isnan(errors[1].item())


def test_serendipity_counts_unexpected_hits() -> None:
    positions = torch.tensor([[0, 1, 2], [3, -1, -1]])
    is_hit = torch.tensor([[True, True, False], [True, False, False]])
    expected = torch.tensor([[1, 0, 5], [4, 5, 6]])
    serendipity = compute_serendipity(positions, is_hit, expected, (1, 3))
    # At 1, product 0 is not in the primitive list, at 3 it is.
    assert serendipity.tolist() == [[1, 0], [1, pytest.approx(1 / 3)]]


def test_long_tail_is_outside_smallest_head() -> None:
    customer_counts = torch.tensor([1, 5, 0, 3, 1])
    assert find_long_tail(customer_counts, 0.8).tolist() == [True, False, True, False, True]
    assert find_long_tail(customer_counts, 0.81).tolist() == [False, False, True, False, True]
    assert find_long_tail(customer_counts, 1.0).tolist() == [False, False, True, False, False]
    assert find_long_tail(torch.tensor([7]), 0.8).tolist() == [False]
