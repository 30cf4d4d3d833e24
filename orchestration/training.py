"""Train on the marts of a warehouse, and write everything that comes of it back."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pyarrow as pa

from models_ml.config import TrainConfig
from models_ml.dataset import Dataset
from models_ml.dataset_store import DatasetManifest, read_dataset, read_manifest, write_dataset
from orchestration.datasets import find_version, read_marts
from orchestration.status import feed_status
from warehouse.database import reader, transaction, writer
from warehouse.demo.truth import read_tastes
from warehouse.errors import RecomartError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from models_ml.recommender import Recommender
    from models_ml.selection import SweepRecord
    from models_ml.training import TrainingResult

LATEST_ONLY = ("evaluation_pairs", "evaluation_products", "evaluation_candidates", "candidates")
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
    """Rows of ml.ranking_metrics of this run about all known customers and products."""

    fit_seconds: float
    """Seconds that fitting the serving model took."""

    seconds: float
    """Seconds in all: reading, three fits, evaluation, candidates with reasons, writing."""


def train(
    settings: Settings,
    config: TrainConfig,
    on_stage: Callable[[str], None] = lambda _: None,
    *,
    dataset: str | None = None,
    warm: bool = False,
) -> TrainingSummary:
    """Train and evaluate; the new model serves from the next publishing on.

    `dataset` is the beginning of a dataset version's hash: everything is then learned, measured and written as it was
    from the marts of that time, and the marts of today are not read. Without it a version is made of the marts as they
    are. Either way the run's tables in schema ml all come from the one version that ml.model_runs names.

    A `warm` training goes on from the serving model: its product factors, and what it picked on its validation window.

    Raises:
        RecomartError: The marts are not built, there is no such version, no model serves to go on from, or the
            warehouse is in use.
        ModelError: There is nothing to learn from, the version's files are damaged, or training failed.
    """
    # torch takes a second to import, and every command imports this module.
    from models_ml.training import train as train_on

    started = time.perf_counter()
    serving = _serving_model(settings) if warm else None
    rows, manifest = dataset_to_train_on(settings, dataset, on_stage)
    result = train_on(
        rows,
        config,
        f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}",
        oracle=read_tastes(settings.demo_truth_dir),
        warm_from=serving,
        on_sweep=lambda sweep: on_stage(_describe(sweep)),
    )
    on_stage("writing candidates")
    _write_result(settings, manifest, result)
    card = result.recommender.card
    return TrainingSummary(
        run_id=card.run_id,
        dataset_hash=card.dataset_hash,
        users=card.users,
        products=card.products,
        interactions=card.interactions,
        sweeps=card.sweeps,
        sweeps_reason=result.sweeps_reason,
        skipped=result.skipped,
        metrics=pd.DataFrame(card.metrics, columns=result.ranking_metrics.schema.names),
        fit_seconds=result.fitted.fit_seconds,
        seconds=time.perf_counter() - started,
    )


def _describe(sweep: "SweepRecord") -> str:
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


def _serving_model(settings: Settings) -> "Recommender":
    from models_ml.recommender import Recommender

    with reader(settings) as connection:
        found = connection.execute("select artifact_path from ml.model_runs where is_serving").fetchone()
    if found is None:
        raise RecomartError("no model serves yet to go on from; train without --warm first")
    return Recommender.load(settings.warehouse / found[0])


def dataset_to_train_on(
    settings: Settings, prefix: str | None, on_stage: Callable[[str], None]
) -> tuple[Dataset, DatasetManifest]:
    """Return the stored version whose hash begins with `prefix`, or a new one of the marts as they are.

    Raises:
        RecomartError: The marts are not built, or there is no such version.
        ModelError: The version's files are damaged, or there is nothing to learn from.
    """
    return _current(settings, on_stage) if prefix is None else _stored(settings, prefix, on_stage)


def _current(settings: Settings, on_stage: Callable[[str], None]) -> tuple[Dataset, DatasetManifest]:
    """The marts as they are, made a version."""
    _require_clean_rows(settings)
    on_stage("reading the marts")
    rows, provenance = read_marts(settings)
    on_stage("writing the dataset")
    return rows, write_dataset(rows, provenance, settings.datasets_dir)


def _stored(settings: Settings, prefix: str, on_stage: Callable[[str], None]) -> tuple[Dataset, DatasetManifest]:
    on_stage("reading the dataset")
    dataset_hash = find_version(settings, prefix)
    return read_dataset(settings.datasets_dir, dataset_hash), read_manifest(settings.datasets_dir, dataset_hash)


def _write_result(settings: Settings, manifest: DatasetManifest, result: "TrainingResult") -> None:
    """Write the artifact, then the tables in one transaction: a row never names a missing file."""
    artifact = settings.models_dir / result.recommender.card.run_id
    result.recommender.save(artifact)
    with writer(settings) as connection, transaction(connection):
        for table in LATEST_ONLY:
            connection.execute(f"delete from ml.{table}")
        connection.execute("update ml.model_runs set is_serving = false where is_serving")
        _insert(connection, "dataset_versions", _version_row(settings, manifest), known="or ignore")
        _insert(connection, "model_runs", result.run_row(artifact.relative_to(settings.warehouse), is_serving=True))
        _insert(connection, "ranking_metrics", result.ranking_metrics)
        _insert(connection, "metric_differences", result.metric_differences)
        _insert(connection, "evaluation_pairs", result.evaluation_pairs)
        _insert(connection, "evaluation_products", result.evaluation_products)
        _insert(connection, "evaluation_candidates", result.evaluation_candidates)
        for block in result.candidates.blocks():
            _insert(connection, "candidates", block)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, known: str = "") -> None:
    connection.register("new_rows", rows)
    connection.execute(f"insert {known} into ml.{table} by name select * from new_rows")
    connection.unregister("new_rows")


def _version_row(settings: Settings, manifest: DatasetManifest) -> pa.Table:
    """The one row of ml.dataset_versions."""
    path = (settings.datasets_dir / manifest.dataset_hash).relative_to(settings.warehouse)
    facts = manifest.model_dump(exclude={"format", "format_version", "tables", "provenance"})
    return pa.Table.from_pylist([facts | {"settings": json.dumps(manifest.provenance.settings), "path": str(path)}])
