"""The benchmark of ranking quality: RecoMart's model and others on one split, each in a new process."""

from collections.abc import Callable, Sequence
from math import inf

from pydantic import BaseModel, ConfigDict

from apps.benchmarks.contenders import recomart_als
from apps.benchmarks.fresh_process import log_progress, run_in_fresh_process
from apps.benchmarks.optional_libraries import require_library
from apps.benchmarks.ranking_differences import NdcgDifference, compute_differences
from apps.benchmarks.ranking_results import CurvePoint, RankingResult, SplitSource, SplitSummary, summarize_split
from apps.benchmarks.targets import Target
from models_ml.config import TrainConfig
from warehouse.errors import RecomartError

LIBRARIES = ("implicit",)
"""Libraries that RecoMart's model can be compared with."""

DEFAULT_METHOD = "als, default settings"
"""Method name of RecoMart's model with the default settings, when `als` is tuned."""

MIN_NDCG_VERSUS_LIBRARY = 1.03
MIN_NDCG_VERSUS_BASELINES = 1.02
MIN_DEFAULT_NDCG = 0.98
MAX_TRAINING_SECONDS_SHARE = 0.3


class RankingComparison(BaseModel):
    """RecoMart's model compared with another method."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    method: str
    ndcg_gain: float
    """Relative gain in NDCG over the other method; infinite when the other NDCG is zero."""

    seconds_to_equal_ndcg: float | None
    """Training seconds until RecoMart's model reaches the NDCG of the other method, at the fastest factor length; None
    when no length reaches it."""

    factors_at_equal_ndcg: int | None
    """Factor length of `seconds_to_equal_ndcg`."""

    training_seconds_share: float | None
    """`seconds_to_equal_ndcg` as a share of the other method's training seconds; infinite when RecoMart's model does
    not reach the NDCG, None without a curve of the other method."""


class RankingBenchmarkResult(BaseModel):
    """The split, the results of all methods, and the comparisons with the libraries."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    split: SplitSummary
    results: list[RankingResult]
    """RecoMart's tuned model first."""

    differences: list[NdcgDifference]
    """Between RecoMart's tuned model and each other method."""

    targets: list[Target]
    comparisons: list[RankingComparison]


def run_ranking_benchmark(
    split_source: SplitSource,
    config: TrainConfig,
    tune_seconds: float,
    library_names: Sequence[str],
    *,
    ablate: bool = False,
) -> RankingBenchmarkResult:
    """Evaluate RecoMart's model, the baselines and the named libraries; progress goes to standard error.

    With a search for settings, also evaluate RecoMart's model with the default settings. With `ablate`, also evaluate
    it without each of its parts.

    Raises:
        RecomartError: A process was killed, or a library is unknown or not installed.
        ModelError: The split is unusable.
    """
    libraries = {library: _load_library(library) for library in library_names}
    split = run_in_fresh_process(summarize_split, split_source, config)
    log_progress(f"validation: {split.origin}")
    recomart_result = run_in_fresh_process(recomart_als.evaluate_als, split_source, config, tune_seconds)
    baselines = run_in_fresh_process(recomart_als.evaluate_baselines, split_source, config)
    results = [recomart_result, *baselines]
    default_result = None
    if tune_seconds > 0:
        default_result = run_in_fresh_process(recomart_als.evaluate_als, split_source, config, 0).model_copy(
            update={"method": DEFAULT_METHOD}
        )
        results.append(default_result)
    if ablate:
        results += run_in_fresh_process(recomart_als.evaluate_ablations, split_source, recomart_result)
    curves = recomart_result.curves | (
        run_in_fresh_process(recomart_als.evaluate_shorter_vectors, split_source, recomart_result)
        if library_names
        else {}
    )
    results += [run_in_fresh_process(evaluate_library, split_source, config) for evaluate_library in libraries.values()]
    comparisons = [
        compare_results(recomart_result, curves, result) for result in results if result.method in library_names
    ]
    return RankingBenchmarkResult(
        split=split,
        results=results,
        differences=compute_differences(results, config),
        comparisons=comparisons,
        targets=evaluate_targets(recomart_result, baselines, default_result, comparisons),
    )


def evaluate_targets(
    recomart_result: RankingResult,
    baselines: Sequence[RankingResult],
    default_result: RankingResult | None,
    comparisons: Sequence[RankingComparison],
) -> list[Target]:
    """Compare RecoMart's NDCG and training seconds with the targets; without a library, two are not measured."""
    best = max(baselines, key=lambda result: result.ndcg)
    library = comparisons[0] if comparisons else None
    name = library.method if library else LIBRARIES[0]
    return [
        Target.evaluate(
            f"NDCG relative to {name}", 1 + library.ndcg_gain if library else None, min_value=MIN_NDCG_VERSUS_LIBRARY
        ),
        Target.evaluate(
            f"NDCG relative to the best baseline ({best.method})",
            recomart_result.ndcg / best.ndcg if best.ndcg else None,
            min_value=MIN_NDCG_VERSUS_BASELINES,
        ),
        Target.evaluate(
            "NDCG of the default settings, relative to tuned",
            default_result.ndcg / recomart_result.ndcg if default_result and recomart_result.ndcg else None,
            min_value=MIN_DEFAULT_NDCG,
        ),
        Target.evaluate(
            f"share of {name}'s seconds to its best NDCG",
            library.training_seconds_share if library else None,
            MAX_TRAINING_SECONDS_SHARE,
        ),
    ]


def _load_library(name: str) -> Callable[[SplitSource, TrainConfig], RankingResult]:
    if name not in LIBRARIES:
        raise RecomartError(f"unknown library: --against {name}. Choose from {', '.join(LIBRARIES)}")
    require_library(name)
    from apps.benchmarks.contenders import implicit_als

    return implicit_als.evaluate_implicit


def compare_results(
    recomart_result: RankingResult, curves: dict[int, list[CurvePoint]], other: RankingResult
) -> RankingComparison:
    """Compare RecoMart's result with another one; `curves` are RecoMart's, by factor length."""
    seconds, factors = _find_first_reaching(curves, other.ndcg)
    other_seconds, _ = _find_first_reaching(other.curves, other.ndcg)
    return RankingComparison(
        method=other.method,
        ndcg_gain=recomart_result.ndcg / other.ndcg - 1 if other.ndcg else float("inf"),
        seconds_to_equal_ndcg=seconds,
        factors_at_equal_ndcg=factors,
        training_seconds_share=(inf if seconds is None else seconds / other_seconds) if other_seconds else None,
    )


def _find_first_reaching(curves: dict[int, list[CurvePoint]], ndcg: float) -> tuple[float | None, int | None]:
    """Return the fewest seconds until a curve reaches `ndcg`, and the factor length of that curve."""
    points = ((point.seconds, factors) for factors, curve in curves.items() for point in curve if point.ndcg >= ndcg)
    return min(points, default=(None, None))
