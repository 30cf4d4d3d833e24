"""Summary of the ranking benchmark over several data sets."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from pydantic import BaseModel, ConfigDict, ValidationError

from apps.benchmarks.ranking_benchmark import (
    DEFAULT_METHOD,
    MAX_TRAINING_SECONDS_SHARE,
    MIN_DEFAULT_NDCG,
    MIN_NDCG_VERSUS_BASELINES,
    MIN_NDCG_VERSUS_LIBRARY,
    RankingBenchmarkResult,
    TargetValues,
    compute_target_values,
)
from apps.benchmarks.ranking_differences import NdcgDifference
from apps.benchmarks.ranking_results import LIBRARY, MODEL_ABLATION_PREFIX
from apps.benchmarks.targets import Target
from models_ml.tuning_results import SearchProgress
from warehouse.errors import RecomartError
from warehouse.validation_messages import describe_validation_error

SEARCH_SECONDS = (60, 120, 300)
"""Times of a search at which the summary has the share of the final validation NDCG."""

EARLY_SEARCH_SECONDS = 120
"""Time of the target for the search's progress, one of `SEARCH_SECONDS`."""

MIN_SEARCH_SECONDS = 600
"""Duration of a search from which on the target for its progress holds."""

MIN_MEAN_NDCG_VERSUS_LIBRARY = 1.2
MIN_EARLY_NDCG_SHARE = 0.99


class SearchSummary(BaseModel):
    """Progress of a search for settings, relative to its result."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    trials_per_minute: float
    ndcg_shares: dict[int, float]
    """Best validation NDCG as a share of the final one, by seconds; only for times before the end of the search."""

    has_min_seconds: bool
    """Whether the search lasted at least `MIN_SEARCH_SECONDS`."""


class DatasetSummary(BaseModel):
    """Results on one data set."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    user_count: int
    tuned_ndcg: float
    default_ndcg: float | None
    """None without a search: the default settings are then those of `tuned_ndcg`."""

    library_ndcg: float | None
    baseline_ndcg: float
    """NDCG of the best baseline."""

    library_difference: NdcgDifference | None
    baseline_difference: NdcgDifference
    target_values: TargetValues
    search: SearchSummary | None
    """None without a search."""

    ablation_ndcgs: dict[str, float | None]
    """NDCG without each part of the model, relative to the tuned model, by method; None when that is zero."""


class RankingSummary(BaseModel):
    """Results on all data sets, and the targets over them."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    k: int
    datasets: list[DatasetSummary]
    targets: list[Target]


def read_result(file: Path) -> RankingBenchmarkResult:
    """Read a result that `recomart bench ranking --json` wrote.

    Raises:
        RecomartError: The file is not such a result.
        OSError: The file cannot be read.
    """
    try:
        return RankingBenchmarkResult.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise RecomartError(
            f"reading a result failed: {file}: it is not a result of the ranking benchmark "
            f"({describe_validation_error(error)}). Give a file of `recomart bench ranking --json`"
        ) from error


def summarize_results(files: Sequence[Path]) -> RankingSummary:
    """Read the results of the ranking benchmark, one file per data set, and return their summary.

    The name of a data set is the file's name without its ending.

    Raises:
        RecomartError: A file is not such a result, or from another K than the first, or two files have the same name.
        OSError: A file cannot be read.
    """
    results: dict[str, RankingBenchmarkResult] = {}
    k = read_result(files[0]).results[0].k
    for file in files:
        if file.stem in results:
            raise RecomartError(f"summary failed: {file}: another file has the name {file.stem}. Rename one of them")
        result = results[file.stem] = read_result(file)
        if (other_k := result.results[0].k) != k:
            raise RecomartError(
                f"summary failed: {file}: its lists have {other_k} products, those of {files[0]} {k}. Give results of "
                "one K"
            )
    datasets = [_summarize_dataset(name, result) for name, result in results.items()]
    return RankingSummary(k=k, datasets=datasets, targets=evaluate_summary_targets(datasets))


def evaluate_summary_targets(datasets: Sequence[DatasetSummary]) -> list[Target]:
    """Compare the values of all data sets with the targets; a data set without a value is left out of that target."""
    values = [dataset.target_values for dataset in datasets]
    searches = [dataset.search for dataset in datasets if dataset.search and dataset.search.has_min_seconds]
    versus_library = _drop_missing(value.ndcg_versus_library for value in values)
    versus_baselines = _drop_missing(value.ndcg_versus_baselines for value in values)
    default_ndcgs = _drop_missing(value.default_ndcg_versus_tuned for value in values)
    seconds_shares = _drop_missing(value.training_seconds_share for value in values)
    early_shares = _drop_missing(search.ndcg_shares.get(EARLY_SEARCH_SECONDS) for search in searches)
    return [
        Target.evaluate(
            f"mean NDCG relative to {LIBRARY}",
            fmean(versus_library) if versus_library else None,
            min_value=MIN_MEAN_NDCG_VERSUS_LIBRARY,
        ),
        Target.evaluate(
            f"lowest NDCG relative to {LIBRARY}", min(versus_library, default=None), min_value=MIN_NDCG_VERSUS_LIBRARY
        ),
        Target.evaluate(
            "lowest NDCG relative to the best baseline",
            min(versus_baselines, default=None),
            min_value=MIN_NDCG_VERSUS_BASELINES,
        ),
        Target.evaluate(
            "lowest NDCG of the default settings, relative to tuned",
            min(default_ndcgs, default=None),
            min_value=MIN_DEFAULT_NDCG,
        ),
        Target.evaluate(
            f"largest share of {LIBRARY}'s seconds to its best NDCG",
            max(seconds_shares, default=None),
            MAX_TRAINING_SECONDS_SHARE,
        ),
        Target.evaluate(
            f"lowest share of the final validation NDCG after {EARLY_SEARCH_SECONDS} s",
            min(early_shares, default=None),
            min_value=MIN_EARLY_NDCG_SHARE,
        ),
    ]


def _summarize_dataset(name: str, result: RankingBenchmarkResult) -> DatasetSummary:
    recomart_result, *others = result.results
    values = compute_target_values(result.results, result.comparisons)
    ndcgs = {other.method: other.ndcg for other in others}
    differences = {difference.method: difference for difference in result.differences}
    return DatasetSummary(
        name=name,
        user_count=recomart_result.user_count,
        tuned_ndcg=recomart_result.ndcg,
        default_ndcg=ndcgs.get(DEFAULT_METHOD),
        library_ndcg=ndcgs.get(LIBRARY),
        baseline_ndcg=ndcgs[values.best_baseline],
        library_difference=differences.get(LIBRARY),
        baseline_difference=differences[values.best_baseline],
        target_values=values,
        search=_summarize_search(recomart_result.search) if recomart_result.search else None,
        ablation_ndcgs={
            method: ndcg / recomart_result.ndcg if recomart_result.ndcg else None
            for method, ndcg in ndcgs.items()
            if method.startswith(MODEL_ABLATION_PREFIX)
        },
    )


def _summarize_search(progress: SearchProgress) -> SearchSummary:
    ndcgs = {seconds: progress.ndcg_by_seconds.get(seconds) for seconds in SEARCH_SECONDS if seconds < progress.seconds}
    return SearchSummary(
        trials_per_minute=progress.trials_per_minute,
        ndcg_shares={seconds: (ndcg or 0.0) / progress.ndcg for seconds, ndcg in ndcgs.items()}
        if progress.ndcg
        else {},
        has_min_seconds=progress.seconds >= MIN_SEARCH_SECONDS,
    )


def _drop_missing(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
