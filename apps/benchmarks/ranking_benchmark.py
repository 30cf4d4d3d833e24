"""The benchmark of ranking quality: RecoMart's model and others on one split, each in a new process."""

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict

from apps.benchmarks.contenders import recomart_als
from apps.benchmarks.fresh_process import log_progress, run_in_fresh_process
from apps.benchmarks.optional_libraries import require_library
from apps.benchmarks.ranking_results import CurvePoint, RankingResult, SplitSource, SplitSummary, summarize_split
from models_ml.config import TrainConfig
from warehouse.errors import RecomartError

LIBRARIES = ("implicit",)
"""Libraries that RecoMart's model can be compared with."""


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
    """`seconds_to_equal_ndcg` as a share of the other method's training seconds."""


class RankingBenchmarkResult(BaseModel):
    """The split, the results of all methods, and the comparisons with the libraries."""

    model_config = ConfigDict(frozen=True)

    split: SplitSummary
    results: list[RankingResult]
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

    With `ablate`, also evaluate RecoMart's model without content, without trends and without both.

    Raises:
        RecomartError: A process was killed, or a library is unknown or not installed.
        ModelError: The split is unusable.
    """
    libraries = {library: _load_library(library) for library in library_names}
    split = run_in_fresh_process(summarize_split, split_source, config)
    log_progress(f"validation: {split.origin}")
    recomart_result = run_in_fresh_process(recomart_als.evaluate_als, split_source, config, tune_seconds)
    results = [recomart_result, *run_in_fresh_process(recomart_als.evaluate_baselines, split_source, config)]
    if ablate:
        results += run_in_fresh_process(
            recomart_als.evaluate_ablations, split_source, TrainConfig.model_validate(recomart_result.config["train"])
        )
    curves = recomart_result.curves | (
        run_in_fresh_process(recomart_als.evaluate_shorter_vectors, split_source, recomart_result)
        if library_names
        else {}
    )
    results += [run_in_fresh_process(evaluate_library, split_source, config) for evaluate_library in libraries.values()]
    comparisons = [
        compare_results(recomart_result, curves, result) for result in results if result.method in library_names
    ]
    return RankingBenchmarkResult(split=split, results=results, comparisons=comparisons)


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
        training_seconds_share=seconds / other_seconds if seconds is not None and other_seconds else None,
    )


def _find_first_reaching(curves: dict[int, list[CurvePoint]], ndcg: float) -> tuple[float | None, int | None]:
    """Return the fewest seconds until a curve reaches `ndcg`, and the factor length of that curve."""
    points = ((point.seconds, factors) for factors, curve in curves.items() for point in curve if point.ndcg >= ndcg)
    return min(points, default=(None, None))
