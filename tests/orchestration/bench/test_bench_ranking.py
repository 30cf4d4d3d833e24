"""How the benchmark of rankings compares."""

import pytest

from apps.benchmarks.ranking_benchmark import compare
from apps.benchmarks.ranking_figures import CurvePoint, RankingFigures


def curve(*points: tuple[float, float]) -> list[CurvePoint]:
    return [CurvePoint(seconds=seconds, ndcg=reached) for seconds, reached in points]


def figures(method: str, ndcg: float, curves: dict[int, list[CurvePoint]]) -> RankingFigures:
    return RankingFigures(
        method=method, k=20, users=9, recall=0, precision=0, ndcg=ndcg, hit_rate=0, recall_by_product={}, curves=curves
    )


OURS = figures("als", 0.3, {64: curve((1.0, 0.1), (2.0, 0.3))})


def test_the_time_is_that_of_the_quickest_length_against_what_the_other_needed() -> None:
    # The other was as good after six of its nine seconds.
    other = figures("implicit", 0.2, {512: curve((3.0, 0.1), (6.0, 0.2), (9.0, 0.2))})
    shorter = {32: curve((0.5, 0.15), (0.6, 0.2)), 16: curve((0.1, 0.19))}
    found = compare(OURS, OURS.curves | shorter, other)
    assert found.ndcg_gain == pytest.approx(0.5)
    assert (found.seconds_to_its_ndcg, found.factors_to_its_ndcg) == (0.6, 32)
    assert found.share_of_its_seconds == pytest.approx(0.1)


def test_who_does_not_get_there_has_no_time() -> None:
    found = compare(OURS, OURS.curves, figures("implicit", 0.4, {64: curve((1.0, 0.4))}))
    assert found.ndcg_gain == pytest.approx(-0.25)
    assert (found.seconds_to_its_ndcg, found.factors_to_its_ndcg, found.share_of_its_seconds) == (None, None, None)


def test_another_without_a_hit_is_no_division_by_zero() -> None:
    assert compare(OURS, OURS.curves, figures("implicit", 0.0, {64: curve((1.0, 0.0))})).ndcg_gain == float("inf")
