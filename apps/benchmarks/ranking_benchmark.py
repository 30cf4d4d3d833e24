"""The benchmark of ranking quality: RecoMart's model and others on one split, each in a new process."""

from collections.abc import Sequence
from math import inf

from pydantic import BaseModel, ConfigDict

from apps.benchmarks.contenders import recomart_als
from apps.benchmarks.fresh_process import log_progress, run_in_fresh_process
from apps.benchmarks.optional_libraries import require_library
from apps.benchmarks.ranking_differences import NdcgDifference, compute_differences
from apps.benchmarks.ranking_results import (
    LIBRARY,
    MODEL_ABLATION_PREFIX,
    CurvePoint,
    RankingResult,
    SplitSource,
    SplitSummary,
    summarize_split,
)
from apps.benchmarks.targets import Target
from models_ml.config import TrainConfig
from models_ml.evaluation.report import MODEL_METHOD
from warehouse.errors import RecomartError

DEFAULT_METHOD = f"{MODEL_METHOD}, default settings"
"""Method name of RecoMart's model with the default settings, when that of `MODEL_METHOD` is tuned."""

MIN_NDCG_VERSUS_LIBRARY = 1.03
MIN_NDCG_VERSUS_BASELINES = 1.02
MIN_DEFAULT_NDCG = 0.98
MAX_TRAINING_SECONDS_SHARE = 0.3


class RankingComparison(BaseModel):
    """RecoMart's model compared with another method."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    method: str
    ndcg_gain: float | None
    """Relative gain in NDCG over the other method; None when the other NDCG is zero."""

    seconds_to_equal_ndcg: float | None
    """Training seconds until RecoMart's model reaches the NDCG of the other method, at the fastest factor length; None
    when no length reaches it."""

    factors_at_equal_ndcg: int | None
    """Factor length of `seconds_to_equal_ndcg`."""

    training_seconds_share: float | None
    """`seconds_to_equal_ndcg` as a share of the other method's training seconds; None when one of them is missing."""


class TargetValues(BaseModel):
    """The values that the targets limit, each None when it was not measured."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    best_baseline: str
    """Method with the best NDCG of the baselines."""

    ndcg_versus_library: float | None
    """NDCG of RecoMart's tuned model, relative to the library."""

    ndcg_versus_baselines: float | None
    """NDCG of RecoMart's tuned model, relative to the best baseline."""

    default_ndcg_versus_tuned: float | None
    """NDCG of the default settings, relative to the tuned ones."""

    training_seconds_share: float | None
    """Share of the library's training seconds until RecoMart's model has the library's NDCG; infinite when it does not
    reach it."""


class RankingBenchmarkResult(BaseModel):
    """The split, the results of all methods, and the comparison with the library."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    split: SplitSummary
    results: list[RankingResult]
    """RecoMart's tuned model first."""

    differences: list[NdcgDifference]
    """Between RecoMart's tuned model and each other method."""

    targets: list[Target]
    comparisons: list[RankingComparison]
    """With the library; empty without one."""


def run_ranking_benchmark(
    split_source: SplitSource,
    config: TrainConfig,
    tune_seconds: float,
    library_names: Sequence[str],
    *,
    ablate: bool = False,
) -> RankingBenchmarkResult:
    """Evaluate RecoMart's model, the baselines and the library; progress goes to standard error.

    `library_names` is empty or has the library's name. With a search for settings, also evaluate RecoMart's model with
    the default settings. With `ablate`, also evaluate it without each of its parts.

    Raises:
        RecomartError: A process was killed, or the library is unknown or not installed.
        ModelError: The split is unusable.
    """
    for name in library_names:
        if name != LIBRARY:
            raise RecomartError(f"unknown library: --against {name}. Choose from {LIBRARY}")
        require_library(LIBRARY)
    split = run_in_fresh_process(summarize_split, split_source, config)
    log_progress(f"validation: {split.origin}")
    recomart_result = run_in_fresh_process(recomart_als.evaluate_als, split_source, config, tune_seconds)
    baselines = run_in_fresh_process(recomart_als.evaluate_baselines, split_source, config)
    results = [recomart_result, *baselines]
    if tune_seconds > 0:
        default_result = run_in_fresh_process(recomart_als.evaluate_als, split_source, config, 0)
        results.append(default_result.model_copy(update={"method": DEFAULT_METHOD}))
    if ablate:
        results += run_in_fresh_process(recomart_als.evaluate_ablations, split_source, recomart_result)
    comparisons = []
    if library_names:
        # The module imports implicit, an optional library.
        from apps.benchmarks.contenders.implicit_als import evaluate_implicit

        shorter_curves = run_in_fresh_process(recomart_als.evaluate_shorter_vectors, split_source, recomart_result)
        results.append(run_in_fresh_process(evaluate_implicit, split_source, config))
        comparisons.append(compare_results(recomart_result, recomart_result.curves | shorter_curves, results[-1]))
    return RankingBenchmarkResult(
        split=split,
        results=results,
        differences=compute_differences(results, config),
        comparisons=comparisons,
        targets=evaluate_targets(compute_target_values(results, comparisons)),
    )


def compute_target_values(results: Sequence[RankingResult], comparisons: Sequence[RankingComparison]) -> TargetValues:
    """Return the values that the targets limit; the first of `results` is that of RecoMart's tuned model."""
    recomart_result, *others = results
    best = max(filter(_is_baseline, others), key=lambda result: result.ndcg)
    default = next((result for result in others if result.method == DEFAULT_METHOD), None)
    library = comparisons[0] if comparisons else None
    return TargetValues(
        best_baseline=best.method,
        ndcg_versus_library=1 + library.ndcg_gain if library and library.ndcg_gain is not None else None,
        ndcg_versus_baselines=recomart_result.ndcg / best.ndcg if best.ndcg else None,
        default_ndcg_versus_tuned=default.ndcg / recomart_result.ndcg if default and recomart_result.ndcg else None,
        training_seconds_share=_get_limited_share(library) if library else None,
    )


def evaluate_targets(values: TargetValues) -> list[Target]:
    """Compare RecoMart's NDCG and training seconds with the targets."""
    return [
        Target.evaluate(f"NDCG relative to {LIBRARY}", values.ndcg_versus_library, min_value=MIN_NDCG_VERSUS_LIBRARY),
        Target.evaluate(
            f"NDCG relative to the best baseline ({values.best_baseline})",
            values.ndcg_versus_baselines,
            min_value=MIN_NDCG_VERSUS_BASELINES,
        ),
        Target.evaluate(
            "NDCG of the default settings, relative to tuned",
            values.default_ndcg_versus_tuned,
            min_value=MIN_DEFAULT_NDCG,
        ),
        Target.evaluate(
            f"share of {LIBRARY}'s seconds to its best NDCG", values.training_seconds_share, MAX_TRAINING_SECONDS_SHARE
        ),
    ]


def _is_baseline(result: RankingResult) -> bool:
    is_recomart = result.method == DEFAULT_METHOD or result.method.startswith(MODEL_ABLATION_PREFIX)
    return not is_recomart and result.method != LIBRARY


def _get_limited_share(library: RankingComparison) -> float | None:
    """Return the share of the library's training seconds; infinite when RecoMart's model does not reach its NDCG."""
    return inf if library.seconds_to_equal_ndcg is None else library.training_seconds_share


def compare_results(
    recomart_result: RankingResult, curves: dict[int, list[CurvePoint]], other: RankingResult
) -> RankingComparison:
    """Compare RecoMart's result with another one; `curves` are RecoMart's, by factor length."""
    other_curve = next(iter(other.curves.values()), [])
    # The curves have the NDCG of a sample of the customers.
    final_ndcg = other_curve[-1].ndcg if other_curve else other.ndcg
    seconds, factors = _find_first_reaching(curves, final_ndcg)
    other_seconds, _ = _find_first_reaching(other.curves, final_ndcg)
    return RankingComparison(
        method=other.method,
        ndcg_gain=recomart_result.ndcg / other.ndcg - 1 if other.ndcg else None,
        seconds_to_equal_ndcg=seconds,
        factors_at_equal_ndcg=factors,
        training_seconds_share=seconds / other_seconds if seconds is not None and other_seconds else None,
    )


def _find_first_reaching(curves: dict[int, list[CurvePoint]], ndcg: float) -> tuple[float | None, int | None]:
    """Return the fewest seconds until a curve reaches `ndcg`, and the factor length of that curve."""
    points = ((point.seconds, factors) for factors, curve in curves.items() for point in curve if point.ndcg >= ndcg)
    return min(points, default=(None, None))
