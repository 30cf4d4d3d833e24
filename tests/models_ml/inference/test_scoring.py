"""Tests of top-N selection against stable sorts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models_ml.data.top_n import select_top_n
from models_ml.inference.scoring import rank_top_n
from tests.models_ml.synthetic_tables import to_csr


@pytest.mark.parametrize("n", [1, 5, 29, 30, 50])
@pytest.mark.parametrize("block_rows", [1, 7, 100])
def test_rank_top_n_equals_stable_sort(n: int, block_rows: int) -> None:
    generator = torch.Generator().manual_seed(n)
    users = torch.randint(-2, 3, (40, 3), generator=generator).float()
    products = torch.randint(-1, 2, (30, 3), generator=generator).float()
    is_excluded = torch.rand((40, 30), generator=generator) < 0.4
    positions, scores = rank_top_n(users, products, n, to_csr(is_excluded.double().numpy()), block_rows)
    assert positions.shape == scores.shape == (40, min(n, 30))
    for user in range(40):
        all_scores = (users[user] @ products.T).tolist()
        ranked_pairs = [(-score, product) for product, score in enumerate(all_scores) if not is_excluded[user, product]]
        expected = [product for _, product in sorted(ranked_pairs)][:n]
        assert positions[user][positions[user] >= 0].tolist() == expected
        assert scores[user][: len(expected)].tolist() == [all_scores[product] for product in expected]
        assert (scores[user][len(expected) :] == -torch.inf).all()


@settings(max_examples=300, deadline=None)
@given(
    rows=st.integers(1, 5),
    products=st.integers(1, 3000),
    n=st.integers(1, 120),
    value_count=st.sampled_from([1, 2, 10, 1000, None]),
    excluded_share=st.sampled_from([0.0, 0.5, 0.99, 1.0]),
    is_sorted=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_select_top_n_equals_stable_sort(
    rows: int, products: int, n: int, value_count: int | None, excluded_share: float, is_sorted: bool, seed: int
) -> None:
    """A small `value_count` gives ties; sorted scores have the best products in one group."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn((rows, products), generator=generator)
    if value_count is not None:
        scores = torch.randint(value_count, (rows, products), generator=generator).float()
    if is_sorted:
        scores = scores.sort(dim=1, descending=True).values
    excluded = torch.rand((rows, products), generator=generator) < excluded_share
    expected, order = scores.masked_fill(excluded, -torch.inf).sort(dim=1, descending=True, stable=True)
    expected, order = expected[:, :n], order[:, :n].masked_fill(expected[:, :n] == -torch.inf, -1)
    positions, best = select_top_n(scores, n, to_csr(excluded.double().numpy()))
    assert torch.equal(positions, order)
    assert torch.equal(best, expected)


def test_rank_top_n_without_unseen_products() -> None:
    positions, scores = rank_top_n(torch.ones((1, 2)), torch.ones((3, 2)), 2, to_csr(np.ones((1, 3))))
    assert positions.tolist() == [[-1, -1]]
    assert scores.tolist() == [[-torch.inf, -torch.inf]]
