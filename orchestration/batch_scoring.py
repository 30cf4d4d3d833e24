"""Candidates for every customer, from the model that serves and the histories as they are today."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from models_ml.inference.candidates import Candidates
from models_ml.inference.recommender import Recommender
from orchestration.dataset_versions import read_interactions
from orchestration.model_registry import ModelRun, find_next_serving_run, find_run, list_model_runs, read_model_runs
from warehouse.database import insert_ml_rows, open_writer, transaction
from warehouse.disk_full import raise_on_full_disk
from warehouse.settings import Settings


@dataclass(frozen=True)
class ScoringSummary:
    """What a scoring did."""

    run_id: str
    """The model that scored, and serves from now on."""
    is_newly_serving: bool
    """Whether it did not before."""
    customer_count: int
    candidate_count: int
    seconds: float


@raise_on_full_disk
def score_customers(
    settings: Settings, on_stage: Callable[[str], None] = lambda _: None, *, run_id_prefix: str | None = None
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
    while (chosen := _select_run(list_model_runs(settings), run_id_prefix)) is not None:
        on_stage(f"scoring with model {chosen.run_id}")
        model = Recommender.load(settings.warehouse / chosen.artifact_path)
        candidates = Candidates.create(model, read_interactions(settings))
        with open_writer(settings) as connection, transaction(connection):
            now = _select_run(read_model_runs(connection), run_id_prefix)
            if now is None or now.run_id != chosen.run_id:
                # Somebody let another one serve since.
                continue
            rows = _write_candidates(connection, candidates)
            if not now.is_serving:
                _set_serving_run(connection, now.run_id)
            if run_id_prefix is not None:
                _reject_waiting_runs(connection, now.run_id)
        return ScoringSummary(
            run_id=now.run_id,
            is_newly_serving=not now.is_serving,
            customer_count=len(candidates.recommender.users),
            candidate_count=rows,
            seconds=time.perf_counter() - started,
        )
    return None


def _select_run(runs: list[ModelRun], prefix: str | None) -> ModelRun | None:
    return find_next_serving_run(runs) if prefix is None else find_run(runs, prefix)


def _write_candidates(connection: duckdb.DuckDBPyConnection, candidates: Candidates) -> int:
    """Put them in the place of those before; return how many there are."""
    connection.execute("delete from ml.candidates")
    rows = 0
    for block in candidates.iter_blocks():
        rows += block.num_rows
        insert_ml_rows(connection, "candidates", block)
    return rows


def _reject_waiting_runs(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Who calls a model back does not mean the ones that wait, which may have learned from the same bad data."""
    connection.execute(
        "update ml.model_runs set rejection_reason = ? "
        "where rejection_reason is null and promoted_at is null and run_id <> ?",
        [f"passed over when {run_id} was promoted", run_id],
    )


def _set_serving_run(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    connection.execute("update ml.model_runs set is_serving = false where is_serving")
    connection.execute(
        "update ml.model_runs set is_serving = true, promoted_at = ? where run_id = ?",
        [datetime.now(UTC).replace(tzinfo=None), run_id],
    )
