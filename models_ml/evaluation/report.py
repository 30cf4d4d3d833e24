"""Results of the evaluation of a run, as tables of the schema ml."""

import math
from collections.abc import Iterator, Mapping

import pyarrow as pa
import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.evaluation.baselines import RankingMethod
from models_ml.evaluation.bootstrap import bootstrap_mean_bounds
from models_ml.evaluation.exposure import measure_exposure
from models_ml.evaluation.metric_names import (
    ACCURACY_METRICS,
    CONCENTRATION_METRICS,
    EXPOSURE_METRICS,
    REPORTED_METRICS,
)
from models_ml.evaluation.metrics import compute_accuracy, compute_concentration
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.segments import (
    OVERALL,
    PRODUCT_SEGMENTS,
    SEGMENTS,
    Segment,
    build_overall_segment,
    iter_segments,
    label_pairs,
)
from models_ml.evaluation.window import EvaluationWindow

MODEL_METHOD = "als"
"""Method name of the model; all other methods are compared with it."""

ABLATION_PREFIX = "without "
"""Beginning of the method name of a model without a declared feature, followed by the feature."""

_TEXT, _NUMBER = pa.string(), pa.float64()
_RUN_COLUMNS = {"run_id": _TEXT, "cutoff": _TEXT}
_KEY_COLUMNS = {**_RUN_COLUMNS, "method": _TEXT, "segment": _TEXT, "segment_value": _TEXT}

METRICS_SCHEMA = pa.schema(
    {
        **_KEY_COLUMNS,
        "k": pa.int32(),
        "users": pa.int64(),
        **dict.fromkeys(REPORTED_METRICS, _NUMBER),
    }
)
DIFFERENCES_SCHEMA = pa.schema(
    {
        **_KEY_COLUMNS,
        "metric": _TEXT,
        "k": pa.int32(),
        "users": pa.int64(),
        "difference": _NUMBER,
        "lower_bound": _NUMBER,
        "upper_bound": _NUMBER,
    }
)
PAIRS_SCHEMA = pa.schema({**_RUN_COLUMNS, **dict.fromkeys(("user_id", "product_id", *SEGMENTS), _TEXT)})
CANDIDATES_SCHEMA = pa.schema(
    {
        **_RUN_COLUMNS,
        "method": _TEXT,
        "user_id": _TEXT,
        "product_id": _TEXT,
        "rank": pa.int32(),
        "score": _NUMBER,
    }
)

MetricRow = dict[str, str | int | float]
"""A row of ml.ranking_metrics or ml.metric_differences; absent columns are null."""


class EvaluationReport:
    """Evaluates the model and the baselines of a run, and collects the results."""

    def __init__(self, run_id: str, dataset: Dataset, config: TrainConfig) -> None:
        """Create an empty report on the windows of `dataset`."""
        self.run_id, self.dataset, self.config = run_id, dataset, config
        self.skip_reasons: dict[str, str] = {}
        """Reasons by window or baseline that was not evaluated."""
        self._metrics: list[MetricRow] = []
        self._differences: list[MetricRow] = []
        self._pairs: list[pa.Table] = []
        self._candidates: list[pa.Table] = []

    @property
    def overall_metrics(self) -> list[MetricRow]:
        """Rows of ml.ranking_metrics over all known customers and products."""
        return [row for row in self._metrics if row["segment"] == OVERALL]

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The results as tables of the schema ml, by name."""
        window_tables = {
            "evaluation_pairs": (PAIRS_SCHEMA, self._pairs),
            "evaluation_candidates": (CANDIDATES_SCHEMA, self._candidates),
        }
        return {
            "ranking_metrics": pa.Table.from_pylist(self._metrics, METRICS_SCHEMA),
            "metric_differences": pa.Table.from_pylist(self._differences, DIFFERENCES_SCHEMA),
            **{
                name: pa.concat_tables([schema.empty_table(), *tables])
                for name, (schema, tables) in window_tables.items()
            },
        }

    def build_window(self, cutoff: str, max_users: int) -> EvaluationWindow | None:
        """Return the window at `cutoff`, or None after adding the reason to `skip_reasons`."""
        window = EvaluationWindow.from_dataset(self.dataset, cutoff, max_users)
        if window is None:
            has_interactions = self.dataset.select_cutoff(cutoff).interactions.num_rows > 0
            self.skip_reasons[cutoff] = (
                "no customers with a history and new products" if has_interactions else "no interactions before it"
            )
        return window

    def add_overall(self, window: EvaluationWindow, ranking: Ranking) -> None:
        """Add the metrics of the model's `ranking` of known customers, over all of them."""
        lists = _build_method_lists(window, {MODEL_METHOD: ranking}, self.config)
        self._evaluate_segment(window, build_overall_segment(window), lists)

    def add(
        self,
        window: EvaluationWindow,
        ranking: Ranking,
        ablations: Mapping[str, Ranking],
        baselines: Mapping[str, RankingMethod],
    ) -> None:
        """Add the metrics of the model's `ranking` of all customers and of all `baselines`, in all segments.

        `ablations` are the rankings of the model without a declared feature, by the feature. Also adds differences with
        intervals, and the lists and relevant pairs, from which SQL computes accuracy again.
        """
        rankings = dict(self._iter_rankings(window, ranking, baselines))
        rankings |= {f"{ABLATION_PREFIX}{feature}": ablation for feature, ablation in ablations.items()}
        labels = label_pairs(window, self.config)
        method_lists = _build_method_lists(window, rankings, self.config)
        for segment in iter_segments(window, labels):
            self._compare(window, segment, self._evaluate_segment(window, segment, method_lists))
        run_columns = (pa.repeat(value, window.pairs.num_rows) for value in (self.run_id, window.cutoff))
        id_columns = (window.pairs[name].cast(pa.string()) for name in ("user_id", "product_id"))
        self._pairs.append(pa.table([*run_columns, *id_columns, *labels.columns], schema=PAIRS_SCHEMA))
        for method, method_ranking in rankings.items():
            self._candidates.append(window.build_candidate_table(self.run_id, method, method_ranking))

    def _iter_rankings(
        self, window: EvaluationWindow, model_ranking: Ranking, baselines: Mapping[str, RankingMethod]
    ) -> Iterator[tuple[str, Ranking]]:
        """Yield the name and ranking of the model and each baseline; failed baselines are added to `skip_reasons`."""
        yield MODEL_METHOD, model_ranking
        for name, method in baselines.items():
            try:
                yield name, method(window, self.config)
            except ModelError as error:
                # The oracle lacks factors for real data that was loaded in addition to the synthetic shop's.
                self.skip_reasons[name] = str(error)

    def _evaluate_segment(
        self, window: EvaluationWindow, segment: Segment, methods: "Mapping[str, _MethodLists]"
    ) -> dict[str, Tensor]:
        """Add the mean metrics of a segment.

        Returns the metrics of each customer by method, float64 of shape (customers, k_values, metrics).
        """
        relevant_counts = torch.bincount(
            window.customer_row_of_pair[segment.pair_mask], minlength=len(window.customer_ids)
        )
        rows = torch.nonzero(relevant_counts).flatten()
        values = {}
        for method, lists in methods.items():
            values[method] = lists.evaluate(segment, rows, relevant_counts[rows])
            means = values[method].mean(0).tolist()
            for k, means_at_k in zip(self.config.k_values, means, strict=True):
                row = self._build_key(window, segment, method) | {"k": k, "users": len(rows)}
                row |= {
                    metric: mean
                    for metric, mean in zip(_get_segment_metrics(segment), means_at_k, strict=True)
                    if not math.isnan(mean)
                }
                if segment.name not in PRODUCT_SEGMENTS:
                    concentration = compute_concentration(lists.positions[rows], len(window.catalog), k)
                    row |= dict(zip(CONCENTRATION_METRICS, concentration, strict=True))
                self._metrics.append(row)
        return values

    def _compare(self, window: EvaluationWindow, segment: Segment, values: dict[str, Tensor]) -> None:
        """Add the differences between the model and the baselines in a segment, with bootstrap intervals."""
        baselines = [method for method in values if method != MODEL_METHOD]
        differences = torch.stack([values[MODEL_METHOD] - values[method] for method in baselines], 1)
        user_count, *shape = differences.shape
        # Three temporary arrays per resample and user (sample, counts, weights) of 64-bit numbers.
        block_rows = self.config.compute_block_rows(6 * user_count)
        bounds = bootstrap_mean_bounds(
            differences.flatten(1), self.config.bootstrap_resamples, self.config.seed, block_rows
        )
        estimates = torch.stack([differences.mean(0), *bounds.reshape(2, *shape)], -1).tolist()
        for method, method_estimates in zip(baselines, estimates, strict=True):
            for k, estimates_at_k in zip(self.config.k_values, method_estimates, strict=True):
                for metric, (difference, lower, upper) in zip(
                    _get_segment_metrics(segment), estimates_at_k, strict=True
                ):
                    if math.isnan(difference):
                        continue
                    row = self._build_key(window, segment, method) | {"metric": metric, "k": k, "users": user_count}
                    row |= {"difference": difference, "lower_bound": lower, "upper_bound": upper}
                    self._differences.append(row)

    def _build_key(self, window: EvaluationWindow, segment: Segment, method: str) -> MetricRow:
        """Return the values of `_KEY_COLUMNS`."""
        run = {"run_id": self.run_id, "cutoff": window.cutoff, "method": method}
        return {**run, "segment": segment.name, "segment_value": segment.value}


class _MethodLists:
    """The lists of a method with their hits and exposure."""

    def __init__(self, window: EvaluationWindow, ranking: Ranking, exposure: Tensor, config: TrainConfig) -> None:
        self.positions, self.exposure, self.k_values = ranking.positions, exposure, config.k_values
        hit_pairs = window.find_hit_pairs(ranking)
        self.hit_rows, self.hit_ranks = torch.nonzero(hit_pairs >= 0, as_tuple=True)
        self.hit_pairs = hit_pairs[self.hit_rows, self.hit_ranks]

    def evaluate(self, segment: Segment, rows: Tensor, relevant_counts: Tensor) -> Tensor:
        """Return the metrics of a segment for the customers at `rows`, float64 of (customers, k_values, metrics).

        `relevant_counts` (customers) counts each customer's relevant pairs of the segment, at least one.
        """
        segment_row = torch.full((len(self.positions),), -1)
        segment_row[rows] = torch.arange(len(rows))
        is_in_segment = segment.pair_mask[self.hit_pairs]
        accuracy = compute_accuracy(
            segment_row[self.hit_rows[is_in_segment]], self.hit_ranks[is_in_segment], relevant_counts, self.k_values
        )
        return accuracy if segment.name in PRODUCT_SEGMENTS else torch.cat([accuracy, self.exposure[rows]], 2)


def _build_method_lists(
    window: EvaluationWindow, rankings: Mapping[str, Ranking], config: TrainConfig
) -> dict[str, _MethodLists]:
    exposure = measure_exposure(window, rankings, config)
    return {name: _MethodLists(window, ranking, exposure[name], config) for name, ranking in rankings.items()}


def _get_segment_metrics(segment: Segment) -> tuple[str, ...]:
    """Return the metrics of a segment; exposure describes whole lists, so product segments have accuracy only."""
    return ACCURACY_METRICS if segment.name in PRODUCT_SEGMENTS else (*ACCURACY_METRICS, *EXPOSURE_METRICS)
