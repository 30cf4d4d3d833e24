"""`compare_results` of the ranking benchmark."""

import pytest

from apps.benchmarks.ranking_benchmark import compare_results
from apps.benchmarks.ranking_results import CurvePoint, RankingResult


def build_curve(*points: tuple[float, float]) -> list[CurvePoint]:
    return [CurvePoint(seconds=seconds, ndcg=ndcg) for seconds, ndcg in points]


def build_result(method: str, ndcg: float, curves: dict[int, list[CurvePoint]]) -> RankingResult:
    return RankingResult(
        method=method,
        k=20,
        user_count=9,
        recall=0,
        precision=0,
        ndcg=ndcg,
        hit_rate=0,
        recall_by_product_group={},
        curves=curves,
    )


RECOMART_RESULT = build_result("als", 0.3, {64: build_curve((1.0, 0.1), (2.0, 0.3))})


def test_compare_results_uses_fastest_length() -> None:
    # The other method reaches its final NDCG after six of its nine seconds.
    other = build_result("implicit", 0.2, {512: build_curve((3.0, 0.1), (6.0, 0.2), (9.0, 0.2))})
    shorter = {32: build_curve((0.5, 0.15), (0.6, 0.2)), 16: build_curve((0.1, 0.19))}
    comparison = compare_results(RECOMART_RESULT, RECOMART_RESULT.curves | shorter, other)
    assert comparison.ndcg_gain == pytest.approx(0.5)
    assert (comparison.seconds_to_equal_ndcg, comparison.factors_at_equal_ndcg) == (0.6, 32)
    assert comparison.training_seconds_share == pytest.approx(0.1)


def test_compare_results_without_equal_ndcg() -> None:
    comparison = compare_results(
        RECOMART_RESULT, RECOMART_RESULT.curves, build_result("implicit", 0.4, {64: build_curve((1.0, 0.4))})
    )
    assert comparison.ndcg_gain == pytest.approx(-0.25)
    assert (comparison.seconds_to_equal_ndcg, comparison.factors_at_equal_ndcg, comparison.training_seconds_share) == (
        None,
        None,
        None,
    )


def test_compare_results_with_zero_ndcg() -> None:
    assert compare_results(
        RECOMART_RESULT, RECOMART_RESULT.curves, build_result("implicit", 0.0, {64: build_curve((1.0, 0.0))})
    ).ndcg_gain == float("inf")
