"""Whether the warehouse's policy asks for a new model now, and for which kind."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from pydantic import ValidationError

from models_ml.config import TrainConfig
from models_ml.dataset_store import table_file
from models_ml.errors import ModelError
from orchestration.datasets import event_weights, read_interactions, read_marts
from orchestration.model_runs import ModelRun, model_runs, next_to_serve, serving_run
from orchestration.policy import RetrainPolicy, policy
from warehouse.database import reader
from warehouse.settings import Settings
from warehouse.wording import counted

if TYPE_CHECKING:
    from models_ml.recommender import Recommender

PAIRS = """
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

TRAINED_ON = """
        select user_id, product_id, interaction_count, last_interaction_at
        from read_parquet($file)
        where cutoff = 'now'
"""

BEFORE = "from now where last_interaction_at < $since"
"""Stands for what was trained on when that cannot be read: of what came late or was taken back it tells nothing."""

NOW = "select max(as_of) from marts.ml_interactions where cutoff = 'now'"

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Training:
    """A training that the policy asks for."""

    reason: str
    warm: bool
    """Whether it starts from the serving model's factors."""


def training_due(settings: Settings, config: TrainConfig) -> Training | None:
    """What the policy asks for, given the marts and the settings as they are; None when the model may stay.

    None, too, when the same training ended in a model that was held back: it would end in it again.

    Raises:
        RecomartError: The policy is wrong, the marts are not built, or the warehouse is in use.
    """
    # torch takes a second to import, and every command imports this module.
    from models_ml.recommender import Recommender

    asked = policy(settings).retrain
    if not asked.is_automatic:
        return None
    runs = model_runs(settings)
    latest = next_to_serve(runs)
    if latest is None:
        due: Training | None = Training("no model serves yet", warm=False)
    else:
        try:
            model = Recommender.load(settings.warehouse / latest.artifact_path)
        except ModelError as error:
            return Training(str(error), warm=False)
        due = _asked_for(settings, asked, runs, latest, model, config)
    return None if due is None or _was_in_vain(settings, runs, config, due) else due


def _asked_for(
    settings: Settings,
    asked: RetrainPolicy,
    runs: list[ModelRun],
    latest: ModelRun,
    model: "Recommender",
    config: TrainConfig,
) -> Training | None:
    if changed := _changed(latest, config):
        return Training(f"the settings have changed since the model was trained: {changed}", warm=False)
    with reader(settings) as connection:
        weighted = _weighted_otherwise(connection, latest)
        pairs, changed_pairs = _pairs(connection, settings, latest)
        (as_of,) = connection.execute(NOW).fetchone() or (None,)
    # Another weight of what nobody does changes no row.
    if weighted and read_marts(settings)[0].dataset_hash != latest.dataset_hash:
        return Training(f"actions have other weights than when the model was trained: {weighted}", warm=False)
    age = as_of - latest.as_of if as_of else timedelta(0)
    since_cold = as_of - _last_cold(runs, latest).as_of if as_of else timedelta(0)
    # What a training goes on from is the model that serves, not one that waits for its first scoring.
    warm = latest.is_serving and since_cold < asked.cold_after_days * DAY
    reason = _by_the_figures(asked, changed_pairs, pairs, age) or (
        _by_its_lists(settings, asked, model) if changed_pairs else None
    )
    return Training(reason, warm) if reason else None


def _was_in_vain(settings: Settings, runs: list[ModelRun], config: TrainConfig, due: Training) -> bool:
    """Whether the same training ended in a model held back: same rows, same model beside it, same gates."""
    serving = serving_run(runs)
    start = serving.run_id if serving and due.warm else None
    with reader(settings) as connection:
        (as_of,) = connection.execute(NOW).fetchone() or (None,)
    versions = {
        run.dataset_hash
        for run in runs
        if run.held_back_because is not None
        and run.promoted_at is None
        and (run.as_of, run.warm_from) == (as_of, start)
        and (serving is None or (serving.promoted_at or serving.trained_at) < run.trained_at)
        and _changed_at(settings.policy) < run.trained_at
        and not _changed(run, config)
    }
    # To read all rows for their hash takes a fraction of a training.
    return bool(versions) and read_marts(settings)[0].dataset_hash in versions


def _changed_at(file: Path) -> datetime:
    """When a file was last changed (UTC); long ago when it is not there."""
    try:
        return datetime.fromtimestamp(file.stat().st_ctime, UTC).replace(tzinfo=None)
    except FileNotFoundError:
        return datetime.min


def _changed(latest: ModelRun, config: TrainConfig) -> str:
    try:
        return TrainConfig.model_validate_json(latest.config).differences(config)
    except ValidationError:
        return "an earlier version trained it"


def _weighted_otherwise(connection: duckdb.DuckDBPyConnection, latest: ModelRun) -> str:
    """The types of actions whose weight is not what it was when a model was trained, in words."""
    (before,) = connection.execute(
        "select settings from ml.dataset_versions where dataset_hash = ?", [latest.dataset_hash]
    ).fetchone() or ("{}",)
    then, now = json.loads(before).get("event_weights", {}), event_weights(connection)
    return ", ".join(name for name in sorted({*then, *now}) if then.get(name) != now.get(name)) if then else ""


def _pairs(connection: duckdb.DuckDBPyConnection, settings: Settings, latest: ModelRun) -> tuple[int, int]:
    """How many pairs there are, and how many are new, gone or otherwise than when a model was trained."""
    file = table_file(settings.datasets_dir, latest.dataset_hash, "interactions")
    try:
        found = connection.execute(PAIRS.format(trained_on=TRAINED_ON), {"file": str(file)}).fetchone()
    except duckdb.Error:
        found = connection.execute(PAIRS.format(trained_on=BEFORE), {"since": latest.as_of}).fetchone()
    assert found is not None
    return int(found[0]), int(found[1])


def _by_the_figures(asked: RetrainPolicy, changed: int, pairs: int, age: timedelta) -> str | None:
    if pairs and changed / pairs > asked.new_interactions:
        return f"{changed / pairs:.1%} of all pairs are new or changed (policy: {asked.new_interactions:.1%})"
    if age >= asked.age_days * DAY:
        return f"the model is {age / DAY:.1f} days of data old (policy: {asked.age_days:g})"
    return None


def _by_its_lists(settings: Settings, asked: RetrainPolicy, model: "Recommender") -> str | None:
    from models_ml.forecast import forecast

    found = forecast(model, read_interactions(settings), policy(settings).gates.cutoff)
    if found is None or found.users < asked.lift_customers or found.ndcg >= asked.least_lift * found.popularity_ndcg:
        return None
    return (
        f"what {counted(found.users, 'customer')} newly took since it was trained it foretold with an "
        f"NDCG@{found.k} of {found.ndcg:.4f}, popularity with {found.popularity_ndcg:.4f} "
        f"(policy: {asked.least_lift:g} times that)"
    )


def _last_cold(runs: list[ModelRun], latest: ModelRun) -> ModelRun:
    """The run at the beginning of the chain of trainings that started from one another."""
    by_id = {run.run_id: run for run in runs}
    run = latest
    while run.warm_from is not None and run.warm_from in by_id:
        run = by_id[run.warm_from]
    return run
