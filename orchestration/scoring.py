"""Candidates for every customer, from the model that serves and the histories as they are today."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestration.datasets import read_interactions
from orchestration.model_runs import find_run, model_runs, next_to_serve
from warehouse.database import insert, transaction, writer
from warehouse.full_disk import tell_full_disk
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
    # torch takes a second to import, and every command imports this module.
    from models_ml.candidates import Candidates
    from models_ml.recommender import Recommender

    started = time.perf_counter()
    runs = model_runs(settings)
    chosen = next_to_serve(runs) if run is None else find_run(runs, run)
    if chosen is None:
        return None
    on_stage(f"scoring with model {chosen.run_id}")
    model = Recommender.load(settings.warehouse / chosen.artifact_path)
    candidates = Candidates.of(model, read_interactions(settings))
    rows = 0
    with writer(settings) as connection, transaction(connection):
        connection.execute("delete from ml.candidates")
        for block in candidates.blocks():
            rows += block.num_rows
            insert(connection, "candidates", block)
        if not chosen.is_serving:
            connection.execute("update ml.model_runs set is_serving = false where is_serving")
            connection.execute(
                "update ml.model_runs set is_serving = true, promoted_at = ? where run_id = ?",
                [datetime.now(UTC).replace(tzinfo=None), chosen.run_id],
            )
    return ScoringSummary(
        run_id=chosen.run_id,
        began_to_serve=not chosen.is_serving,
        customers=len(candidates.recommender.users),
        candidates=rows,
        seconds=time.perf_counter() - started,
    )
