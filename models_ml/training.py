"""The one flow of a training run: pick the number of sweeps, report on the last window, train what serves."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch

from models_ml.als import AlsTrainer, SweepReport, fit
from models_ml.artifact import ModelCard
from models_ml.candidates import candidate_table
from models_ml.config import TrainConfig
from models_ml.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.evaluation import EvaluationWindow, Ranking
from models_ml.interactions import Interactions
from models_ml.metrics import RankingMetrics
from models_ml.recommender import Recommender
from models_ml.sparse import Csr

SELECTION_CUTOFF = 10
"""The number of sweeps is the one with the best validation NDCG at this list length."""

METRICS_SCHEMA = pa.schema(
    [
        ("run_id", pa.string()),
        ("as_of_name", pa.string()),
        ("method", pa.string()),
        ("k", pa.int32()),
        ("users", pa.int64()),
        ("precision", pa.float64()),
        ("recall", pa.float64()),
        ("ndcg", pa.float64()),
    ]
)
PAIRS_SCHEMA = pa.schema([(name, pa.string()) for name in ("run_id", "as_of_name", "user_id", "product_id")])
CANDIDATES_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("run_id", "as_of_name", "method", "user_id", "product_id")]
    + [("rank", pa.int32()), ("score", pa.float64())]
)


Oracle = tuple[pa.Table, pa.Table]
"""The true tastes behind made-up data: (user_id, factors) and (product_id, factors), factors lists of numbers."""


@dataclass(frozen=True)
class SweepRecord:
    """One sweep of one of the run's fits."""

    as_of_name: str
    report: SweepReport
    validation_ndcg: float | None
    """NDCG at `SELECTION_CUTOFF`, in the fit that picks the number of sweeps."""


OnSweep = Callable[[SweepRecord], None]


@dataclass(frozen=True)
class FittedRecommender:
    """A recommender, the interactions it was fitted to, and how long that took."""

    recommender: Recommender
    rows: pa.Table
    fit_seconds: float


@dataclass(frozen=True)
class TrainingResult:
    """All that a run leaves; tables have the columns of the ml.* tables of the same name."""

    fitted: FittedRecommender
    sweeps_reason: str
    """How the number of sweeps was chosen."""
    skipped: dict[str, str]
    """Windows and baselines that were not evaluated, and why."""
    sweeps: list[SweepRecord]
    ranking_metrics: pa.Table
    evaluation_pairs: pa.Table
    evaluation_candidates: pa.Table
    candidates: pa.Table

    @property
    def recommender(self) -> Recommender:
        """The model that serves."""
        return self.fitted.recommender

    def run_row(self, artifact_path: Path, *, is_serving: bool) -> pa.Table:
        """Return the one row of ml.model_runs."""
        card = self.recommender.card
        row = {
            "run_id": card.run_id,
            "trained_at": card.trained_at,
            "dataset_hash": card.dataset_hash,
            "as_of": card.as_of,
            "config": card.config.model_dump_json(),
            "sweeps": card.sweeps,
            "users": card.users,
            "products": card.products,
            "interactions": card.interactions,
            "fit_seconds": self.fitted.fit_seconds,
            "artifact_path": str(artifact_path),
            "is_serving": is_serving,
        }
        return pa.Table.from_pylist([row])


def train(
    dataset: Dataset,
    config: TrainConfig,
    run_id: str,
    *,
    oracle: Oracle | None = None,
    on_sweep: OnSweep | None = None,
) -> TrainingResult:
    """Run the whole flow; `on_sweep` hears of every sweep of every fit.

    The same dataset and config give the same factors bit for bit on the same machine; the oracle, where the truth is
    known, is one more baseline.

    The number of sweeps is picked on the validation window, the metrics are reported on the test window with that
    number, and what serves is trained with it on everything known now. A window without usable pairs is skipped, and
    the result says so. Raises ModelError when a table cannot be used.
    """
    history: list[SweepRecord] = []

    def record(entry: SweepRecord) -> None:
        history.append(entry)
        if on_sweep is not None:
            on_sweep(entry)

    report = _Report(run_id, dataset, config, oracle)
    sweeps, reason = config.default_sweeps, "the default, for there is no validation window to pick by"
    validation = report.window("validation", config.selection_users)
    if validation is not None and len(validation.users) < config.min_selection_users:
        reason = f"the default, for the validation window has only {len(validation.users)} customers to pick by"
    elif validation is not None:
        sweeps, metrics = _pick_sweeps(validation, config, record)
        reason = f"best validation NDCG@{SELECTION_CUTOFF} of up to {config.max_sweeps} sweeps"
        report.add(validation, "als", metrics)
        report.add_baselines(validation)
    test = report.window("test", torch.iinfo(torch.int64).max)
    if test is not None:
        strength = test.interactions.strength
        model = fit(strength, config, sweeps, lambda sweep: record(SweepRecord("test", sweep, None)))
        users = model.user_factors(test.seen.to(model.product_factors.device))
        ranking = test.rank_factors(users, model.product_factors, config)
        report.add(test, "als", test.measure(ranking, config.cutoffs), ranking)
        report.add_baselines(test)
    fitted = _fit_recommender(dataset, config, sweeps, run_id, report.metrics, record)
    return TrainingResult(
        fitted=fitted,
        sweeps_reason=reason,
        skipped=report.skipped,
        sweeps=history,
        ranking_metrics=pa.Table.from_pylist(report.metrics, METRICS_SCHEMA),
        evaluation_pairs=pa.concat_tables([PAIRS_SCHEMA.empty_table(), *report.pairs]),
        evaluation_candidates=pa.concat_tables([CANDIDATES_SCHEMA.empty_table(), *report.candidates]),
        candidates=candidate_table(fitted.recommender, config.candidates, _purchased(fitted)),
    )


def _fit_recommender(
    dataset: Dataset,
    config: TrainConfig,
    sweeps: int,
    run_id: str,
    metrics: list[dict[str, str | int | float]],
    on_sweep: OnSweep,
) -> FittedRecommender:
    """Fit the model that serves to the interactions as of now."""
    rows = dataset.now
    matrix = Interactions.from_table(rows)
    started = time.perf_counter()
    model = fit(matrix.strength, config, sweeps, lambda report: on_sweep(SweepRecord("now", report, None)))
    fit_seconds = time.perf_counter() - started
    card = ModelCard(
        run_id=run_id,
        trained_at=datetime.now(UTC).replace(tzinfo=None),
        dataset_hash=dataset.dataset_hash,
        as_of=pc.max(rows["as_of"]).as_py(),
        config=config,
        sweeps=sweeps,
        users=len(matrix.users),
        products=len(matrix.products),
        interactions=rows.num_rows,
        mean_strength=model.confidence.mean_strength,
        unobserved=model.unobserved,
        regularization=model.regularization,
        metrics=metrics,
    )
    history = matrix.strength.to(model.product_factors.device)
    recommender = Recommender(card, matrix.users, matrix.products, history, model)
    return FittedRecommender(recommender, rows, fit_seconds)


class _Report:
    """Collects what the evaluations of a run say."""

    def __init__(self, run_id: str, dataset: Dataset, config: TrainConfig, oracle: Oracle | None) -> None:
        self.run_id, self.dataset, self.config, self.oracle = run_id, dataset, config, oracle
        self.metrics: list[dict[str, str | int | float]] = []
        self.pairs: list[pa.Table] = []
        self.candidates: list[pa.Table] = []
        self.skipped: dict[str, str] = {}

    def window(self, as_of_name: str, most_users: int) -> EvaluationWindow | None:
        """Return the window, or None after noting why it cannot be evaluated."""
        known = self.dataset.as_of(as_of_name)
        if not known.interactions.num_rows:
            self.skipped[as_of_name] = "no interactions before it"
            return None
        window = EvaluationWindow.of(
            as_of_name,
            Interactions.from_table(known.interactions),
            known.product_features,
            known.evaluation_pairs,
            most_users,
        )
        if window is None:
            self.skipped[as_of_name] = "no customer with a history takes anything new in it"
            return None
        labels = {"run_id": self.run_id, "as_of_name": as_of_name}
        columns = [pa.repeat(label, window.pairs.num_rows) for label in labels.values()]
        ids = [window.pairs[name].cast(pa.string()) for name in ("user_id", "product_id")]
        self.pairs.append(pa.table([*columns, *ids], schema=PAIRS_SCHEMA))
        return window

    def add(
        self, window: EvaluationWindow, method: str, metrics: list[RankingMetrics], ranking: Ranking | None = None
    ) -> None:
        """Add a method's metrics and, where given, its top lists."""
        for at_k in metrics:
            means = {"precision": at_k.precision, "recall": at_k.recall, "ndcg": at_k.ndcg}
            labels = {"run_id": self.run_id, "as_of_name": window.as_of_name, "method": method}
            self.metrics.append({**labels, "k": at_k.k, "users": at_k.users, **means})
        if ranking is not None:
            self.candidates.append(window.candidate_table(self.run_id, method, ranking))

    def add_baselines(self, window: EvaluationWindow) -> None:
        """Add popularity and, where the truth is known, the oracle."""
        rankings = {"popularity": window.rank_popularity(self.config)}
        if self.oracle is not None:
            try:
                rankings["oracle"] = window.rank_oracle(*self.oracle, self.config)
            except ModelError as error:
                # Real files landed beside the made-up shop's: nobody knows the tastes behind those.
                self.skipped["oracle"] = str(error)
        for method, ranking in rankings.items():
            keep = ranking if window.as_of_name == "test" else None
            self.add(window, method, window.measure(ranking, self.config.cutoffs), keep)


def _pick_sweeps(window: EvaluationWindow, config: TrainConfig, record: OnSweep) -> tuple[int, list[RankingMetrics]]:
    """Return the number of sweeps with the best NDCG in `window`, and the metrics at that number."""
    trainer = AlsTrainer(window.interactions.strength, config)
    best_ndcg, best_sweep, best_metrics = -1.0, 0, list[RankingMetrics]()
    while trainer.sweeps < config.max_sweeps and trainer.sweeps - best_sweep < config.patience:
        report = trainer.sweep()
        users = trainer.user_factors[window.users.to(trainer.device)]
        ranking = window.rank_factors(users, trainer.product_factors, config)
        ndcg = window.measure(ranking, (SELECTION_CUTOFF,))[0].ndcg
        record(SweepRecord(window.as_of_name, report, ndcg))
        if ndcg > best_ndcg:
            best_ndcg, best_sweep = ndcg, report.sweep
            best_metrics = window.measure(ranking, config.cutoffs)
    return best_sweep, best_metrics


def _purchased(fitted: FittedRecommender) -> Csr:
    """Return the pairs with a purchase, users x products."""
    bought = fitted.rows.filter(fitted.rows["has_purchased"])
    users, products = fitted.recommender.users, fitted.recommender.products
    rows, columns = (
        torch.from_numpy(ids.positions(bought[name])) for ids, name in ((users, "user_id"), (products, "product_id"))
    )
    pairs = Csr.from_pairs(rows, columns, torch.ones(len(rows)), (len(users), len(products)))
    return pairs.to(fitted.recommender.history.values.device)
