"""The register of models: which one serves, which were held back and why, and which is next."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import duckdb
from pydantic import BaseModel, ConfigDict

from warehouse.database import reader
from warehouse.errors import RecomartError
from warehouse.settings import Settings

RUNS = """
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
        runs.held_back_because,
    from ml.model_runs as runs
    left join ml.ranking_metrics as model
        on runs.run_id = model.run_id and model.method = 'als'
        and (model.cutoff, model.segment, model.k) = ('test', 'all', 10)
    left join ml.ranking_metrics as popularity
        on runs.run_id = popularity.run_id and popularity.method = 'popularity'
        and (popularity.cutoff, popularity.segment, popularity.k) = ('test', 'all', 10)
    order by runs.trained_at desc
"""


class ModelRun(BaseModel):
    """A trained model."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    run_id: str
    trained_at: datetime
    """UTC, as all instants here."""
    as_of: datetime
    """The instant that its training rows end at."""
    dataset_hash: str
    warm_from: str | None
    """The run whose factors it started from."""
    users: int
    products: int
    interactions: int
    artifact_path: str
    """Its folder, relative to the warehouse's."""
    config: str
    """Its training settings, as JSON."""
    ndcg_at_10: float | None
    """In its own test window; None when there was none."""
    popularity_ndcg_at_10: float | None
    is_serving: bool
    promoted_at: datetime | None
    """When it began to serve last; None when it never did."""
    held_back_because: str | None
    """The gates that it did not pass, with what was measured, or who was promoted past it; None when it may serve."""


def model_runs(settings: Settings) -> list[ModelRun]:
    """Every model, the newest first.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet.
    """
    with reader(settings) as connection:
        return registered(connection)


def registered(connection: duckdb.DuckDBPyConnection) -> list[ModelRun]:
    """Every model of an open warehouse, the newest first."""
    with suppress(duckdb.CatalogException):
        return [ModelRun(**row) for row in connection.sql(RUNS).to_arrow_table().to_pylist()]
    return []


def serving_run(runs: Sequence[ModelRun]) -> ModelRun | None:
    """The model that serves."""
    return next((run for run in runs if run.is_serving), None)


def is_waiting(run: ModelRun, serving: ModelRun | None) -> bool:
    """Whether a model passed the gates, never served, and is newer than the one that does."""
    since = serving.trained_at if serving else datetime.min
    return run.held_back_because is None and run.promoted_at is None and run.trained_at > since


def next_to_serve(runs: list[ModelRun]) -> ModelRun | None:
    """The newest model that waits to serve, else the one that does."""
    serving = serving_run(runs)
    return next((run for run in runs if is_waiting(run, serving)), serving)


def find_run(runs: list[ModelRun], prefix: str) -> ModelRun:
    """The one model whose run id begins so.

    Raises:
        RecomartError: None does, or several do.
    """
    if not prefix:
        raise RecomartError("an empty run id names no model; `recomart models` lists them")
    found = [run for run in runs if run.run_id.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise RecomartError(f"no model has a run id that begins with {prefix!r}; `recomart models` lists them")
    raise RecomartError(
        f"{len(found)} models have a run id that begins with {prefix!r}: "
        f"{', '.join(run.run_id for run in found[:5])}; give more of it"
    )
