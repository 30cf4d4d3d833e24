"""The benchmark of rankings: our model and others on one split, each in a process of its own."""

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict

from apps.benchmarks.contenders import our_als
from apps.benchmarks.extra import require
from apps.benchmarks.fresh_process import in_fresh_process
from apps.benchmarks.ranking_figures import CurvePoint, RankingFigures, SplitFiles
from models_ml.config import TrainConfig
from warehouse.errors import RecomartError

LIBRARIES = ("implicit",)
"""What our model can be compared with."""


class Comparison(BaseModel):
    """Our model beside another one."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    against: str
    ndcg_gain: float
    """How much higher our NDCG is, as a share of the other's; infinite when that is zero."""

    seconds_to_its_ndcg: float | None
    """Training that our model needs for the other's NDCG, with vectors of the quickest length; None when none gets
    there."""

    factors_to_its_ndcg: int | None
    """That length."""

    share_of_its_seconds: float | None
    """That, as a share of the training that the other needs."""


class RankingBench(BaseModel):
    """Everybody's figures."""

    model_config = ConfigDict(frozen=True)

    figures: list[RankingFigures]
    comparisons: list[Comparison]


def bench_ranking(
    files: SplitFiles, config: TrainConfig, tune_seconds: float, against: Sequence[str], *, ablate: bool = False
) -> RankingBench:
    """Measure our model, the baselines, and the libraries named in `against`; progress goes to standard error.

    With `ablate`, our model without content, without trends and without both stands in the table as well.

    Raises:
        RecomartError: A process was killed, or there is no such library, or it is not installed.
        ModelError: The split cannot be used.
    """
    libraries = {library: _library(library) for library in against}
    ours = in_fresh_process(our_als.figures, files, config, tune_seconds)
    found = [ours, *in_fresh_process(our_als.baseline_figures, files, config)]
    if ablate:
        found += in_fresh_process(our_als.ablation_figures, files, TrainConfig.model_validate(ours.config["train"]))
    curves = ours.curves | (in_fresh_process(our_als.shorter_curves, files, ours) if against else {})
    found += [in_fresh_process(figures, files, config) for figures in libraries.values()]
    comparisons = [compare(ours, curves, figures) for figures in found if figures.method in against]
    return RankingBench(figures=found, comparisons=comparisons)


def _library(name: str) -> Callable[[SplitFiles, TrainConfig], RankingFigures]:
    if name not in LIBRARIES:
        raise RecomartError(f"--against {name}: there is no such library; choose {', '.join(LIBRARIES)}")
    require(name)
    from apps.benchmarks.contenders import implicit_als

    return implicit_als.figures


def compare(ours: RankingFigures, curves: dict[int, list[CurvePoint]], other: RankingFigures) -> Comparison:
    """Return how we stand beside another; `curves` are ours by the length of the vectors."""
    reached, factors = _first(curves, other.ndcg)
    its_seconds, _ = _first(other.curves, other.ndcg)
    return Comparison(
        against=other.method,
        ndcg_gain=ours.ndcg / other.ndcg - 1 if other.ndcg else float("inf"),
        seconds_to_its_ndcg=reached,
        factors_to_its_ndcg=factors,
        share_of_its_seconds=reached / its_seconds if reached is not None and its_seconds else None,
    )


def _first(curves: dict[int, list[CurvePoint]], ndcg: float) -> tuple[float | None, int | None]:
    """Return the seconds after which one of the curves is at `ndcg` first, and which one."""
    points = ((point.seconds, factors) for factors, curve in curves.items() for point in curve if point.ndcg >= ndcg)
    return min(points, default=(None, None))
