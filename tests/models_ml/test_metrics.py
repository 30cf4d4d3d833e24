"""Metrics against numbers worked out by hand and a plain second implementation."""

import math

import pytest
import torch

from models_ml.metrics import ranking_metrics


def test_numbers_worked_out_by_hand() -> None:
    hits = torch.tensor([[True, False, True], [False, False, False], [False, True, False]])
    at_2, at_3 = ranking_metrics(hits, torch.tensor([2, 0, 5]), [2, 3])
    assert (at_2.k, at_2.users, at_2.left_out) == (2, 2, 1)
    assert at_2.precision == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert at_2.recall == pytest.approx((1 / 2 + 1 / 5) / 2)
    second, third = 1 / math.log2(3), 1 / math.log2(4)
    assert at_2.ndcg == pytest.approx((1 / (1 + second) + second / (1 + second)) / 2)
    assert at_3.precision == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert at_3.recall == pytest.approx((1 + 1 / 5) / 2)
    assert at_3.ndcg == pytest.approx(((1 + third) / (1 + second) + second / (1 + second + third)) / 2)


def test_a_plain_second_implementation_agrees() -> None:
    generator = torch.Generator().manual_seed(0)
    ranked = torch.rand((200, 50), generator=generator).argsort(1)[:, :20]
    wanted = torch.rand((200, 50), generator=generator) < 0.08
    hits = wanted.gather(1, ranked)
    for metrics in ranking_metrics(hits, wanted.sum(1), (1, 5, 10, 20)):
        k, precision, recall, ndcg = metrics.k, [], [], []
        for products, row in zip(ranked.tolist(), wanted, strict=True):
            relevant = set(torch.nonzero(row).flatten().tolist())
            if relevant:
                found = [product in relevant for product in products[:k]]
                gain = sum(1 / math.log2(rank + 2) for rank, hit in enumerate(found) if hit)
                ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(relevant))))
                precision.append(sum(found) / k)
                recall.append(sum(found) / len(relevant))
                ndcg.append(gain / ideal)
        assert metrics.users == len(ndcg)
        assert metrics.left_out == 200 - len(ndcg)
        assert metrics.precision == pytest.approx(sum(precision) / len(ndcg))
        assert metrics.recall == pytest.approx(sum(recall) / len(ndcg))
        assert metrics.ndcg == pytest.approx(sum(ndcg) / len(ndcg))


def test_lists_shorter_than_the_cutoff_count_what_they_hold() -> None:
    (metrics,) = ranking_metrics(torch.tensor([[True, True]]), torch.tensor([2]), [10])
    assert (metrics.precision, metrics.recall, metrics.ndcg) == pytest.approx((0.2, 1.0, 1.0))


def test_without_anything_relevant_the_means_are_zero() -> None:
    (metrics,) = ranking_metrics(torch.zeros((3, 5), dtype=torch.bool), torch.zeros(3, dtype=torch.int64), [5])
    assert (metrics.users, metrics.left_out, metrics.precision, metrics.recall, metrics.ndcg) == (0, 3, 0, 0, 0)
