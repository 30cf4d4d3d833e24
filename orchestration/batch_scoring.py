"""Batch scoring: candidates for every customer and similar products of every product, from the serving model.

In an experiment, the models of the arms score the customers of their arm as well.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from models_ml.inference.candidates import Candidates
from models_ml.inference.recommender import Recommender
from models_ml.inference.similar_products import SimilarProducts
from orchestration.challengers import Challenger, read_challengers
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
    challengers: tuple[str, ...]
    """Run ids of the other models that scored the customers of an experiment's arm."""
    seconds: float


@raise_on_full_disk
def score_customers(
    settings: Settings, on_stage: Callable[[str], None] = lambda _: None, *, run_id_prefix: str | None = None
) -> ScoringSummary | None:
    """Write ml.candidates and ml.similar_products, and promote the model that scored; None when no model may serve.

    The model is the newest one that passed the gates and is not tested by an experiment, or the one whose run id begins
    with `run_id_prefix`, even if it failed gates. The serving model and its candidates change in one transaction, so
    that a dbt build in between reads both of the same model.

    Raises:
        RecomartError: The marts are not built or refused, no run has that id, an experiment names an unknown run, or
            the warehouse is in use.
        ModelError: The model's artifact is missing or damaged, or no current product is known.
        DiskFullError: The disk is full.
    """
    start_seconds = time.perf_counter()
    action = "scoring" if run_id_prefix is None else "promotion"
    check_tables_accepted(settings, "scoring", action)
    while (selection := _select_models(settings, run_id_prefix)) is not None:
        on_stage(f"scoring with model {selection.run.run_id}")
        erasure_number = wait_for_erasure(settings)
        models = {
            run.run_id: Recommender.load(settings.warehouse / run.artifact_path)
            for run in (selection.run, *selection.challenger_runs)
        }
        # The open connection keeps a build from changing the tables between the check and the read.
        with open_reader(settings):
            check_tables_accepted(settings, "scoring", action)
            interactions = read_interactions(settings)
        candidates = Candidates.create(models[selection.run.run_id], interactions)
        challengers = [
            Candidates.create(models[run_id], rows)
            for run_id, users in selection.group_users().items()
            if (rows := interactions.filter(pc.is_in(interactions["user_id"], users))).num_rows
        ]
        with open_writer(settings) as connection, transaction(connection):
            current_selection = _select_from(connection, run_id_prefix)
            is_erased = get_erasure_number(settings) != erasure_number
            if current_selection is None or not current_selection.is_equal(selection) or is_erased:
                # Another process has promoted another model, changed an experiment, or forgotten a customer, in the
                # meantime.
                continue
            current_run = current_selection.run
            candidate_count = _write_candidates(connection, [candidates, *challengers])
            _write_similar_products(connection, candidates.recommender)
            if not current_run.is_serving:
                _set_serving_run(connection, current_run.run_id)
            if run_id_prefix is not None:
                _reject_waiting_runs(connection, current_run.run_id)
        return ScoringSummary(
            run_id=current_run.run_id,
            is_newly_serving=not current_run.is_serving,
            customer_count=len(candidates.recommender.users),
            candidate_count=candidate_count,
            challengers=tuple(challenger.recommender.card.run_id for challenger in challengers),
            seconds=time.perf_counter() - start_seconds,
        )
    return None


@dataclass(frozen=True)
class _Selection:
    """The model that serves next, and the challengers with their models."""

    run: ModelRun
    challengers: list[Challenger]
    challenger_runs: list[ModelRun]

    def is_equal(self, other: "_Selection") -> bool:
        """Return whether the same models score the same customers."""
        return (self.run.run_id, self.challengers) == (other.run.run_id, other.challengers)

    def group_users(self) -> dict[str, pa.Array]:
        """Return the customers of each challenger by run id, but for the run that scores all customers."""
        users: dict[str, list[str]] = {}
        for challenger, run in zip(self.challengers, self.challenger_runs, strict=True):
            if run.run_id != self.run.run_id:
                users.setdefault(run.run_id, []).extend(challenger.user_ids)
        return {run_id: pa.array(user_ids) for run_id, user_ids in users.items()}


def _select_models(settings: Settings, run_id_prefix: str | None) -> _Selection | None:
    # An earlier version of RecoMart may have made the table of model runs; this adds its columns.
    list_model_runs(settings)
    with open_reader(settings) as connection:
        return _select_from(connection, run_id_prefix)


def _select_from(connection: duckdb.DuckDBPyConnection, run_id_prefix: str | None) -> _Selection | None:
    """Select the models; None when no model may serve."""
    runs, challengers = read_model_runs(connection), read_challengers(connection)
    challenger_runs = [challenger.find_run(runs) for challenger in challengers]
    if run_id_prefix is None:
        # A model that an experiment tests on some customers does not begin to serve all of them by itself.
        tested = {run.run_id for run in challenger_runs if not run.is_serving}
        selected_run = find_next_serving_run([run for run in runs if run.run_id not in tested])
    else:
        selected_run = find_run(runs, run_id_prefix)
    return None if selected_run is None else _Selection(selected_run, challengers, challenger_runs)


def _write_candidates(connection: duckdb.DuckDBPyConnection, candidates_by_model: Sequence[Candidates]) -> int:
    """Replace the rows of ml.candidates; return their number."""
    connection.execute("delete from ml.candidates")
    row_count = 0
    for candidates in candidates_by_model:
        for block in candidates.iter_blocks():
            row_count += block.num_rows
            insert_ml_rows(connection, "candidates", block)
    return row_count


def _write_similar_products(connection: duckdb.DuckDBPyConnection, recommender: Recommender) -> None:
    """Replace the rows of ml.similar_products, unless they are of this model: they depend on nothing else."""
    runs = connection.execute("select distinct run_id from ml.similar_products").fetchall()
    if runs == [(recommender.card.run_id,)]:
        return
    connection.execute("delete from ml.similar_products")
    for block in SimilarProducts(recommender).iter_blocks():
        insert_ml_rows(connection, "similar_products", block)


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
