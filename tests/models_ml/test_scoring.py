"""Top-N against brute force."""

import numpy as np
import pytest
import torch

from models_ml.scoring import top_n
from tests.models_ml.made_up import csr


@pytest.mark.parametrize("n", [1, 5, 29, 30, 50])
@pytest.mark.parametrize("block_rows", [1, 7, 100])
def test_top_n_equals_a_stable_sort_even_with_many_ties(n: int, block_rows: int) -> None:
    generator = torch.Generator().manual_seed(n)
    users = torch.randint(-2, 3, (40, 3), generator=generator).float()
    products = torch.randint(-1, 2, (30, 3), generator=generator).float()
    seen = torch.rand((40, 30), generator=generator) < 0.4
    positions, scores = top_n(users, products, n, csr(seen.double().numpy()), block_rows)
    assert positions.shape == scores.shape == (40, min(n, 30))
    for user in range(40):
        all_scores = (users[user] @ products.T).tolist()
        left = [(-score, product) for product, score in enumerate(all_scores) if not seen[user, product]]
        expected = [product for _, product in sorted(left)][:n]
        found = positions[user][positions[user] >= 0].tolist()
        assert found == expected
        assert scores[user][: len(found)].tolist() == [all_scores[product] for product in expected]
        assert (scores[user][len(found) :] == -torch.inf).all()


def test_nothing_is_offered_to_who_has_seen_everything() -> None:
    positions, scores = top_n(torch.ones((1, 2)), torch.ones((3, 2)), 2, csr(np.ones((1, 3))))
    assert positions.tolist() == [[-1, -1]]
    assert scores.tolist() == [[-torch.inf, -torch.inf]]
