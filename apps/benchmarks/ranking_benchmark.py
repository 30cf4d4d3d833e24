"""The benchmark of rankings: our model and others on one split, each in a process of its own."""

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict

from apps.benchmarks.contenders import recomart_als
from apps.benchmarks.fresh_process import run_in_fresh_process
from apps.benchmarks.optional_libraries import require_library
from apps.benchmarks.ranking_results import CurvePoint, RankingResult, SplitSource
from models_ml.config import TrainConfig
from warehouse.errors import RecomartError

LIBRARIES = ("implicit",)
"""What our model can be compared with."""


class RankingComparison(BaseModel):
    """Our model beside another one."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    method: str
    ndcg_gain: float
    """How much higher our NDCG is, as a share of the other's; infinite when that is zero."""

    seconds_to_equal_ndcg: float | None
    """Training that our model needs for the other's NDCG, with vectors of the quickest length; None when none gets
    there."""

    factors_at_equal_ndcg: int | None
    """That length."""

    training_seconds_share: float | None
    """That, as a share of the training that the other needs."""


class RankingBenchmarkResult(BaseModel):
    """Everybody's figures."""

    model_config = ConfigDict(frozen=True)

    results: list[RankingResult]
    comparisons: list[RankingComparison]


def run_ranking_benchmark(
    files: SplitSource, config: TrainConfig, tune_seconds: float, library_names: Sequence[str], *, ablate: bool = False
) -> RankingBenchmarkResult:
    """Measure our model, the baselines, and the libraries named in `against`; progress goes to standard error.

    With `ablate`, our model without content, without trends and without both stands in the table as well.

    Raises:
        RecomartError: A process was killed, or there is no such library, or it is not installed.
        ModelError: The split cannot be used.
    """
    libraries = {library: _load_library(library) for library in library_names}
    ours = run_in_fresh_process(recomart_als.measure_als, files, config, tune_seconds)
    found = [ours, *run_in_fresh_process(recomart_als.measure_baselines, files, config)]
    if ablate:
        found += run_in_fresh_process(
            recomart_als.measure_ablations, files, TrainConfig.model_validate(ours.config["train"])
        )
    curves = ours.curves | (
        run_in_fresh_process(recomart_als.measure_shorter_vectors, files, ours) if library_names else {}
    )
    found += [run_in_fresh_process(figures, files, config) for figures in libraries.values()]
    comparisons = [compare_results(ours, curves, figures) for figures in found if figures.method in library_names]
    return RankingBenchmarkResult(results=found, comparisons=comparisons)


def _load_library(name: str) -> Callable[[SplitSource, TrainConfig], RankingResult]:
    if name not in LIBRARIES:
        raise RecomartError(f"--against {name}: there is no such library; choose {', '.join(LIBRARIES)}")
    require_library(name)
    from apps.benchmarks.contenders import implicit_als

    return implicit_als.measure_implicit


def compare_results(
    ours: RankingResult, curves: dict[int, list[CurvePoint]], other: RankingResult
) -> RankingComparison:
    """Return how we stand beside another; `curves` are ours by the length of the vectors."""
    reached, factors = _find_first_reaching(curves, other.ndcg)
    its_seconds, _ = _find_first_reaching(other.curves, other.ndcg)
    return RankingComparison(
        method=other.method,
        ndcg_gain=ours.ndcg / other.ndcg - 1 if other.ndcg else float("inf"),
        seconds_to_equal_ndcg=reached,
        factors_at_equal_ndcg=factors,
        training_seconds_share=reached / its_seconds if reached is not None and its_seconds else None,
    )


def _find_first_reaching(curves: dict[int, list[CurvePoint]], ndcg: float) -> tuple[float | None, int | None]:
    """Return the seconds after which one of the curves is at `ndcg` first, and which one."""
    points = ((point.seconds, factors) for factors, curve in curves.items() for point in curve if point.ndcg >= ndcg)
    return min(points, default=(None, None))
