"""Everything that a run measures, as the tables of schema ml that say so."""

from collections.abc import Iterator, Mapping

import pyarrow as pa
import torch
from torch import Tensor

from models_ml.baselines import BASELINES, Oracle, oracle
from models_ml.bootstrap import mean_bounds
from models_ml.config import TrainConfig
from models_ml.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.evaluation import EvaluationWindow, Ranking
from models_ml.interactions import Interactions
from models_ml.metrics import ACCURACY, EXPOSURE, accuracy, coverage, exposure, long_tail, self_information
from models_ml.segments import OF_PRODUCTS, OVERALL, SEGMENTS, Segment, overall, pair_labels, segments

MODEL = "als"
"""The method whose lists are the model's; every other one is compared with it."""


def _schema(**columns: pa.DataType) -> pa.Schema:
    """Return the columns of a table of schema ml, run and window before them."""
    return pa.schema({"run_id": pa.string(), "cutoff": pa.string(), **columns})


_TEXT, _NUMBER = pa.string(), pa.float64()
_KEY = {"method": _TEXT, "segment": _TEXT, "segment_value": _TEXT}

METRICS_SCHEMA = _schema(
    **_KEY, k=pa.int32(), users=pa.int64(), **dict.fromkeys((*ACCURACY, "coverage", *EXPOSURE), _NUMBER)
)
DIFFERENCES_SCHEMA = _schema(
    **_KEY, metric=_TEXT, k=pa.int32(), users=pa.int64(), difference=_NUMBER, lower_bound=_NUMBER, upper_bound=_NUMBER
)
PAIRS_SCHEMA = _schema(**dict.fromkeys(("user_id", "product_id", *SEGMENTS), _TEXT))
PRODUCTS_SCHEMA = _schema(product_id=_TEXT, customer_share=_NUMBER, is_long_tail=pa.bool_())
CANDIDATES_SCHEMA = _schema(method=_TEXT, user_id=_TEXT, product_id=_TEXT, rank=pa.int32(), score=_NUMBER)

MetricRow = dict[str, str | int | float]
"""A row of ml.ranking_metrics or ml.metric_differences; a column that is left out is null."""


class EvaluationReport:
    """Collects what the evaluations of a run say."""

    def __init__(self, run_id: str, dataset: Dataset, config: TrainConfig, tastes: Oracle | None) -> None:
        """Evaluate on `dataset`'s windows; `tastes` are the truth behind made-up data."""
        self.run_id, self.dataset, self.config = run_id, dataset, config
        self.baselines = BASELINES if tastes is None else {**BASELINES, "oracle": oracle(tastes)}
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

    def window(self, as_of_name: str, most_users: int) -> EvaluationWindow | None:
        """Return the window, or None after noting why it cannot be evaluated."""
        known = self.dataset.as_of(as_of_name)
        if not known.interactions.num_rows:
            self.skipped[as_of_name] = "no interactions before it"
            return None
        window = EvaluationWindow.of(
            as_of_name,
            Interactions.from_table(known.interactions, known.product_features["product_id"]),
            known.product_features,
            known.evaluation_pairs,
            most_users,
        )
        if window is None:
            self.skipped[as_of_name] = "no customer with a history takes anything new in it"
        return window

    def add_overall(self, window: EvaluationWindow, ranking: Ranking) -> None:
        """Measure the model's `ranking` for the known customers, over all of them."""
        self._measure(window, overall(window), {MODEL: _Lists(window, ranking, self.config)})

    def add(self, window: EvaluationWindow, ranking: Ranking) -> None:
        """Measure the model's `ranking` for the known customers beside every baseline, in every segment.

        Differences get their intervals; lists, relevant pairs and products are kept for SQL to measure them again.
        """
        rankings = dict(self._rankings(window, ranking))
        labels = pair_labels(window, self.config)
        measures = {method: _Lists(window, lists, self.config) for method, lists in rankings.items()}
        for segment in segments(window, labels):
            self._compare(window, segment, self._measure(window, segment, measures))
        self._pairs.append(self._labelled(window, window.pairs.num_rows, PAIRS_SCHEMA, *_ids(window), *labels.columns))
        shares = window.product_customers.double().clamp(min=1) / window.interactions.strength.n_rows
        is_long_tail = long_tail(window.product_customers, self.config.head_share)
        products = (window.catalog.ids.cast(pa.string()), shares.numpy(), is_long_tail.numpy())
        self._products.append(self._labelled(window, len(window.catalog), PRODUCTS_SCHEMA, *products))
        for method, lists in rankings.items():
            self._candidates.append(window.candidate_table(self.run_id, method, lists))

    def _rankings(self, window: EvaluationWindow, model: Ranking) -> Iterator[tuple[str, Ranking]]:
        yield MODEL, window.with_new_customers(model, self.config)
        for name, method in self.baselines.items():
            try:
                yield name, method(window, self.config)
            except ModelError as error:
                # Real files landed beside the made-up shop's: nobody knows the tastes behind those.
                self.skipped[name] = str(error)

    def _measure(
        self, window: EvaluationWindow, segment: Segment, methods: "Mapping[str, _Lists]"
    ) -> dict[str, Tensor]:
        """Add a segment's metrics; return them by method for each customer, shape (customers, cut-offs, metrics)."""
        relevant = torch.bincount(window.pair_rows[segment.pairs], minlength=len(window.customers))
        rows = torch.nonzero(relevant).flatten()
        values = {}
        for method, lists in methods.items():
            values[method] = lists.measured(segment, rows, relevant[rows])
            means = values[method].mean(0).tolist()
            for k, of_k in zip(self.config.cutoffs, means, strict=True):
                row = self._key(window, segment, method) | {"k": k, "users": len(rows)}
                row |= dict(zip(_metrics_of(segment), of_k, strict=True))
                if "novelty" in row:
                    row["coverage"] = coverage(lists.positions[rows], len(window.catalog), k)
                self._metrics.append(row)
        return values

    def _compare(self, window: EvaluationWindow, segment: Segment, values: dict[str, Tensor]) -> None:
        """Add the differences between the model and every other method, each with its interval."""
        model, others = values[MODEL], [method for method in values if method != MODEL]
        differences = torch.stack([model - values[method] for method in others], 1)
        users, *shape = differences.shape
        # Drawn rows, their counts as integers and as numbers, 64 bits each.
        block_rows = self.config.block_rows(6 * users)
        bounds = mean_bounds(differences.flatten(1), self.config.bootstrap_resamples, self.config.seed, block_rows)
        stated = torch.stack([differences.mean(0), *bounds.reshape(2, *shape)], -1).tolist()
        for method, of_method in zip(others, stated, strict=True):
            for k, of_k in zip(self.config.cutoffs, of_method, strict=True):
                for metric, (difference, lower, upper) in zip(_metrics_of(segment), of_k, strict=True):
                    row = self._key(window, segment, method) | {"metric": metric, "k": k, "users": users}
                    row |= {"difference": difference, "lower_bound": lower, "upper_bound": upper}
                    self._differences.append(row)

    def _key(self, window: EvaluationWindow, segment: Segment, method: str) -> MetricRow:
        labels = {"run_id": self.run_id, "cutoff": window.as_of_name, "method": method}
        return {**labels, "segment": segment.name, "segment_value": segment.value}

    def _labelled(self, window: EvaluationWindow, rows: int, schema: pa.Schema, *columns: object) -> pa.Table:
        """Return columns as rows of a table of schema ml, the run and the window before them."""
        labels = (pa.repeat(label, rows) for label in (self.run_id, window.as_of_name))
        return pa.table([*labels, *columns], schema=schema)


class _Lists:
    """A method's lists, and what is in each place of them."""

    def __init__(self, window: EvaluationWindow, ranking: Ranking, config: TrainConfig) -> None:
        self.positions, self.cutoffs = ranking.positions, config.cutoffs
        hits = window.hit_pairs(ranking)
        self.hit_rows, self.hit_ranks = torch.nonzero(hits >= 0, as_tuple=True)
        self.hit_pairs = hits[self.hit_rows, self.hit_ranks]
        information = self_information(window.product_customers, window.interactions.strength.n_rows)
        is_long_tail = long_tail(window.product_customers, config.head_share)
        self.exposure = torch.stack([exposure(self.positions, information, is_long_tail, k) for k in self.cutoffs], 1)

    def measured(self, segment: Segment, rows: Tensor, relevant: Tensor) -> Tensor:
        """Return the metrics of some customers, shape (customers, cut-offs, metrics); `relevant` counts their pairs."""
        row_of = torch.full((len(self.positions),), -1)
        row_of[rows] = torch.arange(len(rows))
        inside = segment.pairs[self.hit_pairs]
        measured = accuracy(row_of[self.hit_rows[inside]], self.hit_ranks[inside], relevant, self.cutoffs)
        return measured if segment.name in OF_PRODUCTS else torch.cat([measured, self.exposure[rows]], 2)


def _metrics_of(segment: Segment) -> tuple[str, ...]:
    """Return what is measured in a segment: a list as a whole shows nothing about some products of it."""
    return ACCURACY if segment.name in OF_PRODUCTS else (*ACCURACY, *EXPOSURE)


def _ids(window: EvaluationWindow) -> Iterator[pa.ChunkedArray]:
    for name in ("user_id", "product_id"):
        yield window.pairs[name].cast(pa.string())
