"""Everything that a run measures, as the tables of schema ml that say so."""

from collections.abc import Iterator, Mapping

import pyarrow as pa
import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.data.interactions import Interactions
from models_ml.errors import ModelError
from models_ml.evaluation.baselines import BASELINES, OracleFactors, build_oracle_method
from models_ml.evaluation.bootstrap import bootstrap_mean_bounds
from models_ml.evaluation.metrics import (
    ACCURACY_METRICS,
    EXPOSURE_METRICS,
    compute_accuracy,
    compute_coverage,
    compute_exposure,
    compute_self_information,
    find_long_tail,
)
from models_ml.evaluation.segments import (
    OVERALL,
    PRODUCT_SEGMENTS,
    SEGMENTS,
    Segment,
    build_overall_segment,
    iter_segments,
    label_pairs,
)
from models_ml.evaluation.window import EvaluationWindow, Ranking

MODEL_METHOD = "als"
"""The method whose lists are the model's; every other one is compared with it."""


def _build_schema(**columns: pa.DataType) -> pa.Schema:
    """Return the columns of a table of schema ml, run and window before them."""
    return pa.schema({"run_id": pa.string(), "cutoff": pa.string(), **columns})


_TEXT, _NUMBER = pa.string(), pa.float64()
_KEY_COLUMNS = {"method": _TEXT, "segment": _TEXT, "segment_value": _TEXT}

METRICS_SCHEMA = _build_schema(
    **_KEY_COLUMNS,
    k=pa.int32(),
    users=pa.int64(),
    **dict.fromkeys((*ACCURACY_METRICS, "coverage", *EXPOSURE_METRICS), _NUMBER),
)
DIFFERENCES_SCHEMA = _build_schema(
    **_KEY_COLUMNS,
    metric=_TEXT,
    k=pa.int32(),
    users=pa.int64(),
    difference=_NUMBER,
    lower_bound=_NUMBER,
    upper_bound=_NUMBER,
)
PAIRS_SCHEMA = _build_schema(**dict.fromkeys(("user_id", "product_id", *SEGMENTS), _TEXT))
PRODUCTS_SCHEMA = _build_schema(product_id=_TEXT, customer_share=_NUMBER, is_long_tail=pa.bool_())
CANDIDATES_SCHEMA = _build_schema(method=_TEXT, user_id=_TEXT, product_id=_TEXT, rank=pa.int32(), score=_NUMBER)

MetricRow = dict[str, str | int | float]
"""A row of ml.ranking_metrics or ml.metric_differences; a column that is left out is null."""


class EvaluationReport:
    """Collects what the evaluations of a run say."""

    def __init__(
        self, run_id: str, dataset: Dataset, config: TrainConfig, oracle_factors: OracleFactors | None
    ) -> None:
        """Evaluate on `dataset`'s windows; `tastes` are the truth behind made-up data."""
        self.run_id, self.dataset, self.config = run_id, dataset, config
        self.baselines = (
            BASELINES if oracle_factors is None else {**BASELINES, "oracle": build_oracle_method(oracle_factors)}
        )
        self.skipped: dict[str, str] = {}
        """Windows and baselines that were not evaluated, and why."""
        self._metrics: list[MetricRow] = []
        self._differences: list[MetricRow] = []
        self._pairs: list[pa.Table] = []
        self._products: list[pa.Table] = []
        self._candidates: list[pa.Table] = []

    @property
    def overall_metrics(self) -> list[MetricRow]:
        """Rows of ml.ranking_metrics about all known customers and products."""
        return [row for row in self._metrics if row["segment"] == OVERALL]

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The tables of schema ml that an evaluation fills, by name."""
        parts = {
            "evaluation_pairs": (PAIRS_SCHEMA, self._pairs),
            "evaluation_products": (PRODUCTS_SCHEMA, self._products),
            "evaluation_candidates": (CANDIDATES_SCHEMA, self._candidates),
        }
        return {
            "ranking_metrics": pa.Table.from_pylist(self._metrics, METRICS_SCHEMA),
            "metric_differences": pa.Table.from_pylist(self._differences, DIFFERENCES_SCHEMA),
            **{name: pa.concat_tables([schema.empty_table(), *tables]) for name, (schema, tables) in parts.items()},
        }

    def build_window(self, cutoff: str, max_users: int) -> EvaluationWindow | None:
        """Return the window, or None after noting why it cannot be evaluated."""
        known = self.dataset.select_cutoff(cutoff)
        if not known.interactions.num_rows:
            self.skipped[cutoff] = "no interactions before it"
            return None
        window = EvaluationWindow.create(
            cutoff,
            Interactions.from_table(known.interactions, known.product_features["product_id"]),
            known.product_features,
            known.evaluation_pairs,
            max_users,
        )
        if window is None:
            self.skipped[cutoff] = "no customer with a history takes anything new in it"
        return window

    def add_overall(self, window: EvaluationWindow, ranking: Ranking) -> None:
        """Measure the model's `ranking` for the known customers, over all of them."""
        self._measure(window, build_overall_segment(window), {MODEL_METHOD: _MethodLists(window, ranking, self.config)})

    def add(self, window: EvaluationWindow, ranking: Ranking) -> None:
        """Measure the model's `ranking` for the known customers beside every baseline, in every segment.

        Differences get their intervals; lists, relevant pairs and products are kept for SQL to measure them again.
        """
        rankings = dict(self._iter_rankings(window, ranking))
        labels = label_pairs(window, self.config)
        measures = {method: _MethodLists(window, lists, self.config) for method, lists in rankings.items()}
        for segment in iter_segments(window, labels):
            self._compare(window, segment, self._measure(window, segment, measures))
        self._pairs.append(
            self._build_table(window, window.pairs.num_rows, PAIRS_SCHEMA, *_iter_id_columns(window), *labels.columns)
        )
        shares = window.product_customer_counts.double().clamp(min=1) / window.interactions.strength.row_count
        is_long_tail = find_long_tail(window.product_customer_counts, self.config.head_share)
        products = (window.catalog.ids.cast(pa.string()), shares.numpy(), is_long_tail.numpy())
        self._products.append(self._build_table(window, len(window.catalog), PRODUCTS_SCHEMA, *products))
        for method, lists in rankings.items():
            self._candidates.append(window.build_candidate_table(self.run_id, method, lists))

    def _iter_rankings(self, window: EvaluationWindow, model: Ranking) -> Iterator[tuple[str, Ranking]]:
        yield MODEL_METHOD, window.append_new_customers(model, self.config)
        for name, method in self.baselines.items():
            try:
                yield name, method(window, self.config)
            except ModelError as error:
                # Real files landed beside the made-up shop's: nobody knows the tastes behind those.
                self.skipped[name] = str(error)

    def _measure(
        self, window: EvaluationWindow, segment: Segment, methods: "Mapping[str, _MethodLists]"
    ) -> dict[str, Tensor]:
        """Add a segment's metrics; return them by method for each customer, shape (customers, cut-offs, metrics)."""
        relevant = torch.bincount(window.pair_rows[segment.pair_mask], minlength=len(window.customer_ids))
        rows = torch.nonzero(relevant).flatten()
        values = {}
        for method, lists in methods.items():
            values[method] = lists.measure(segment, rows, relevant[rows])
            means = values[method].mean(0).tolist()
            for k, of_k in zip(self.config.k_values, means, strict=True):
                row = self._build_key(window, segment, method) | {"k": k, "users": len(rows)}
                row |= dict(zip(_get_segment_metrics(segment), of_k, strict=True))
                if "novelty" in row:
                    row["coverage"] = compute_coverage(lists.positions[rows], len(window.catalog), k)
                self._metrics.append(row)
        return values

    def _compare(self, window: EvaluationWindow, segment: Segment, values: dict[str, Tensor]) -> None:
        """Add the differences between the model and every other method, each with its interval."""
        model, others = values[MODEL_METHOD], [method for method in values if method != MODEL_METHOD]
        differences = torch.stack([model - values[method] for method in others], 1)
        users, *shape = differences.shape
        # Drawn rows, their counts as integers and as numbers, 64 bits each.
        block_rows = self.config.compute_block_rows(6 * users)
        bounds = bootstrap_mean_bounds(
            differences.flatten(1), self.config.bootstrap_resamples, self.config.seed, block_rows
        )
        stated = torch.stack([differences.mean(0), *bounds.reshape(2, *shape)], -1).tolist()
        for method, of_method in zip(others, stated, strict=True):
            for k, of_k in zip(self.config.k_values, of_method, strict=True):
                for metric, (difference, lower, upper) in zip(_get_segment_metrics(segment), of_k, strict=True):
                    row = self._build_key(window, segment, method) | {"metric": metric, "k": k, "users": users}
                    row |= {"difference": difference, "lower_bound": lower, "upper_bound": upper}
                    self._differences.append(row)

    def _build_key(self, window: EvaluationWindow, segment: Segment, method: str) -> MetricRow:
        labels = {"run_id": self.run_id, "cutoff": window.cutoff, "method": method}
        return {**labels, "segment": segment.name, "segment_value": segment.value}

    def _build_table(self, window: EvaluationWindow, row_count: int, schema: pa.Schema, *columns: object) -> pa.Table:
        """Return columns as rows of a table of schema ml, the run and the window before them."""
        labels = (pa.repeat(label, row_count) for label in (self.run_id, window.cutoff))
        return pa.table([*labels, *columns], schema=schema)


class _MethodLists:
    """A method's lists, and what is in each place of them."""

    def __init__(self, window: EvaluationWindow, ranking: Ranking, config: TrainConfig) -> None:
        self.positions, self.k_values = ranking.positions, config.k_values
        hits = window.find_hit_pairs(ranking)
        self.hit_rows, self.hit_ranks = torch.nonzero(hits >= 0, as_tuple=True)
        self.hit_pairs = hits[self.hit_rows, self.hit_ranks]
        information = compute_self_information(window.product_customer_counts, window.interactions.strength.row_count)
        is_long_tail = find_long_tail(window.product_customer_counts, config.head_share)
        self.exposure = torch.stack(
            [compute_exposure(self.positions, information, is_long_tail, k) for k in self.k_values], 1
        )

    def measure(self, segment: Segment, rows: Tensor, relevant_counts: Tensor) -> Tensor:
        """Return the metrics of some customers, shape (customers, cut-offs, metrics); `relevant` counts their pairs."""
        row_of = torch.full((len(self.positions),), -1)
        row_of[rows] = torch.arange(len(rows))
        inside = segment.pair_mask[self.hit_pairs]
        measured = compute_accuracy(
            row_of[self.hit_rows[inside]], self.hit_ranks[inside], relevant_counts, self.k_values
        )
        return measured if segment.name in PRODUCT_SEGMENTS else torch.cat([measured, self.exposure[rows]], 2)


def _get_segment_metrics(segment: Segment) -> tuple[str, ...]:
    """Return what is measured in a segment: a list as a whole shows nothing about some products of it."""
    return ACCURACY_METRICS if segment.name in PRODUCT_SEGMENTS else (*ACCURACY_METRICS, *EXPOSURE_METRICS)


def _iter_id_columns(window: EvaluationWindow) -> Iterator[pa.ChunkedArray]:
    for name in ("user_id", "product_id"):
        yield window.pairs[name].cast(pa.string())
