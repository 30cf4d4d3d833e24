"""Tests of the item graph against dense float64 references."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from models_ml.neighbors import item_graph, similarity
from models_ml.neighbors.item_graph import ItemGraph
from models_ml.neighbors.similarity import find_neighbors
from tests.models_ml.synthetic_tables import to_dense

Array = npt.NDArray[np.float64]


def keep_largest(similarities: Array, n: int) -> Array:
    """Return the matrix with the n largest values of each row and 0 elsewhere."""
    kept = np.zeros_like(similarities)
    for row, values in enumerate(similarities):
        best = np.argsort(-values, kind="stable")[:n]
        kept[row, best] = values[best]
    return kept


def compute_similarities(strength: Csr, source_power: float, target_power: float) -> Array:
    """Return the similarities of all pairs of products by their definition."""
    weights = to_dense(strength)
    sums = weights.sum(0)
    similarities = weights.T @ (weights / weights.sum(1, keepdims=True))
    similarities /= np.outer(sums**source_power, sums**target_power)
    np.fill_diagonal(similarities, 0)
    return np.asarray(similarities)


def compute_graph_scores(strength: Csr, neighbors: int, weight: float, popularity_power: float) -> Array:
    """Return the graph's scores of all customers by their definition."""
    history = to_dense(strength) > 0
    binary = strength.replace_values(torch.ones_like(strength.values))
    similarities = keep_largest(compute_similarities(binary, 0.5, 0.5 - popularity_power), neighbors)
    divisor = np.sqrt(history @ similarities.max(1) ** 2)
    return np.asarray(weight * (history @ similarities) / np.maximum(divisor, 1e-30)[:, None])


@pytest.mark.parametrize(("source_power", "target_power"), [(0.5, 0.5), (0.0, 0.75), (0.5, 0.0)])
@pytest.mark.parametrize("block_rows", [1, 7, 100])
@pytest.mark.parametrize("max_sorted_share", [0.0, 1.0])
def test_neighbors_equal_dense_similarities(
    strength: Csr,
    source_power: float,
    target_power: float,
    block_rows: int,
    max_sorted_share: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(similarity, "MAX_SORTED_SHARE", max_sorted_share)
    expected = compute_similarities(strength, source_power, target_power)
    for neighbors in (6, 1000):
        found = to_dense(find_neighbors(strength, source_power, target_power, neighbors, block_rows))
        np.testing.assert_allclose(found, keep_largest(expected, neighbors), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("max_terms", [1, 20, 2**20])
def test_scores_equal_dense_reference(strength: Csr, max_terms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_graph, "MAX_TERMS", max_terms)
    monkeypatch.setattr(item_graph, "MAX_CACHED_TERMS", max_terms)
    graph = ItemGraph.fit(strength, TrainConfig(graph_neighbors=6), 0.3, 0.25, torch.ones(40))
    scores = torch.zeros((60, 40))
    graph.add_scores(strength, scores)
    expected = compute_graph_scores(strength, 6, 0.3, 0.25)
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-4, atol=1e-7)


def test_scores_of_single_rows_equal_those_of_a_block(strength: Csr) -> None:
    """A block is scored on all cores, a single row by its terms; the last columns of the buffer are padding."""
    graph = ItemGraph.fit(strength, TrainConfig(graph_neighbors=6), 0.3, 0.25, torch.ones(40))
    block, again, single = (torch.full((60, 64), -0.5) for _ in range(3))
    graph.add_scores(strength, block)
    graph.add_scores(strength, again)
    for row in range(60):
        graph.add_scores(strength.slice_rows(row, row + 1), single[row : row + 1])
    assert torch.equal(block, again)
    torch.testing.assert_close(block, single)
    assert (block[:, 40:] == -0.5).all()


def test_trends_multiply_scores(strength: Csr) -> None:
    trends = torch.rand(40) + 0.5
    graph, plain = (ItemGraph.fit(strength, TrainConfig(), 0.3, 0.25, factor) for factor in (trends, torch.ones(40)))
    torch.testing.assert_close(graph.neighbors.values, plain.neighbors.values * trends[plain.neighbors.columns.long()])


def test_align_selects_products(strength: Csr) -> None:
    graph = ItemGraph.fit(strength, TrainConfig(), 0.3, 0.25, torch.ones(40))
    positions = torch.tensor([5, -1, 0, 39])
    dense, aligned = to_dense(graph.neighbors), to_dense(graph.align(positions).neighbors)
    known = [0, 2, 3]
    np.testing.assert_array_equal(aligned[np.ix_(known, known)], dense[np.ix_([5, 0, 39], [5, 0, 39])])
    assert not aligned[1].any()
    assert not aligned[:, 1].any()


def test_weight_zero_has_no_neighbors(strength: Csr) -> None:
    graph = ItemGraph.fit(strength, TrainConfig(), 0.0, 0.25, torch.ones(40))
    scores = torch.zeros((60, 40))
    graph.add_scores(strength, scores)
    assert graph.is_empty
    assert not scores.any()
