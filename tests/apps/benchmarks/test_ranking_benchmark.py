"""Comparisons, differences and targets of the ranking benchmark."""

from math import inf

import numpy as np
import pytest

from apps.benchmarks.ranking_benchmark import (
    RankingComparison,
    compare_results,
    compute_target_values,
    evaluate_targets,
)
from apps.benchmarks.ranking_differences import compute_differences
from apps.benchmarks.ranking_results import CurvePoint, RankingResult
from models_ml.config import TrainConfig


def build_curve(*points: tuple[float, float]) -> list[CurvePoint]:
    return [CurvePoint(seconds=seconds, ndcg=ndcg) for seconds, ndcg in points]


def build_result(
    method: str, ndcg: float, curves: dict[int, list[CurvePoint]], customer_ndcgs: list[float] | None = None
) -> RankingResult:
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
        customer_ndcgs=customer_ndcgs or [],
    )


RECOMART_RESULT = build_result("als", 0.3, {64: build_curve((1.0, 0.1), (2.0, 0.3))})
POPULARITY = build_result("popularity", 0.1, {})


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
    assert comparison.seconds_to_equal_ndcg is None
    assert comparison.factors_at_equal_ndcg is None
    assert comparison.training_seconds_share is None


def test_compare_results_with_zero_ndcg() -> None:
    other = build_result("implicit", 0.0, {64: build_curve((1.0, 0.0))})
    comparison = compare_results(RECOMART_RESULT, RECOMART_RESULT.curves, other)
    assert comparison.ndcg_gain is None
    assert compute_target_values([RECOMART_RESULT, POPULARITY, other], [comparison]).ndcg_versus_library is None


def test_target_values_without_equal_ndcg() -> None:
    """A model that never reaches the library's NDCG misses the target of training seconds, also from a file."""
    other = build_result("implicit", 0.4, {64: build_curve((1.0, 0.4))})
    comparison = compare_results(RECOMART_RESULT, RECOMART_RESULT.curves, other)
    assert RankingComparison.model_validate_json(comparison.model_dump_json()) == comparison
    values = compute_target_values([RECOMART_RESULT, POPULARITY, other], [comparison])
    assert values.training_seconds_share == inf
    assert values.ndcg_versus_library == pytest.approx(0.75)
    assert evaluate_targets(values)[-1].is_met is False


def test_compute_differences_has_paired_intervals() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(2000)
    values = {"als": base + 0.01 * rng.random(2000), "ease": base, "popularity": rng.permutation(base)}
    results = [build_result(name, float(ndcgs.mean()), {}, ndcgs.tolist()) for name, ndcgs in values.items()]
    close, distant = compute_differences(results, TrainConfig())
    assert (close.method, distant.method) == ("ease", "popularity")
    assert close.difference == pytest.approx(0.005, abs=2e-4)
    assert close.lower_bound == pytest.approx(close.difference, abs=2e-4)
    assert close.relative_difference == pytest.approx(close.difference / base.mean())
    assert close.relative_lower_bound == pytest.approx(close.lower_bound / base.mean(), rel=0.1)
    # The customers of the permuted method are not paired, so that its interval is that of two independent means.
    width = distant.upper_bound - distant.lower_bound
    assert width == pytest.approx(2 * 1.96 * base.std() * (2 / 2000) ** 0.5, rel=0.1)
    assert distant.lower_bound < 0 < distant.upper_bound


def test_compute_differences_with_zero_ndcg() -> None:
    als, other = build_result("als", 0.5, {}, [0.0, 1.0]), build_result("popularity", 0.0, {}, [0.0, 0.0])
    (difference,) = compute_differences([als, other], TrainConfig())
    assert difference.difference == 0.5
    assert (difference.relative_difference, difference.relative_lower_bound) == (None, None)


def test_customer_ndcgs_are_not_in_json() -> None:
    assert "customer_ndcgs" not in build_result("als", 0.5, {}, [0.5]).model_dump_json()


def test_evaluate_targets_compares_with_limits() -> None:
    results = [RECOMART_RESULT, POPULARITY, build_result("ease", 0.295, {})]
    default = build_result("als, default settings", 0.296, {})
    other = build_result("implicit", 0.25, {64: build_curve((8.0, 0.25))})
    comparison = compare_results(RECOMART_RESULT, RECOMART_RESULT.curves, other)
    ablation = build_result("als without neighbors", 0.299, {})
    values = compute_target_values([*results, default, ablation, other], [comparison])
    targets = evaluate_targets(values)
    assert [(target.name, target.is_met) for target in targets] == [
        ("NDCG relative to implicit", True),
        ("NDCG relative to the best baseline (ease)", False),
        ("NDCG of the default settings, relative to tuned", True),
        ("share of implicit's seconds to its best NDCG", True),
    ]
    values = compute_target_values(results, [])
    assert [target.is_met for target in evaluate_targets(values)] == [None, False, None, None]
