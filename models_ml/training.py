"""The one flow of a training run: pick the number of epochs, report on the last window, train what may serve."""

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
from models_ml.data.item_features import ItemFeatures
from models_ml.errors import ModelError
from models_ml.evaluation.baselines import OracleFactors
from models_ml.evaluation.report import EvaluationReport, MetricRow
from models_ml.evaluation.selection import EpochRecord, OnEpoch, SelectedParams, select_params
from models_ml.inference.artifact import ModelCard
from models_ml.inference.recommender import Recommender


@dataclass(frozen=True)
class TrainingResult:
    """All that a run leaves; tables have the columns of the ml.* tables of that name."""

    recommender: Recommender
    """The model, fitted to everything as of now."""
    fit_seconds: float
    """What fitting it took."""
    epochs_reason: str
    """How the number of epochs was chosen."""
    skipped: dict[str, str]
    """Windows and baselines that were not evaluated, and why."""
    epoch_records: list[EpochRecord]
    ranking_metrics: pa.Table
    metric_differences: pa.Table
    evaluation_pairs: pa.Table
    evaluation_products: pa.Table
    evaluation_candidates: pa.Table

    def build_run_row(self, artifact_path: Path, rejection_reason: str | None) -> pa.Table:
        """Return the one row of ml.model_runs, of a model that does not serve yet."""
        card = self.recommender.card
        row = {
            "run_id": card.run_id,
            "trained_at": card.trained_at,
            "dataset_hash": card.dataset_hash,
            "as_of": card.as_of,
            "config": card.config.model_dump_json(),
            "epochs": card.epochs,
            "users": card.users,
            "products": card.products,
            "interactions": card.interactions,
            "fit_seconds": self.fit_seconds,
            "artifact_path": str(artifact_path),
            "warm_from": card.warm_from,
            "is_serving": False,
            "rejection_reason": rejection_reason,
        }
        return pa.Table.from_pylist([row])


def train(
    dataset: Dataset,
    config: TrainConfig,
    run_id: str,
    *,
    oracle_factors: OracleFactors | None = None,
    warm_from: Recommender | None = None,
    on_epoch: OnEpoch | None = None,
) -> TrainingResult:
    """Run the whole flow; `on_epoch` hears of every epoch of every fit.

    The same dataset and config, and the same model in `warm_from`, give the same factors bit for bit on the same
    machine; the oracle, where the truth is known, is one more baseline.

    The number of epochs is picked on the validation window, the metrics are reported on the test window with that
    number, and what serves is trained with it on everything known now. With `warm_from` nothing is picked again: what
    that model went by holds, and what serves starts from its product factors and takes few epochs.

    A window without usable pairs is skipped, and the result says so. Raises ModelError when a table cannot be used.
    """
    history: list[EpochRecord] = []

    def record(entry: EpochRecord) -> None:
        history.append(entry)
        if on_epoch is not None:
            on_epoch(entry)

    report = EvaluationReport(run_id, dataset, config, oracle_factors)
    picked, reason = SelectedParams.from_defaults(config), "the default, for there is no validation window to pick by"
    validation = report.build_window("validation", config.max_selection_users)
    if warm_from is not None:
        picked = SelectedParams(warm_from.card.epochs, warm_from.card.trend_power)
        reason = f"that of run {warm_from.card.run_id}, which this one starts from"
    elif validation is not None and len(validation.known_positions) < config.min_selection_users:
        reason = (
            f"the default, for the validation window has only {len(validation.known_positions)} customers to pick by"
        )
    elif validation is not None:
        picked, ranking = select_params(validation, config, record)
        reason = f"best validation NDCG@{config.selection_k} of up to {config.max_epochs} epochs"
        report.add_overall(validation, ranking)
    test = report.build_window("test", config.max_evaluation_users)
    if test is not None:
        model = fit(
            test.interactions.strength,
            config,
            picked.epochs,
            lambda epoch: record(EpochRecord("test", epoch, None)),
            item_features=test.build_item_features(config),
            trend_power=picked.trend_power,
        )
        users = model.fold_in(test.seen.to(model.product_factors.device))
        report.add(test, test.rank_factors(users, model.scoring_factors, config))
    recommender, fit_seconds = _fit_recommender(
        dataset, config, picked, run_id, report.overall_metrics, record, warm_from
    )
    return TrainingResult(
        recommender=recommender,
        fit_seconds=fit_seconds,
        epochs_reason=reason,
        skipped=report.skipped,
        epoch_records=history,
        **report.tables,
    )


def _fit_recommender(
    dataset: Dataset,
    config: TrainConfig,
    selected_params: SelectedParams,
    run_id: str,
    metrics: list[MetricRow],
    on_epoch: OnEpoch,
    warm_from: Recommender | None,
) -> tuple[Recommender, float]:
    """Fit the model that may serve to the interactions as of now; also the seconds that this took."""
    rows, features = dataset.current_interactions, dataset.select_cutoff("now").product_features
    matrix = Interactions.from_table(rows, features["product_id"])
    started = time.perf_counter()
    model = fit(
        matrix.strength,
        config,
        selected_params.epochs if warm_from is None else config.warm_epochs,
        lambda report: on_epoch(EpochRecord("now", report, None)),
        item_features=ItemFeatures.from_table(features, matrix.products, config),
        trend_power=selected_params.trend_power,
        initial_product_factors=None
        if warm_from is None
        else _align_product_factors(warm_from, matrix.products, config),
    )
    fit_seconds = time.perf_counter() - started
    card = ModelCard(
        run_id=run_id,
        trained_at=datetime.now(UTC).replace(tzinfo=None),
        dataset_hash=dataset.dataset_hash,
        as_of=pc.max(rows["as_of"]).as_py(),
        config=config,
        epochs=selected_params.epochs,
        trend_power=selected_params.trend_power,
        warm_from=None if warm_from is None else warm_from.card.run_id,
        users=len(matrix.users),
        products=len(matrix.products),
        trained_products=model.trained_products,
        interactions=rows.num_rows,
        mean_strength=model.confidence.mean_strength,
        unobserved_pair_weight=model.unobserved_pair_weight,
        regularization=model.regularization,
        metrics=metrics,
    )
    history = matrix.strength.to(model.product_factors.device)
    return Recommender(card, matrix.users, matrix.products, history, model), fit_seconds


def _align_product_factors(recommender: Recommender, products: IdMap, config: TrainConfig) -> Tensor:
    """Return the model's product factors at the positions of `products`, zero where it has none."""
    factors = recommender.factor_model.product_factors
    if changed := recommender.card.config.describe_differences(config):
        raise ModelError(
            f"the serving model was trained with other settings ({changed}); a training cannot go on from it, train "
            "without --warm-start"
        )
    position = torch.from_numpy(recommender.products.find_positions(products.ids)).to(factors.device)
    return torch.where((position >= 0)[:, None], factors[position.clamp(min=0)], 0)
