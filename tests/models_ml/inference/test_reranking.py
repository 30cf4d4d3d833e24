"""Tests of the re-ranking against naive loops."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from models_ml.inference import reranking
from models_ml.inference.reranking import Reranker
from tests.models_ml.synthetic_tables import to_dense

CATEGORY_COUNT = 4


def build_lists(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return lists of 60 customers ordered by score, with ties, and with one short and one empty list."""
    generator = torch.Generator().manual_seed(4)
    positions = torch.rand((60, 40), generator=generator).argsort(1)[:, :n]
    scores = torch.randint(12, (60, n), generator=generator).sort(1, descending=True).values / 10 - 0.3
    for row, length in ((0, 3), (1, 0), (2, 1)):
        positions[row, length:], scores[row, length:] = -1, -torch.inf
    return positions, scores


def scale(scores: list[float]) -> list[float]:
    """Return the scores scaled to 0 to 1."""
    width = max(scores) - min(scores)
    return [(score - min(scores)) / width if width else 0.0 for score in scores]


def choose_best(values: dict[int, float]) -> int:
    """Return the slot with the highest value, the first of equal ones; values that differ by rounding are equal."""
    best = max(values.values())
    return min(slot for slot, value in values.items() if value > best - 1e-9)


@pytest.mark.parametrize(
    ("weight", "depth", "max_products"), [(0.3, 100, 40), (0.7, 8, 100), (1.0, 12, 40), (0.5, 12, 15)]
)
def test_mmr_equals_loop(
    strength: Csr, weight: float, depth: int, max_products: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    positions, scores = build_lists(12)
    monkeypatch.setattr(reranking, "MAX_SIMILAR_PRODUCTS", max_products)
    config = TrainConfig(rerank_method="mmr", rerank_weight=weight, rerank_depth=depth)
    reranked, new_scores = Reranker(config, strength, torch.zeros(40, dtype=torch.int64)).rerank(
        positions, scores, strength
    )
    customers = (to_dense(strength) > 0).astype(float)
    customers[:, np.argsort(-customers.sum(0), kind="stable")[max_products:]] = 0
    norms = np.maximum(np.sqrt(customers.sum(0)), 1)
    cosines = customers.T @ customers / np.outer(norms, norms)
    for row, products in enumerate(positions.tolist()):
        pool = [position for position in products[:depth] if position >= 0]
        relevance = scale(scores[row, : len(pool)].double().tolist()) if pool else []
        chosen: list[int] = []
        while len(chosen) < len(pool):
            values = {
                slot: (1 - weight) * relevance[slot]
                - (weight * max(cosines[pool[slot], pool[earlier]] for earlier in chosen) if chosen else 0)
                for slot in range(len(pool))
                if slot not in chosen
            }
            chosen.append(choose_best(values))
        expected = [pool[slot] for slot in chosen] + products[len(pool) :]
        assert reranked[row].tolist() == expected
        assert new_scores[row].tolist() == [*scores[row, chosen].tolist(), *scores[row, len(pool) :].tolist()]


@pytest.mark.parametrize(("weight", "depth"), [(0.3, 100), (0.7, 8), (1.0, 12)])
def test_calibration_equals_loop(strength: Csr, weight: float, depth: int) -> None:
    positions, scores = build_lists(12)
    categories = torch.randint(CATEGORY_COUNT, (40,), generator=torch.Generator().manual_seed(6))
    config = TrainConfig(rerank_method="calibrated", rerank_weight=weight, rerank_depth=depth)
    reranked, _ = Reranker(config, strength, categories).rerank(positions, scores, strength)
    dense = to_dense(strength)
    for row, products in enumerate(positions.tolist()):
        mix = np.bincount(categories.numpy(), dense[row], CATEGORY_COUNT) / dense[row].sum()
        pool = [position for position in products[:depth] if position >= 0]
        relevance = scale(scores[row, : len(pool)].double().tolist()) if pool else []
        chosen: list[int] = []

        def compute_divergence(slots: list[int], pool: list[int] = pool, mix: np.ndarray = mix) -> float:
            listed = np.bincount(categories[[pool[slot] for slot in slots]].numpy(), minlength=CATEGORY_COUNT)
            smoothed = 0.99 * listed / len(slots) + 0.01 * mix
            return sum(share * math.log(share / smoothed[c]) for c, share in enumerate(mix) if share)

        while len(chosen) < len(pool):
            values = {
                slot: (1 - weight) * relevance[slot] - weight * compute_divergence([*chosen, slot])
                for slot in range(len(pool))
                if slot not in chosen
            }
            chosen.append(choose_best(values))
        assert reranked[row].tolist() == [pool[slot] for slot in chosen] + products[len(pool) :]


@pytest.mark.parametrize(("method", "weight"), [("none", 0.5), *product(("mmr", "calibrated"), (0.0,))])
def test_inactive_reranking_keeps_order(strength: Csr, method: str, weight: float) -> None:
    positions, scores = build_lists(12)
    config = TrainConfig.model_validate({"rerank_method": method, "rerank_weight": weight})
    reranker = Reranker(config, strength, torch.zeros(40, dtype=torch.int64))
    assert reranker.get_pool_size(12) == 12
    reranked, new_scores = reranker.rerank(positions, scores, strength)
    assert torch.equal(reranked, positions)
    assert torch.equal(new_scores, scores)
