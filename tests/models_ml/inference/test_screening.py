"""The best products for one vector against scoring all of them exactly."""

import pytest
import torch

from models_ml.inference.scoring import rank_top_n
from models_ml.inference.screening import MAX_COSINE_ERROR, ScreeningIndex


@pytest.mark.parametrize("n", [1, 10, 300, 1500, 5000])
@pytest.mark.parametrize("spread", [0, 3])
def test_search_equals_exact_ranking(n: int, spread: int) -> None:
    generator = torch.Generator().manual_seed(n)
    factors = torch.randn((3000, 24), generator=generator) * 10 ** (
        spread * torch.randn((3000, 1), generator=generator)
    )
    factors[::50] = 0
    allowed = torch.rand(3000, generator=generator) < 0.7
    vector = torch.randn(24, generator=generator)
    positions, scores = ScreeningIndex.from_factors(factors).search(vector, n, allowed)
    kept = torch.nonzero(allowed).flatten()
    expected, expected_scores = rank_top_n(vector[None], factors[kept], n)
    assert len(positions) == min(n, len(kept))
    torch.testing.assert_close(scores, expected_scores[0], rtol=1e-4, atol=1e-6)
    swapped = positions != kept[expected[0]]
    assert not swapped[scores != 0].any()


def test_search_by_cosine_ignores_norms() -> None:
    generator = torch.Generator().manual_seed(1)
    factors = torch.randn((500, 8), generator=generator)
    lengthened = factors * torch.rand((500, 1), generator=generator) * 100
    vector = torch.randn(8, generator=generator)
    everything = torch.ones(500, dtype=torch.bool)
    positions, cosines = ScreeningIndex.from_factors(lengthened).search(vector, 20, everything, by_cosine=True)
    expected = torch.nn.functional.cosine_similarity(factors, vector[None]).topk(20)
    assert positions.tolist() == expected.indices.tolist()
    torch.testing.assert_close(cosines, expected.values)


def test_search_orders_ties_by_position() -> None:
    factors = torch.ones((1000, 3))
    factors[500:] *= 2
    positions, _ = ScreeningIndex.from_factors(factors).search(torch.ones(3), 700, torch.ones(1000, dtype=torch.bool))
    assert positions.tolist() == [*range(500, 1000), *range(200)]


@pytest.mark.parametrize("factors", [1, 16, 256, 2048])
def test_half_precision_error_within_bound(factors: int) -> None:
    generator = torch.Generator().manual_seed(factors)
    # Numbers of one sign add up to the largest rounding error, those of many sizes to the smallest numbers.
    for table in (
        torch.rand((2000, factors), generator=generator),
        torch.randn((2000, factors), generator=generator) ** 7,
    ):
        screen = ScreeningIndex.from_factors(table)
        rough = (screen.directions @ screen.directions[0]).double()
        exact_directions = torch.nn.functional.normalize(table.double(), eps=1e-300)
        exact = exact_directions @ exact_directions[0]
        assert float((rough - exact).abs().max()) < MAX_COSINE_ERROR / 2


def test_search_without_allowed_products() -> None:
    positions, scores = ScreeningIndex.from_factors(torch.ones((5, 2))).search(
        torch.ones(2), 3, torch.zeros(5, dtype=torch.bool)
    )
    assert positions.tolist() == scores.tolist() == []
