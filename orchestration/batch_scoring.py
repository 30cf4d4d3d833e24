"""Batch scoring: candidates for every customer, from the serving model and the customers' current histories."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from models_ml.inference.candidates import Candidates
from models_ml.inference.recommender import Recommender
from orchestration.dataset_versions import read_interactions
from orchestration.model_registry import (
    NEXT_NUMBER_QUERY,
    ModelRun,
    find_next_serving_run,
    find_run,
    list_model_runs,
    read_model_runs,
)
from orchestration.refusals import check_tables_accepted
from warehouse.database import insert_ml_rows, open_reader, open_writer, transaction
from warehouse.disk_full import raise_on_full_disk
from warehouse.erasure.erasure_lock import get_erasure_number, wait_for_erasure
from warehouse.settings import Settings
from warehouse.utc_time import get_utc_now


@dataclass(frozen=True)
class ScoringSummary:
    """Result of a batch scoring."""

    run_id: str
    """Run id of the model that scored; it serves from now on."""
    is_newly_serving: bool
    """Whether another model, or none, served before."""
    customer_count: int
    candidate_count: int
    seconds: float


@raise_on_full_disk
def score_customers(
    settings: Settings, on_stage: Callable[[str], None] = lambda _: None, *, run_id_prefix: str | None = None
) -> ScoringSummary | None:
    """Write ml.candidates and promote the model that scored; return None when no model may serve.

    The model is the newest one that passed the gates, or the one whose run id begins with `run_id_prefix`, even if it
    failed gates. The serving model and its candidates change in one transaction, so that a dbt build in between reads
    both of the same model.

    Raises:
        RecomartError: The marts are not built or refused, no run has that id, or the warehouse is in use.
        ModelError: The model's artifact is missing or damaged, or no current product is known.
        DiskFullError: The disk is full.
    """
    start_seconds = time.perf_counter()
    action = "scoring" if run_id_prefix is None else "promotion"
    check_tables_accepted(settings, "scoring", action)
    while (selected_run := _select_run(list_model_runs(settings), run_id_prefix)) is not None:
        on_stage(f"scoring with model {selected_run.run_id}")
        erasure_number = wait_for_erasure(settings)
        model = Recommender.load(settings.warehouse / selected_run.artifact_path)
        # The open connection keeps a build from changing the tables between the check and the read.
        with open_reader(settings):
            check_tables_accepted(settings, "scoring", action)
            interactions = read_interactions(settings)
        candidates = Candidates.create(model, interactions)
        with open_writer(settings) as connection, transaction(connection):
            current_run = _select_run(read_model_runs(connection), run_id_prefix)
            is_erased = get_erasure_number(settings) != erasure_number
            if current_run is None or current_run.run_id != selected_run.run_id or is_erased:
                # Another process has promoted another model, or forgotten a customer, in the meantime.
                continue
            candidate_count = _write_candidates(connection, candidates)
            if not current_run.is_serving:
                _set_serving_run(connection, current_run.run_id)
            if run_id_prefix is not None:
                _reject_waiting_runs(connection, current_run.run_id)
        return ScoringSummary(
            run_id=current_run.run_id,
            is_newly_serving=not current_run.is_serving,
            customer_count=len(candidates.recommender.users),
            candidate_count=candidate_count,
            seconds=time.perf_counter() - start_seconds,
        )
    return None


def _select_run(runs: list[ModelRun], run_id_prefix: str | None) -> ModelRun | None:
    return find_next_serving_run(runs) if run_id_prefix is None else find_run(runs, run_id_prefix)


def _write_candidates(connection: duckdb.DuckDBPyConnection, candidates: Candidates) -> int:
    """Replace the rows of ml.candidates; return their number."""
    connection.execute("delete from ml.candidates")
    row_count = 0
    for block in candidates.iter_blocks():
        row_count += block.num_rows
        insert_ml_rows(connection, "candidates", block)
    return row_count


def _reject_waiting_runs(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Reject the models that wait to serve: a user who promotes a model by hand may distrust their training data."""
    connection.execute(
        "update ml.model_runs set rejection_reason = ? "
        "where rejection_reason is null and promotion_number is null and run_id <> ?",
        [f"passed over when {run_id} was promoted", run_id],
    )


def _set_serving_run(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    connection.execute("update ml.model_runs set is_serving = false where is_serving")
    connection.execute(
        f"update ml.model_runs set is_serving = true, promoted_at = ?, promotion_number = {NEXT_NUMBER_QUERY} "
        "where run_id = ?",
        [get_utc_now(), run_id],
    )
