"""Retraining: find out whether a training is due, and whether it is a warm or a cold start."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import duckdb
from pydantic import ValidationError

from models_ml.config import TrainConfig
from models_ml.data.dataset_store import get_table_path
from models_ml.errors import ModelError
from models_ml.evaluation.monitoring import evaluate_since_training
from models_ml.inference.recommender import Recommender
from orchestration.config_files import read_policy
from orchestration.dataset_versions import read_event_weights, read_interactions, read_marts
from orchestration.dbt_manifest import load_manifest
from orchestration.model_features import describe_declarations, find_declarations
from orchestration.model_registry import ModelRun, find_next_serving_run, find_serving_run, list_model_runs
from orchestration.policy import RetrainPolicy
from warehouse.database import fetch_first_row, open_reader
from warehouse.formatting import format_count
from warehouse.settings import Settings

CHANGED_PAIRS_QUERY = """
    with current_pairs as (

        select user_id, product_id, interaction_count, last_interaction_at
        from marts.ml_interactions
        where cutoff = 'now'

    ),

    trained_pairs as (

        {trained_pairs}

    )

    select
        (select count(*) from current_pairs),
        count(*) filter (
            current_pairs.interaction_count is distinct from trained_pairs.interaction_count
            or current_pairs.last_interaction_at is distinct from trained_pairs.last_interaction_at
        )
    from current_pairs
    full join trained_pairs
        on current_pairs.user_id = trained_pairs.user_id
        and current_pairs.product_id = trained_pairs.product_id
"""

DATASET_PAIRS = """
        select user_id, product_id, interaction_count, last_interaction_at
        from read_parquet($file)
        where cutoff = 'now'
"""

PAIRS_BEFORE_TRAINING = "from current_pairs where last_interaction_at < $trained_as_of"
"""Used in place of DATASET_PAIRS when the dataset version cannot be read. The pairs are approximate: rows that arrived
late or were removed after the training are not found."""

AS_OF_QUERY = "select max(as_of) from marts.ml_interactions where cutoff = 'now'"

HAS_REPEATS_QUERY = "select count(repeat_score) > 0 from marts.ml_interactions where cutoff = 'now'"

DAY = timedelta(days=1)


@dataclass(frozen=True)
class TrainingRequest:
    """A training that the policy requires."""

    reason: str
    is_warm_start: bool
    """Whether it starts from the serving model's factors."""


def find_due_training(settings: Settings, config: TrainConfig) -> TrainingRequest | None:
    """Return the training that the policy requires for the current marts and settings; None when none is due.

    Also returns None when the same training already gave a model that was rejected: the result would be the same.

    Raises:
        RecomartError: The policy is wrong, the marts are not built, or the warehouse is in use.
    """
    retrain_policy = read_policy(settings).retrain
    if not retrain_policy.is_automatic:
        return None
    runs = list_model_runs(settings)
    latest_run = find_next_serving_run(runs)
    if latest_run is None:
        request: TrainingRequest | None = TrainingRequest("no model serves yet", is_warm_start=False)
    else:
        try:
            recommender = Recommender.load(settings.warehouse / latest_run.artifact_path)
        except ModelError as error:
            return TrainingRequest(str(error), is_warm_start=False)
        request = _apply_policy(settings, retrain_policy, runs, latest_run, recommender, config)
    return None if request is None or _is_already_rejected(settings, runs, config, request) else request


def _apply_policy(
    settings: Settings,
    retrain_policy: RetrainPolicy,
    runs: list[ModelRun],
    latest_run: ModelRun,
    recommender: Recommender,
    config: TrainConfig,
) -> TrainingRequest | None:
    """Return the training that the policy requires because of new settings, new data or a low ranking quality."""
    if config_changes := _describe_config_changes(latest_run, config):
        return TrainingRequest(
            f"the settings have changed since the model was trained: {config_changes}", is_warm_start=False
        )
    if changed_features := _find_changed_features(settings, latest_run):
        return TrainingRequest(
            f"declared features have changed since the model was trained: {changed_features}", is_warm_start=False
        )
    with open_reader(settings) as connection:
        has_repeats, *_ = fetch_first_row(connection, HAS_REPEATS_QUERY) or (False,)
        changed_weights = _find_changed_weights(connection, latest_run)
        pair_count, changed_pair_count = _count_changed_pairs(connection, settings, latest_run)
        (as_of,) = fetch_first_row(connection, AS_OF_QUERY) or (None,)
    if has_repeats != (recommender.repeat_scores is not None):
        change = "are" if has_repeats else "are no longer"
        return TrainingRequest(
            f"purchased products {change} recommended again since the model was trained", is_warm_start=False
        )
    # A changed weight is a reason only if it changes the training data. The weight of an unused event type does not.
    if changed_weights and read_marts(settings)[0].dataset_hash != latest_run.dataset_hash:
        return TrainingRequest(
            f"event weights have changed since the model was trained: {changed_weights}", is_warm_start=False
        )
    age = as_of - latest_run.as_of if as_of else timedelta(0)
    cold_start_age = as_of - _find_cold_start(runs, latest_run).as_of if as_of else timedelta(0)
    # A warm start begins with the factors of the serving model. The latest run serves only after its first scoring.
    is_warm_start = latest_run.is_serving and cold_start_age < retrain_policy.max_warm_start_days * DAY
    reason = _describe_data_changes(retrain_policy, changed_pair_count, pair_count, age) or (
        _describe_low_ranking(settings, retrain_policy, recommender) if changed_pair_count else None
    )
    return TrainingRequest(reason, is_warm_start) if reason else None


def _is_already_rejected(
    settings: Settings, runs: list[ModelRun], config: TrainConfig, request: TrainingRequest
) -> bool:
    """Return whether a training with the same rows, serving model, settings and gates gave a rejected model."""
    serving_run, gate_policy = find_serving_run(runs), read_policy(settings).gates.model_dump_json()
    warm_from = serving_run.run_id if serving_run and request.is_warm_start else None
    with open_reader(settings) as connection:
        (as_of,) = fetch_first_row(connection, AS_OF_QUERY) or (None,)
    rejected_hashes = {
        run.dataset_hash
        for run in runs
        if run.rejection_reason is not None
        and run.promotion_number is None
        and (run.as_of, run.warm_from) == (as_of, warm_from)
        and (serving_run is None or (serving_run.promotion_number or serving_run.run_number) < run.run_number)
        and run.gate_policy == gate_policy
        and not _describe_config_changes(run, config)
    }
    # Reading all rows for their hash takes a fraction of a training's time.
    return bool(rejected_hashes) and read_marts(settings)[0].dataset_hash in rejected_hashes


def _describe_config_changes(latest_run: ModelRun, config: TrainConfig) -> str:
    """Return the settings that have changed since the run; an empty text when all are equal."""
    try:
        return TrainConfig.model_validate_json(latest_run.config).describe_differences(config)
    except ValidationError:
        return "an earlier version of RecoMart trained it"


def _read_dataset_settings(connection: duckdb.DuckDBPyConnection, run: ModelRun) -> dict[str, Any]:
    """Return the settings of the dataset version of a run; empty when they are not recorded."""
    (settings_json,) = fetch_first_row(
        connection, "select settings from ml.dataset_versions where dataset_hash = ?", [run.dataset_hash]
    ) or ("{}",)
    dataset_settings: dict[str, Any] = json.loads(settings_json)
    return dataset_settings


def _find_changed_features(settings: Settings, latest_run: ModelRun) -> str:
    """Return the declared features that were added, removed or given another kind since the model was trained."""
    features = describe_declarations(find_declarations(load_manifest(settings)))
    with open_reader(settings) as connection:
        trained_features = _read_dataset_settings(connection, latest_run).get("features", features)
    return ", ".join(
        name for name in sorted({*features, *trained_features}) if features.get(name) != trained_features.get(name)
    )


def _find_changed_weights(connection: duckdb.DuckDBPyConnection, latest_run: ModelRun) -> str:
    """Return the names of the event types whose weights have changed since the model was trained."""
    trained_weights = _read_dataset_settings(connection, latest_run).get("event_weights", {})
    weights = read_event_weights(connection)
    if not trained_weights:
        return ""
    return ", ".join(
        name for name in sorted({*trained_weights, *weights}) if trained_weights.get(name) != weights.get(name)
    )


def _count_changed_pairs(
    connection: duckdb.DuckDBPyConnection, settings: Settings, latest_run: ModelRun
) -> tuple[int, int]:
    """Return the number of pairs, and the number that is new, removed or changed since the model was trained."""
    file = get_table_path(settings.datasets_dir, latest_run.dataset_hash, "interactions")
    try:
        counts = fetch_first_row(
            connection, CHANGED_PAIRS_QUERY.format(trained_pairs=DATASET_PAIRS), {"file": str(file)}
        )
    except duckdb.Error:
        counts = fetch_first_row(
            connection,
            CHANGED_PAIRS_QUERY.format(trained_pairs=PAIRS_BEFORE_TRAINING),
            {"trained_as_of": latest_run.as_of},
        )
    assert counts is not None
    return int(counts[0]), int(counts[1])


def _describe_data_changes(
    retrain_policy: RetrainPolicy, changed_pair_count: int, pair_count: int, age: timedelta
) -> str | None:
    """Return why the amount or the age of the new data requires a training; None when it does not."""
    changed_share = changed_pair_count / pair_count if pair_count else 0.0
    if changed_share > retrain_policy.max_changed_share:
        return f"{changed_share:.1%} of all pairs are new or changed (policy: {retrain_policy.max_changed_share:.1%})"
    if age >= retrain_policy.max_age_days * DAY:
        return f"the data are {age / DAY:.1f} days newer than the model (policy: {retrain_policy.max_age_days:g})"
    return None


def _describe_low_ranking(settings: Settings, retrain_policy: RetrainPolicy, recommender: Recommender) -> str | None:
    """Return by how much the model's ranking is too low; None when it is good, or too few customers are evaluated."""
    metrics = evaluate_since_training(recommender, read_interactions(settings), read_policy(settings).gates.k)
    if (
        metrics is None
        or metrics.user_count < retrain_policy.min_lift_customers
        or metrics.ndcg >= retrain_policy.min_lift * metrics.popularity_ndcg
    ):
        return None
    return (
        f"the model's NDCG@{metrics.k} on interactions since its training is {metrics.ndcg:.4f}, that of popularity "
        f"{metrics.popularity_ndcg:.4f}, for {format_count(metrics.user_count, 'customer')} "
        f"(policy: at least {retrain_policy.min_lift:g} times popularity)"
    )


def _find_cold_start(runs: list[ModelRun], latest_run: ModelRun) -> ModelRun:
    """Return the cold start at the beginning of the run's chain of warm starts."""
    by_id = {run.run_id: run for run in runs}
    run = latest_run
    while run.warm_from is not None and run.warm_from in by_id:
        run = by_id[run.warm_from]
    return run
