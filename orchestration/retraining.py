"""Whether the warehouse's policy asks for a new model now, and for which kind."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from pydantic import ValidationError

from models_ml.config import TrainConfig
from models_ml.data.dataset_store import get_table_path
from models_ml.errors import ModelError
from models_ml.evaluation.monitoring import evaluate_since_training
from models_ml.inference.recommender import Recommender
from orchestration.config_files import read_policy
from orchestration.dataset_versions import read_event_weights, read_interactions, read_marts
from orchestration.model_registry import ModelRun, find_next_serving_run, find_serving_run, list_model_runs
from orchestration.policy import RetrainPolicy
from warehouse.database import open_reader
from warehouse.formatting import format_count
from warehouse.settings import Settings

CHANGED_PAIRS_QUERY = """
    with now as (

        select user_id, product_id, interaction_count, last_interaction_at
        from marts.ml_interactions
        where cutoff = 'now'

    ),

    trained_on as (

        {trained_on}

    )

    select
        (select count(*) from now),
        count(*) filter (
            now.interaction_count is distinct from trained_on.interaction_count
            or now.last_interaction_at is distinct from trained_on.last_interaction_at
        )
    from now
    full join trained_on
        on now.user_id = trained_on.user_id
        and now.product_id = trained_on.product_id
"""

TRAINED_PAIRS = """
        select user_id, product_id, interaction_count, last_interaction_at
        from read_parquet($file)
        where cutoff = 'now'
"""

OLDER_PAIRS = "from now where last_interaction_at < $since"
"""Stands for what was trained on when that cannot be read: of what came late or was taken back it tells nothing."""

DATA_END_QUERY = "select max(as_of) from marts.ml_interactions where cutoff = 'now'"

DAY = timedelta(days=1)


@dataclass(frozen=True)
class TrainingRequest:
    """A training that the policy asks for."""

    reason: str
    is_warm_start: bool
    """Whether it starts from the serving model's factors."""


def find_due_training(settings: Settings, config: TrainConfig) -> TrainingRequest | None:
    """What the policy asks for, given the marts and the settings as they are; None when the model may stay.

    None, too, when the same training ended in a model that was held back: it would end in it again.

    Raises:
        RecomartError: The policy is wrong, the marts are not built, or the warehouse is in use.
    """
    asked = read_policy(settings).retrain
    if not asked.is_automatic:
        return None
    runs = list_model_runs(settings)
    latest = find_next_serving_run(runs)
    if latest is None:
        due: TrainingRequest | None = TrainingRequest("no model serves yet", is_warm_start=False)
    else:
        try:
            model = Recommender.load(settings.warehouse / latest.artifact_path)
        except ModelError as error:
            return TrainingRequest(str(error), is_warm_start=False)
        due = _check_policy(settings, asked, runs, latest, model, config)
    return None if due is None or _is_already_rejected(settings, runs, config, due) else due


def _check_policy(
    settings: Settings,
    retrain_policy: RetrainPolicy,
    runs: list[ModelRun],
    latest_run: ModelRun,
    recommender: Recommender,
    config: TrainConfig,
) -> TrainingRequest | None:
    if changed := _describe_config_changes(latest_run, config):
        return TrainingRequest(f"the settings have changed since the model was trained: {changed}", is_warm_start=False)
    with open_reader(settings) as connection:
        weighted = _find_changed_weights(connection, latest_run)
        pairs, changed_pairs = _count_changed_pairs(connection, settings, latest_run)
        (as_of,) = connection.execute(DATA_END_QUERY).fetchone() or (None,)
    # Another weight of what nobody does changes no row.
    if weighted and read_marts(settings)[0].dataset_hash != latest_run.dataset_hash:
        return TrainingRequest(
            f"actions have other weights than when the model was trained: {weighted}", is_warm_start=False
        )
    age = as_of - latest_run.as_of if as_of else timedelta(0)
    since_cold = as_of - _find_cold_start(runs, latest_run).as_of if as_of else timedelta(0)
    # What a training goes on from is the model that serves, not one that waits for its first scoring.
    warm = latest_run.is_serving and since_cold < retrain_policy.max_warm_start_days * DAY
    reason = _check_data_changes(retrain_policy, changed_pairs, pairs, age) or (
        _check_ranking(settings, retrain_policy, recommender) if changed_pairs else None
    )
    return TrainingRequest(reason, warm) if reason else None


def _is_already_rejected(
    settings: Settings, runs: list[ModelRun], config: TrainConfig, request: TrainingRequest
) -> bool:
    """Whether the same training ended in a model held back: same rows, same model beside it, same gates."""
    serving = find_serving_run(runs)
    start = serving.run_id if serving and request.is_warm_start else None
    with open_reader(settings) as connection:
        (as_of,) = connection.execute(DATA_END_QUERY).fetchone() or (None,)
    versions = {
        run.dataset_hash
        for run in runs
        if run.rejection_reason is not None
        and run.promoted_at is None
        and (run.as_of, run.warm_from) == (as_of, start)
        and (serving is None or (serving.promoted_at or serving.trained_at) < run.trained_at)
        and _get_change_time(settings.policy_file) < run.trained_at
        and not _describe_config_changes(run, config)
    }
    # To read all rows for their hash takes a fraction of a training.
    return bool(versions) and read_marts(settings)[0].dataset_hash in versions


def _get_change_time(file: Path) -> datetime:
    """When a file was last changed (UTC); long ago when it is not there."""
    try:
        return datetime.fromtimestamp(file.stat().st_ctime, UTC).replace(tzinfo=None)
    except FileNotFoundError:
        return datetime.min


def _describe_config_changes(latest_run: ModelRun, config: TrainConfig) -> str:
    try:
        return TrainConfig.model_validate_json(latest_run.config).describe_differences(config)
    except ValidationError:
        return "an earlier version trained it"


def _find_changed_weights(connection: duckdb.DuckDBPyConnection, latest_run: ModelRun) -> str:
    """The types of actions whose weight is not what it was when a model was trained, in words."""
    (before,) = connection.execute(
        "select settings from ml.dataset_versions where dataset_hash = ?", [latest_run.dataset_hash]
    ).fetchone() or ("{}",)
    then, now = json.loads(before).get("event_weights", {}), read_event_weights(connection)
    return ", ".join(name for name in sorted({*then, *now}) if then.get(name) != now.get(name)) if then else ""


def _count_changed_pairs(
    connection: duckdb.DuckDBPyConnection, settings: Settings, latest_run: ModelRun
) -> tuple[int, int]:
    """How many pairs there are, and how many are new, gone or otherwise than when a model was trained."""
    file = get_table_path(settings.datasets_dir, latest_run.dataset_hash, "interactions")
    try:
        found = connection.execute(CHANGED_PAIRS_QUERY.format(trained_on=TRAINED_PAIRS), {"file": str(file)}).fetchone()
    except duckdb.Error:
        found = connection.execute(
            CHANGED_PAIRS_QUERY.format(trained_on=OLDER_PAIRS), {"since": latest_run.as_of}
        ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1])


def _check_data_changes(
    retrain_policy: RetrainPolicy, changed_pair_count: int, pair_count: int, age: timedelta
) -> str | None:
    if pair_count and changed_pair_count / pair_count > retrain_policy.max_changed_share:
        return f"{changed_pair_count / pair_count:.1%} of all pairs are new or changed (policy: {retrain_policy.max_changed_share:.1%})"
    if age >= retrain_policy.max_age_days * DAY:
        return f"the model is {age / DAY:.1f} days of data old (policy: {retrain_policy.max_age_days:g})"
    return None


def _check_ranking(settings: Settings, retrain_policy: RetrainPolicy, recommender: Recommender) -> str | None:
    found = evaluate_since_training(recommender, read_interactions(settings), read_policy(settings).gates.k)
    if (
        found is None
        or found.user_count < retrain_policy.min_lift_customers
        or found.ndcg >= retrain_policy.min_lift * found.popularity_ndcg
    ):
        return None
    return (
        f"what {format_count(found.user_count, 'customer')} newly took since it was trained it foretold with an "
        f"NDCG@{found.k} of {found.ndcg:.4f}, popularity with {found.popularity_ndcg:.4f} "
        f"(policy: {retrain_policy.min_lift:g} times that)"
    )


def _find_cold_start(runs: list[ModelRun], latest_run: ModelRun) -> ModelRun:
    """The run at the beginning of the chain of trainings that started from one another."""
    by_id = {run.run_id: run for run in runs}
    run = latest_run
    while run.warm_from is not None and run.warm_from in by_id:
        run = by_id[run.warm_from]
    return run
