"""Tests of the search for one vector against exact scores of all products."""

import pytest
import torch

from models_ml.data.top_n import select_top_n
from models_ml.inference.screening import MAX_COSINE_ERROR, ScreeningIndex


@pytest.mark.parametrize("n", [1, 10, 300, 1500, 5000])
@pytest.mark.parametrize("spread", [0, 3])
@pytest.mark.parametrize("addition_share", [0, 0.01])
def test_search_equals_exact_ranking(n: int, spread: int, addition_share: float) -> None:
    generator = torch.Generator().manual_seed(n)
    factors = torch.randn((3000, 24), generator=generator) * 10 ** (
        spread * torch.randn((3000, 1), generator=generator)
    )
    factors[::50] = 0
    allowed = torch.rand(3000, generator=generator) < 0.7
    vector = torch.randn(24, generator=generator)
    has_addition = torch.rand(3000, generator=generator) < addition_share
    additions = torch.rand(3000, generator=generator) * 10 * has_addition
    positions, scores = ScreeningIndex.from_factors(factors).search(vector, n, allowed, additions)
    allowed_positions = torch.nonzero(allowed).flatten()
    expected, expected_scores = select_top_n((factors @ vector + additions)[allowed_positions][None], n)
    assert len(positions) == min(n, len(allowed_positions))
    torch.testing.assert_close(scores, expected_scores[0], rtol=1e-4, atol=1e-6)
    is_swapped = positions != allowed_positions[expected[0]]
    assert not is_swapped[scores != 0].any()


def test_search_by_cosine_ignores_norms() -> None:
    generator = torch.Generator().manual_seed(1)
    factors = torch.randn((500, 8), generator=generator)
    scaled = factors * torch.rand((500, 1), generator=generator) * 100
    vector = torch.randn(8, generator=generator)
    all_allowed = torch.ones(500, dtype=torch.bool)
    positions, cosines = ScreeningIndex.from_factors(scaled).search(
        vector, 20, all_allowed, torch.zeros(500), by_cosine=True
    )
    expected = torch.nn.functional.cosine_similarity(factors, vector[None]).topk(20)
    assert positions.tolist() == expected.indices.tolist()
    torch.testing.assert_close(cosines, expected.values)


def test_search_orders_ties_by_position() -> None:
    factors = torch.ones((1000, 3))
    factors[500:] *= 2
    positions, _ = ScreeningIndex.from_factors(factors).search(
        torch.ones(3), 700, torch.ones(1000, dtype=torch.bool), torch.zeros(1000)
    )
    assert positions.tolist() == [*range(500, 1000), *range(200)]


@pytest.mark.parametrize("factors", [1, 16, 256, 2048])
def test_half_precision_error_within_bound(factors: int) -> None:
    generator = torch.Generator().manual_seed(factors)
    # Positive factors give the largest rounding errors, factors of many magnitudes the smallest numbers.
    for matrix in (
        torch.rand((2000, factors), generator=generator),
        torch.randn((2000, factors), generator=generator) ** 7,
    ):
        index = ScreeningIndex.from_factors(matrix)
        approximate = (index.directions @ index.directions[0]).double()
        exact_directions = torch.nn.functional.normalize(matrix.double(), eps=1e-300)
        exact = exact_directions @ exact_directions[0]
        assert float((approximate - exact).abs().max()) < MAX_COSINE_ERROR / 2


def test_search_without_allowed_products() -> None:
    positions, scores = ScreeningIndex.from_factors(torch.ones((5, 2))).search(
        torch.ones(2), 3, torch.zeros(5, dtype=torch.bool), torch.zeros(5)
    )
    assert positions.tolist() == scores.tolist() == []
