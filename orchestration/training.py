"""Train on the marts of a warehouse, and write everything that comes of it back."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pandas as pd
import pyarrow as pa

from models_ml.config import TrainConfig
from models_ml.dataset import write_dataset
from models_ml.training import SweepRecord, TrainingResult, TrainingTables
from models_ml.training import train as train_tables
from orchestration.status import feed_status
from warehouse.database import reader, transaction, writer
from warehouse.demo.truth import read_tastes
from warehouse.errors import RecomartError
from warehouse.settings import Settings

LATEST_ONLY = ("evaluation_pairs", "evaluation_candidates", "candidates")
"""Tables of schema ml that hold the lists of the newest run alone; its figures are kept for every run."""


@dataclass(frozen=True)
class TrainingSummary:
    """What a training run did."""

    run_id: str
    dataset_hash: str
    users: int
    products: int
    interactions: int
    sweeps: int
    sweeps_reason: str
    """How the number of sweeps was chosen."""

    skipped: dict[str, str]
    """Windows and baselines that were not evaluated, and why."""

    metrics: pd.DataFrame
    """Rows of ml.ranking_metrics of this run."""

    fit_seconds: float
    """Seconds that fitting the serving model took."""

    seconds: float
    """Seconds in all: reading, three fits, evaluation, candidates with reasons, writing."""


def train(settings: Settings, config: TrainConfig, on_stage: Callable[[str], None] = lambda _: None) -> TrainingSummary:
    """Train and evaluate on the marts as they are; the new model serves from the next publishing on.

    Raises:
        RecomartError: The marts are not built, or the warehouse is in use.
        ModelError: There is nothing to learn from, or training failed.
    """
    started = time.perf_counter()
    _require_clean_rows(settings)
    on_stage("reading the marts")
    tables, event_weights = _read_tables(settings)
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    result = train_tables(
        tables,
        config,
        run_id,
        dataset_settings={"event_weights": event_weights},
        on_sweep=lambda sweep: on_stage(_describe(sweep)),
    )
    on_stage("writing candidates")
    _write_result(settings, result)
    card = result.recommender.card
    return TrainingSummary(
        run_id=run_id,
        dataset_hash=card.dataset_hash,
        users=card.users,
        products=card.products,
        interactions=card.interactions,
        sweeps=card.sweeps,
        sweeps_reason=result.sweeps_reason,
        skipped=result.skipped,
        metrics=result.ranking_metrics.to_pandas(),
        fit_seconds=result.fitted.fit_seconds,
        seconds=time.perf_counter() - started,
    )


def _describe(sweep: SweepRecord) -> str:
    ndcg = "" if sweep.validation_ndcg is None else f", validation NDCG {sweep.validation_ndcg:.4f}"
    return f"{sweep.as_of_name}: sweep {sweep.report.sweep}, loss {sweep.report.loss:,.4g}{ndcg}"


def _require_clean_rows(settings: Settings) -> None:
    """A feed of which nothing is clean means a wrong declaration, not a bad day: stop before it shapes a model."""
    for feed in feed_status(settings):
        if feed.loaded and feed.clean == 0:
            why = ", ".join(f"{reason} {rows:,}" for reason, rows in feed.reasons.items())
            raise RecomartError(
                f"feed {feed.feed}: not one of {feed.loaded:,} rows is clean ({why}); mend its declaration in "
                f"{settings.sources} (formats, time zone, event types, columns) and run again"
            )


def _read_tables(settings: Settings) -> tuple[TrainingTables, list[dict[str, object]]]:
    """What is trained from, and the event weights that made it."""
    with reader(settings) as connection:

        def table(name: str) -> pa.Table:
            try:
                return connection.sql(f"select * from {name}").to_arrow_table()
            except duckdb.CatalogException as error:
                raise RecomartError(
                    f"{settings.database}: there is no table {name} to train from; build it with `recomart run`, "
                    "or `dbt build` in dbt_project/"
                ) from error

        tables = TrainingTables(
            interactions=table("marts.ml_interactions"),
            product_features=table("marts.ml_product_features"),
            evaluation_pairs=table("marts.ml_evaluation_pairs"),
            oracle=read_tastes(settings.demo_truth_dir),
        )
        return tables, table("seeds.event_weights").to_pylist()


def _write_result(settings: Settings, result: TrainingResult) -> None:
    """Write the dataset and the artifact, then the tables in one transaction: a row never names a missing file."""
    dataset = write_dataset(result.fitted.rows, settings.datasets_dir)
    artifact = settings.models_dir / result.recommender.card.run_id
    result.recommender.save(artifact)
    with writer(settings) as connection, transaction(connection):
        for table in LATEST_ONLY:
            connection.execute(f"delete from ml.{table}")
        connection.execute("update ml.model_runs set is_serving = false where is_serving")
        version = result.fitted.dataset.row(dataset.relative_to(settings.warehouse))
        _insert(connection, "dataset_versions", version, known="or ignore")
        _insert(connection, "model_runs", result.run_row(artifact.relative_to(settings.warehouse), is_serving=True))
        _insert(connection, "ranking_metrics", result.ranking_metrics)
        _insert(connection, "evaluation_pairs", result.evaluation_pairs)
        _insert(connection, "evaluation_candidates", result.evaluation_candidates)
        _insert(connection, "candidates", result.candidates)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, known: str = "") -> None:
    connection.register("new_rows", rows)
    connection.execute(f"insert {known} into ml.{table} by name select * from new_rows")
    connection.unregister("new_rows")
