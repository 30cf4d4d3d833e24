"""The benchmark of rankings: our model and others on one split, each in a process of its own."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from models_ml.config import TrainConfig
from orchestration.bench.contenders import implicit_als, our_als
from orchestration.bench.fresh_process import in_fresh_process
from orchestration.bench.ranking_figures import CurvePoint, RankingFigures, SplitFiles
from warehouse.errors import RecomartError

LIBRARIES = {"implicit": implicit_als.figures}
"""What our model can be compared with."""


class Comparison(BaseModel):
    """Our model beside another one."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    against: str
    ndcg_gain: float
    """How much higher our NDCG is, as a share of the other's."""

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
        RecomartError: A process was killed, or there is no such library.
        ModelError: The split cannot be used.
    """
    for library in against:
        if library not in LIBRARIES:
            raise RecomartError(f"--against {library}: there is no such library; choose {', '.join(LIBRARIES)}")
    ours = in_fresh_process(our_als.figures, files, config, tune_seconds)
    found = [ours, *in_fresh_process(our_als.baseline_figures, files, config)]
    if ablate:
        found += in_fresh_process(our_als.ablation_figures, files, TrainConfig.model_validate(ours.config["train"]))
    curves = ours.curves | (in_fresh_process(our_als.shorter_curves, files, ours) if against else {})
    for library in against:
        found.append(in_fresh_process(LIBRARIES[library], files, config))
    comparisons = [_compare(ours, curves, figures) for figures in found if figures.method in against]
    return RankingBench(figures=found, comparisons=comparisons)


def _compare(ours: RankingFigures, curves: dict[int, list[CurvePoint]], other: RankingFigures) -> Comparison:
    reaching = (
        (point.seconds, factors) for factors, curve in curves.items() for point in curve if point.ndcg >= other.ndcg
    )
    reached, factors = min(reaching, default=(None, None))
    its_seconds = other.fit_seconds
    return Comparison(
        against=other.method,
        ndcg_gain=ours.ndcg / other.ndcg - 1,
        seconds_to_its_ndcg=reached,
        factors_to_its_ndcg=factors,
        share_of_its_seconds=reached / its_seconds if reached is not None and its_seconds else None,
    )
