"""Candidates for every customer, from the model that serves and the histories as they are today."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from models_ml.inference.candidates import Candidates
from models_ml.inference.recommender import Recommender
from orchestration.dataset_versions import read_interactions
from orchestration.model_registry import ModelRun, find_run, model_runs, next_to_serve, registered
from warehouse.database import insert, transaction, writer
from warehouse.disk_full import tell_full_disk
from warehouse.settings import Settings


@dataclass(frozen=True)
class ScoringSummary:
    """What a scoring did."""

    run_id: str
    """The model that scored, and serves from now on."""
    began_to_serve: bool
    """Whether it did not before."""
    customers: int
    candidates: int
    seconds: float


@tell_full_disk
def score(
    settings: Settings, on_stage: Callable[[str], None] = lambda _: None, *, run: str | None = None
) -> ScoringSummary | None:
    """Write ml.candidates, and let a new model serve from now on; None when no model may.

    That is the newest one that passed the gates, or the one whose run id begins with `run`, whatever the gates said.
    Who serves and what it suggests change in one transaction: a build in between never sees the one without the other.

    Raises:
        RecomartError: The marts are not built, there is no such run, or the warehouse is in use.
        ModelError: The model's artifact is gone or damaged, or it knows nothing of today's products.
        DiskFullError: No more can be written.
    """
    started = time.perf_counter()
    while (chosen := _chosen(model_runs(settings), run)) is not None:
        on_stage(f"scoring with model {chosen.run_id}")
        model = Recommender.load(settings.warehouse / chosen.artifact_path)
        candidates = Candidates.of(model, read_interactions(settings))
        with writer(settings) as connection, transaction(connection):
            now = _chosen(registered(connection), run)
            if now is None or now.run_id != chosen.run_id:
                # Somebody let another one serve since.
                continue
            rows = _write(connection, candidates)
            if not now.is_serving:
                _let_serve(connection, now.run_id)
            if run is not None:
                _pass_over(connection, now.run_id)
        return ScoringSummary(
            run_id=now.run_id,
            began_to_serve=not now.is_serving,
            customers=len(candidates.recommender.users),
            candidates=rows,
            seconds=time.perf_counter() - started,
        )
    return None


def _chosen(runs: list[ModelRun], prefix: str | None) -> ModelRun | None:
    return next_to_serve(runs) if prefix is None else find_run(runs, prefix)


def _write(connection: duckdb.DuckDBPyConnection, candidates: Candidates) -> int:
    """Put them in the place of those before; return how many there are."""
    connection.execute("delete from ml.candidates")
    rows = 0
    for block in candidates.blocks():
        rows += block.num_rows
        insert(connection, "candidates", block)
    return rows


def _pass_over(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Who calls a model back does not mean the ones that wait, which may have learned from the same bad data."""
    connection.execute(
        "update ml.model_runs set held_back_because = ? "
        "where held_back_because is null and promoted_at is null and run_id <> ?",
        [f"passed over when {run_id} was promoted", run_id],
    )


def _let_serve(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    connection.execute("update ml.model_runs set is_serving = false where is_serving")
    connection.execute(
        "update ml.model_runs set is_serving = true, promoted_at = ? where run_id = ?",
        [datetime.now(UTC).replace(tzinfo=None), run_id],
    )
