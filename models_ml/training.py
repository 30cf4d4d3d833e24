"""A training run: select parameters on the validation window, evaluate on the test window, fit the final model."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models_ml.als.trainer import EpochReport
from models_ml.config import TrainConfig
from models_ml.data.category_mix import encode_categories
from models_ml.data.dataset import Dataset
from models_ml.data.feature_matrix import FeatureMatrix, build_customer_features
from models_ml.data.id_map import IdMap
from models_ml.data.interactions import Interactions
from models_ml.data.item_features import ItemFeatures
from models_ml.errors import ModelError
from models_ml.evaluation.baselines import OracleFactors, build_baselines, build_oracle_method, rank_by_purchases
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.repeat_selection import select_repeat_params
from models_ml.evaluation.report import EvaluationReport, MetricRow
from models_ml.evaluation.selection import EpochCallback, EpochRecord, select_params
from models_ml.evaluation.window import EvaluationWindow
from models_ml.evaluation.window_model import fit_window_model
from models_ml.inference.artifact import ModelCard
from models_ml.inference.recommender import Recommender
from models_ml.ranking_model import SelectedParams, fit_ranking_model


@dataclass(frozen=True)
class TrainingResult:
    """Results of a training run; the tables have the columns of the tables of the schema ml with the same names."""

    recommender: Recommender
    """The final model, fitted to the interactions at the cutoff 'now'."""
    fit_seconds: float
    """Duration of the final fit."""
    epochs_reason: str
    """Origin of the number of epochs, as text."""
    skip_reasons: dict[str, str]
    """Reasons by window or baseline that was not evaluated."""
    epoch_records: list[EpochRecord]
    """All epochs of all fits."""
    ranking_metrics: pa.Table
    metric_differences: pa.Table
    evaluation_pairs: pa.Table
    evaluation_candidates: pa.Table

    def build_run_row(self, artifact_path: Path, rejection_reason: str | None) -> pa.Table:
        """Return the run's row of ml.model_runs, with `is_serving` false."""
        card = self.recommender.card
        row = {
            "run_id": card.run_id,
            "trained_at": card.trained_at,
            "dataset_hash": card.dataset_hash,
            "as_of": card.as_of,
            "config": card.config.model_dump_json(),
            "epochs": card.trained_epochs,
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
    warm_start_model: Recommender | None = None,
    on_epoch: EpochCallback | None = None,
) -> TrainingResult:
    """Train and evaluate a model on a dataset.

    1. Select the regularization, the number of epochs, the trend power and the item graph on the validation window. In
       a shop with repeat purchases, these are selected on new products; then the trend power and the repeat term on all
       products.
    2. Fit with these parameters to the data before the test window, and evaluate on the test window.
    3. Fit the final model with these parameters to the interactions at the cutoff 'now'.

    With `warm_start_model`, step 1 takes the parameters of that model, and step 3 starts from its product factors and
    runs `warm_epochs`. `oracle_factors` add the oracle to the baselines. `on_epoch` is called after each epoch of each
    fit. A window without usable pairs is skipped; `TrainingResult.skip_reasons` holds the reason.

    Equal arguments give bitwise identical factors on the same machine.

    Raises:
        ModelError: A table is invalid, the factors diverge or collapse to zero, the device does not exist, or the
            model-defining settings differ from those of `warm_start_model`.
    """
    epoch_records: list[EpochRecord] = []

    def record_epoch(epoch: EpochRecord) -> None:
        epoch_records.append(epoch)
        if on_epoch is not None:
            on_epoch(epoch)

    report = EvaluationReport(run_id, dataset, config)
    selected_params, reason = SelectedParams.from_defaults(config), "default: there is no validation window"
    validation = report.build_window("validation", config.max_selection_users)
    if warm_start_model is not None:
        selected_params = warm_start_model.card.selected_params
        reason = f"the setting warm_epochs: a warm start from run {warm_start_model.card.run_id}"
    elif validation is not None:
        new_products = validation.without_repeats()
        customer_count = len(new_products.known_positions)
        if customer_count < config.min_selection_users:
            reason = f"default: the validation window has only {customer_count} customers"
        else:
            selected_params, ranking = select_params((new_products,), config, record_epoch)
            if validation.repeat_scores is None:
                # Repeat purchases may begin after this window.
                selected_params = replace(selected_params, repeat_weight=config.default_repeat_weight)
            else:
                selected_params, ranking = select_repeat_params(
                    validation, config, selected_params, *fit_window_model(validation, config, selected_params)
                )
            reason = f"best validation NDCG@{config.selection_k} of up to {config.max_epochs} epochs"
            report.add_overall(validation, ranking)
    test = report.build_window("test", config.max_evaluation_users)
    if test is not None:
        ranking = _fit_and_rank(
            test, config, selected_params, lambda epoch: record_epoch(EpochRecord("test", epoch, None))
        )
        ablations = {
            feature: _fit_and_rank(test.without_feature(feature), config, selected_params)
            for feature in (dataset.own_features if config.ablations else ())
        }
        baselines = build_baselines(validation, config)
        if test.repeat_scores is not None:
            baselines["buy_again"] = rank_by_purchases
        if oracle_factors is not None:
            baselines["oracle"] = build_oracle_method(oracle_factors)
        report.add(test, ranking, ablations, baselines)
    recommender, fit_seconds = _fit_recommender(
        dataset, config, selected_params, run_id, report.overall_metrics, record_epoch, warm_start_model
    )
    return TrainingResult(
        recommender=recommender,
        fit_seconds=fit_seconds,
        epochs_reason=reason,
        skip_reasons=report.skip_reasons,
        epoch_records=epoch_records,
        **report.tables,
    )


def _fit_and_rank(
    window: EvaluationWindow,
    config: TrainConfig,
    selected_params: SelectedParams,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Ranking:
    """Return the ranking of a model fitted to the data before a window, for all customers of the window."""
    model, customer_features = fit_window_model(window, config, selected_params, on_epoch)
    return window.rank_by_model(model, customer_features, config)


def _fit_recommender(
    dataset: Dataset,
    config: TrainConfig,
    selected_params: SelectedParams,
    run_id: str,
    metrics: list[MetricRow],
    on_epoch: EpochCallback,
    warm_start_model: Recommender | None,
) -> tuple[Recommender, float]:
    """Return the model fitted to the interactions at the cutoff 'now', and the duration of the fit in seconds."""
    now = dataset.select_cutoff("now")
    rows, features = now.interactions, now.product_features
    interactions = Interactions.from_table(rows, features["product_id"])
    has_repeats = interactions.repeat_scores is not None
    if warm_start_model is not None and has_repeats != (warm_start_model.repeat_scores is not None):
        change = "are" if has_repeats else "are not"
        raise ModelError(
            f"a warm start failed: purchased products {change} recommended again since the serving model was trained. "
            "Train without --warm-start"
        )
    customer_features = build_customer_features(now.features, interactions.users, config)
    start_seconds = time.perf_counter()
    model = fit_ranking_model(
        interactions.strength,
        config,
        selected_params if warm_start_model is None else replace(selected_params, epochs=config.warm_epochs),
        lambda report: on_epoch(EpochRecord("now", report, None)),
        item_features=ItemFeatures.from_tables(features, now.features, interactions.products, config),
        customer_features=customer_features.select(interactions.users.ids),
        initial_product_factors=None
        if warm_start_model is None
        else _align_product_factors(warm_start_model, interactions.products, config),
    )
    fit_seconds = time.perf_counter() - start_seconds
    factors = model.factors
    if factors.customer_coefficients is None:
        customer_features = FeatureMatrix.empty(IdMap([], "customer"))
    card = ModelCard(
        run_id=run_id,
        trained_at=datetime.now(UTC).replace(tzinfo=None),
        dataset_hash=dataset.dataset_hash,
        as_of=pc.max(rows["as_of"]).as_py(),
        config=config,
        epochs=selected_params.epochs,
        trend_power=selected_params.trend_power,
        regularization_scale=selected_params.regularization_scale,
        graph_weight=selected_params.graph_weight,
        graph_popularity_power=selected_params.graph_popularity_power,
        graph_entries=model.graph.neighbors.entry_count,
        repeat_weight=selected_params.repeat_weight,
        repeat_entries=0 if interactions.repeat_scores is None else interactions.repeat_scores.entry_count,
        warm_from=None if warm_start_model is None else warm_start_model.card.run_id,
        users=len(interactions.users),
        products=len(interactions.products),
        trained_products=factors.trained_product_count,
        interactions=rows.num_rows,
        mean_strength=factors.confidence.mean_strength,
        user_damping=factors.confidence.user_damping,
        unobserved_pair_weight=factors.unobserved_pair_weight,
        regularization=factors.regularization,
        customers_with_features=len(customer_features.ids),
        customer_feature_entries=customer_features.matrix.entry_count,
        customer_features=list(customer_features.values),
        metrics=metrics,
    )
    device = factors.product_factors.device
    recommender = Recommender(
        card,
        interactions.users,
        interactions.products,
        interactions.strength.to(device),
        model,
        replace(customer_features, matrix=customer_features.matrix.to(device)),
        _build_categories(features, interactions.products, device) if config.rerank_method == "calibrated" else None,
        None if interactions.repeat_scores is None else interactions.repeat_scores.to(device),
    )
    return recommender, fit_seconds


def _build_categories(product_features: pa.Table, products: IdMap, device: torch.device) -> Tensor:
    """Return the category of each product as a number, int64; products without one have the last number."""
    categories, category_count = encode_categories(product_features["category"])
    position = torch.from_numpy(products.find_positions(product_features["product_id"]))
    category_of_product = torch.full((len(products),), category_count - 1)
    category_of_product[position[position >= 0]] = categories[position >= 0]
    return category_of_product.to(device)


def _align_product_factors(recommender: Recommender, products: IdMap, config: TrainConfig) -> Tensor:
    """Return the model's factors of `products`, (products, factors); zero for unknown products."""
    factors = recommender.model.factors.product_factors
    if differences := recommender.card.config.describe_differences(config):
        raise ModelError(
            f"a warm start failed: the serving model was trained with other settings ({differences}). Train without "
            "--warm-start"
        )
    position = torch.from_numpy(recommender.products.find_positions(products.ids)).to(factors.device)
    return torch.where((position >= 0)[:, None], factors[position.clamp(min=0)], 0)
