"""The one flow of a training run: pick the number of sweeps, report on the last window, train what may serve."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models_ml.als.trainer import fit
from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.data.id_map import IdMap
from models_ml.data.interactions import Interactions
from models_ml.data.item_features import ProductFacts
from models_ml.errors import ModelError
from models_ml.evaluation.baselines import Oracle
from models_ml.evaluation.report import EvaluationReport, MetricRow
from models_ml.evaluation.selection import OnSweep, Picked, SweepRecord, pick
from models_ml.inference.artifact import ModelCard
from models_ml.inference.recommender import Recommender


@dataclass(frozen=True)
class TrainingResult:
    """All that a run leaves; tables have the columns of the ml.* tables of that name."""

    recommender: Recommender
    """The model, fitted to everything as of now."""
    fit_seconds: float
    """What fitting it took."""
    sweeps_reason: str
    """How the number of sweeps was chosen."""
    skipped: dict[str, str]
    """Windows and baselines that were not evaluated, and why."""
    sweeps: list[SweepRecord]
    ranking_metrics: pa.Table
    metric_differences: pa.Table
    evaluation_pairs: pa.Table
    evaluation_products: pa.Table
    evaluation_candidates: pa.Table

    def run_row(self, artifact_path: Path, held_back_because: str | None) -> pa.Table:
        """Return the one row of ml.model_runs, of a model that does not serve yet."""
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
            "fit_seconds": self.fit_seconds,
            "artifact_path": str(artifact_path),
            "warm_from": card.warm_from,
            "is_serving": False,
            "held_back_because": held_back_because,
        }
        return pa.Table.from_pylist([row])


def train(
    dataset: Dataset,
    config: TrainConfig,
    run_id: str,
    *,
    oracle: Oracle | None = None,
    warm_from: Recommender | None = None,
    on_sweep: OnSweep | None = None,
) -> TrainingResult:
    """Run the whole flow; `on_sweep` hears of every sweep of every fit.

    The same dataset and config, and the same model in `warm_from`, give the same factors bit for bit on the same
    machine; the oracle, where the truth is known, is one more baseline.

    The number of sweeps is picked on the validation window, the metrics are reported on the test window with that
    number, and what serves is trained with it on everything known now. With `warm_from` nothing is picked again: what
    that model went by holds, and what serves starts from its product factors and takes few sweeps.

    A window without usable pairs is skipped, and the result says so. Raises ModelError when a table cannot be used.
    """
    history: list[SweepRecord] = []

    def record(entry: SweepRecord) -> None:
        history.append(entry)
        if on_sweep is not None:
            on_sweep(entry)

    report = EvaluationReport(run_id, dataset, config, oracle)
    picked, reason = Picked.default(config), "the default, for there is no validation window to pick by"
    validation = report.window("validation", config.selection_users)
    if warm_from is not None:
        picked = Picked(warm_from.card.sweeps, warm_from.card.trend_power)
        reason = f"that of run {warm_from.card.run_id}, which this one starts from"
    elif validation is not None and len(validation.users) < config.min_selection_users:
        reason = f"the default, for the validation window has only {len(validation.users)} customers to pick by"
    elif validation is not None:
        picked, ranking = pick(validation, config, record)
        reason = f"best validation NDCG@{config.selection_cutoff} of up to {config.max_sweeps} sweeps"
        report.add_overall(validation, ranking)
    test = report.window("test", config.evaluation_users)
    if test is not None:
        model = fit(
            test.interactions.strength,
            config,
            picked.sweeps,
            lambda sweep: record(SweepRecord("test", sweep, None)),
            facts=test.facts(config),
            trend_power=picked.trend_power,
        )
        users = model.user_factors(test.seen.to(model.product_factors.device))
        report.add(test, test.rank_factors(users, model.offered_factors, config))
    recommender, fit_seconds = _fit_recommender(
        dataset, config, picked, run_id, report.overall_metrics, record, warm_from
    )
    return TrainingResult(
        recommender=recommender,
        fit_seconds=fit_seconds,
        sweeps_reason=reason,
        skipped=report.skipped,
        sweeps=history,
        **report.tables,
    )


def _fit_recommender(
    dataset: Dataset,
    config: TrainConfig,
    picked: Picked,
    run_id: str,
    metrics: list[MetricRow],
    on_sweep: OnSweep,
    warm_from: Recommender | None,
) -> tuple[Recommender, float]:
    """Fit the model that may serve to the interactions as of now; also the seconds that this took."""
    rows, features = dataset.now, dataset.as_of("now").product_features
    matrix = Interactions.from_table(rows, features["product_id"])
    started = time.perf_counter()
    model = fit(
        matrix.strength,
        config,
        picked.sweeps if warm_from is None else config.warm_sweeps,
        lambda report: on_sweep(SweepRecord("now", report, None)),
        facts=ProductFacts.of(features, matrix.products, config),
        trend_power=picked.trend_power,
        start=None if warm_from is None else _start(warm_from, matrix.products, config),
    )
    fit_seconds = time.perf_counter() - started
    card = ModelCard(
        run_id=run_id,
        trained_at=datetime.now(UTC).replace(tzinfo=None),
        dataset_hash=dataset.dataset_hash,
        as_of=pc.max(rows["as_of"]).as_py(),
        config=config,
        sweeps=picked.sweeps,
        trend_power=picked.trend_power,
        warm_from=None if warm_from is None else warm_from.card.run_id,
        users=len(matrix.users),
        products=len(matrix.products),
        trained_products=model.trained_products,
        interactions=rows.num_rows,
        mean_strength=model.confidence.mean_strength,
        unobserved=model.unobserved,
        regularization=model.regularization,
        metrics=metrics,
    )
    history = matrix.strength.to(model.product_factors.device)
    return Recommender(card, matrix.users, matrix.products, history, model), fit_seconds


def _start(model: Recommender, products: IdMap, config: TrainConfig) -> Tensor:
    """Return the model's product factors at the positions of `products`, zero where it has none."""
    factors = model.model.product_factors
    if changed := model.card.config.differences(config):
        raise ModelError(
            f"the serving model was trained with other settings ({changed}); a training cannot go on from it, train "
            "without --warm"
        )
    position = torch.from_numpy(model.products.find(products.ids)).to(factors.device)
    return torch.where((position >= 0)[:, None], factors[position.clamp(min=0)], 0)
