"""Model registry: all model runs, which one serves, which ones were rejected and why, and which one is next."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import duckdb
from pydantic import BaseModel, ConfigDict

from warehouse.database import open_reader, open_writer
from warehouse.errors import RecomartError
from warehouse.settings import Settings

MODEL_RUNS_QUERY = """
    select
        runs.run_id,
        runs.trained_at,
        runs.as_of,
        runs.dataset_hash,
        runs.warm_from,
        runs.users,
        runs.products,
        runs.interactions,
        runs.artifact_path,
        runs.config,
        model.ndcg as ndcg_at_10,
        popularity.ndcg as popularity_ndcg_at_10,
        runs.is_serving,
        runs.promoted_at,
        runs.rejection_reason,
        runs.run_number,
        runs.promotion_number,
        runs.gate_policy,
    from ml.model_runs as runs
    left join ml.ranking_metrics as model
        on runs.run_id = model.run_id and model.method = 'als'
        and (model.cutoff, model.segment, model.k) = ('test', 'all', 10)
    left join ml.ranking_metrics as popularity
        on runs.run_id = popularity.run_id and popularity.method = 'popularity'
        and (popularity.cutoff, popularity.segment, popularity.k) = ('test', 'all', 10)
    order by runs.run_number desc
"""

NEXT_NUMBER_QUERY = "(select 1 + coalesce(max(greatest(run_number, promotion_number)), 0) from ml.model_runs)"
"""The next number of the sequence of trainings and promotions; to use in the transaction that writes it."""


class ModelRun(BaseModel):
    """A trained model and its place in the registry; all timestamps are UTC."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    run_id: str
    trained_at: datetime
    as_of: datetime
    """End of its training data."""
    dataset_hash: str
    warm_from: str | None
    """Run id of the model whose factors it started from; None for a cold start."""
    users: int
    products: int
    interactions: int
    artifact_path: str
    """Folder of its artifact, relative to the warehouse's folder."""
    config: str
    """Its training settings as JSON."""
    ndcg_at_10: float | None
    """NDCG@10 in its own test window; None when the window was empty."""
    popularity_ndcg_at_10: float | None
    """NDCG@10 of popularity in the same window."""
    is_serving: bool
    promoted_at: datetime | None
    """When it last began to serve; None when it has never served."""
    rejection_reason: str | None
    """The gates that it failed, with the measured values, or the model that was promoted instead; None when it may
    serve."""
    run_number: int
    """Place of the training in the sequence of all trainings and promotions. Which model is newer does not depend on
    the clock."""
    promotion_number: int | None
    """Place of its last promotion in the same sequence; None when it has never served."""
    gate_policy: str | None
    """The gates that it had to pass, as JSON; None when an earlier version of RecoMart trained it."""


def list_model_runs(settings: Settings) -> list[ModelRun]:
    """Return every model run, newest first.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet.
    """
    try:
        with open_reader(settings) as connection:
            return read_model_runs(connection)
    except duckdb.BinderException:
        # An earlier version of RecoMart made the table: the writer adds the columns.
        with open_writer(settings) as connection:
            return read_model_runs(connection)


def read_model_runs(connection: duckdb.DuckDBPyConnection) -> list[ModelRun]:
    """Return every model run of an open warehouse, newest first."""
    with suppress(duckdb.CatalogException):
        return [ModelRun(**row) for row in connection.sql(MODEL_RUNS_QUERY).to_arrow_table().to_pylist()]
    return []


def find_serving_run(runs: Sequence[ModelRun]) -> ModelRun | None:
    """Return the serving model; None when no model serves."""
    return next((run for run in runs if run.is_serving), None)


def is_waiting_to_serve(run: ModelRun, serving_run: ModelRun | None) -> bool:
    """Return whether a model passed the gates, has never served, and is newer than the serving model."""
    serving_run_number = serving_run.run_number if serving_run else 0
    return run.rejection_reason is None and run.promotion_number is None and run.run_number > serving_run_number


def find_next_serving_run(runs: list[ModelRun]) -> ModelRun | None:
    """Return the newest model that waits to serve, or else the serving model."""
    serving_run = find_serving_run(runs)
    return next((run for run in runs if is_waiting_to_serve(run, serving_run)), serving_run)


def find_run(runs: list[ModelRun], prefix: str) -> ModelRun:
    """Return the model whose run id begins with `prefix`.

    Raises:
        RecomartError: No model, or more than one, has such a run id.
    """
    if not prefix:
        raise RecomartError("an empty run id names no model. `recomart models` lists them")
    matches = [run for run in runs if run.run_id.startswith(prefix)]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise RecomartError(f"no model has a run id that begins with {prefix!r}. `recomart models` lists them")
    raise RecomartError(
        f"{len(matches)} models have a run id that begins with {prefix!r}: "
        f"{', '.join(run.run_id for run in matches[:5])}. Give more characters"
    )
