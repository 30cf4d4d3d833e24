"""Train on the marts of a warehouse, judge what came of it, and write everything back; scoring lets it serve."""

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from models_ml.config import GatePolicy, TrainConfig
from models_ml.data.atomic_folders import remove_unfinished
from models_ml.data.dataset import Dataset
from models_ml.data.dataset_store import (
    DatasetManifest,
    iter_dataset_hashes,
    read_dataset,
    read_manifest,
    write_dataset,
)
from models_ml.errors import ModelError
from models_ml.evaluation.baselines import OracleFactors
from models_ml.evaluation.comparison import ComparedModel, ModelComparison, compare_models
from models_ml.evaluation.gates import GateResult, describe_failures, evaluate_gates
from models_ml.evaluation.selection import EpochRecord
from models_ml.inference.artifact import ModelCard
from models_ml.inference.recommender import Recommender
from models_ml.training import TrainingResult
from models_ml.training import train as train_on
from orchestration.config_files import read_policy
from orchestration.dataset_versions import find_version, read_marts
from orchestration.feed_accounting import read_feed_status
from orchestration.model_registry import find_serving_run, list_model_runs
from warehouse.database import insert_ml_rows, open_writer, transaction
from warehouse.disk_full import raise_on_full_disk
from warehouse.errors import RecomartError
from warehouse.locks import exclusive_lock
from warehouse.settings import Settings

LIST_TABLES = ("evaluation_pairs", "evaluation_products", "evaluation_candidates")
"""Tables of schema ml that hold the lists of the newest run and of the serving one; figures are kept for every run."""

DATASETS_LOCK = "writing.lock"

UNREGISTERED_SUFFIX = ".unregistered"
"""Ending of the file that marks an artifact until its row is in ml.model_runs."""

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSummary:
    """What a training run did."""

    run_id: str
    dataset_hash: str
    users: int
    products: int
    interactions: int
    epochs: int
    epochs_reason: str
    """How the number of epochs was chosen."""

    skipped: dict[str, str]
    """Windows and baselines that were not evaluated, and why."""

    gates: list[GateResult]
    """How the model stood before every gate."""

    rejection_reason: str | None
    """The gates that it did not pass; None when it may serve, from the next scoring on."""

    metrics: pd.DataFrame
    """Rows of ml.ranking_metrics of this run about all known customers and products."""

    fit_seconds: float
    """Seconds that fitting the serving model took."""

    seconds: float
    """Seconds in all: reading, three fits, evaluation, gates, writing."""

    reason: str = "asked for"
    """Why it trained."""


@raise_on_full_disk
def train_model(
    settings: Settings,
    config: TrainConfig,
    on_stage: Callable[[str], None] = lambda _: None,
    *,
    dataset: str | None = None,
    is_warm_start: bool = False,
    oracle: OracleFactors | None = None,
) -> TrainingSummary:
    """Train, evaluate and judge; a model that passes the gates serves from the next scoring on.

    `dataset` is the beginning of a dataset version's hash: everything is then learned and measured as it was from the
    marts of that time, and the marts of today are not read. Without it a version is made of the marts as they are. All
    that is written here comes from the one version that ml.model_runs names; scoring goes by today's histories.

    A `warm` training goes on from the serving model: its product factors, and what it picked on its validation window.
    A model that fails a gate stays in the register with the reasons, and the one before it goes on serving.

    Raises:
        RecomartError: The policy is wrong, the marts are not built, there is no such version, no model serves to go on
            from, or the warehouse is in use.
        ModelError: There is nothing to learn from, the version's files are damaged, or training failed.
        DiskFullError: No more can be written.
    """
    started = time.perf_counter()
    judged_by = read_gate_policy(settings, config)
    serving = _load_serving_model(settings, on_stage)
    if is_warm_start and serving is None:
        raise RecomartError("no model serves yet to go on from, or it cannot be read; train without --warm-start")
    rows, manifest = load_training_dataset(settings, dataset, on_stage)
    result = train_on(
        rows,
        config,
        f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}",
        oracle_factors=oracle,
        warm_from=serving if is_warm_start else None,
        on_epoch=lambda epoch: on_stage(_describe_epoch(epoch)),
    )
    card = result.recommender.card
    on_stage("judging")
    gates = evaluate_gates(
        card,
        result.metric_differences,
        judged_by,
        None if serving is None else serving.card,
        None if serving is None else _compare_with_serving(settings, card, rows, serving.card, judged_by.k),
    )
    _write_result(settings, manifest, result, gates)
    return TrainingSummary(
        run_id=card.run_id,
        dataset_hash=card.dataset_hash,
        users=card.users,
        products=card.products,
        interactions=card.interactions,
        epochs=card.epochs,
        epochs_reason=result.epochs_reason,
        skipped=result.skipped,
        gates=gates,
        rejection_reason=describe_failures(gates),
        metrics=pd.DataFrame(card.metrics, columns=result.ranking_metrics.schema.names),
        fit_seconds=result.fit_seconds,
        seconds=time.perf_counter() - started,
    )


def read_gate_policy(settings: Settings, config: TrainConfig) -> GatePolicy:
    """The policy's gates, if they can be judged: where nothing is measured, every gate would be passed.

    Raises:
        RecomartError: The policy is wrong, or asks for a length of lists that the training does not measure.
    """
    gates = read_policy(settings).gates
    if gates.k not in config.k_values:
        measured = ", ".join(map(str, config.k_values))
        raise RecomartError(
            f"{settings.policy_file}: gates.k: the training does not measure lists of {gates.k}; set one of its "
            f"k_values ({measured}), or add it to them in {settings.train_config_file}"
        )
    return gates


def _describe_epoch(record: EpochRecord) -> str:
    ndcg = "" if record.validation_ndcg is None else f", validation NDCG {record.validation_ndcg:.4f}"
    return f"{record.cutoff}: epoch {record.report.epoch}, loss {record.report.loss:,.4g}{ndcg}"


def _require_clean_rows(settings: Settings) -> None:
    """A feed of which nothing is clean means a wrong declaration, not a bad day: stop before it shapes a model."""
    for feed in read_feed_status(settings):
        if feed.loaded and feed.clean == 0:
            why = ", ".join(f"{reason} {rows:,}" for reason, rows in feed.reasons.items())
            raise RecomartError(
                f"feed {feed.feed}: not one of {feed.loaded:,} rows is clean ({why}); mend its declaration in "
                f"{settings.sources} (formats, time zone, event types, columns) and run again"
            )


def _load_serving_model(settings: Settings, on_stage: Callable[[str], None]) -> Recommender | None:
    """The model that serves; None when there is none, or it cannot be read and so serves nobody."""
    run = find_serving_run(list_model_runs(settings))
    if run is None:
        return None
    try:
        return Recommender.load(settings.warehouse / run.artifact_path)
    except ModelError as error:
        on_stage(f"nothing to compare with: {error}")
        return None


def _compare_with_serving(
    settings: Settings, new_card: ModelCard, rows: Dataset, serving_card: ModelCard, k: int
) -> ModelComparison | None:
    """Both models in the test window of the version that the serving one was trained on; None when that is gone."""
    if serving_card.dataset_hash not in iter_dataset_hashes(settings.datasets_dir):
        return None
    before = read_dataset(settings.datasets_dir, serving_card.dataset_hash)
    return compare_models(ComparedModel(new_card, rows), ComparedModel(serving_card, before), k)


def load_training_dataset(
    settings: Settings, prefix: str | None, on_stage: Callable[[str], None]
) -> tuple[Dataset, DatasetManifest]:
    """Return the stored version whose hash begins with `prefix`, or a new one of the marts as they are.

    Raises:
        RecomartError: The marts are not built, or there is no such version.
        ModelError: The version's files are damaged, or there is nothing to learn from.
    """
    return (
        _create_dataset_version(settings, on_stage)
        if prefix is None
        else _load_dataset_version(settings, prefix, on_stage)
    )


def _create_dataset_version(settings: Settings, on_stage: Callable[[str], None]) -> tuple[Dataset, DatasetManifest]:
    """The marts as they are, made a version."""
    _require_clean_rows(settings)
    on_stage("reading the marts")
    rows, provenance = read_marts(settings)
    on_stage("writing the dataset")
    # Each takes unfinished versions for those of one that was killed.
    lock = settings.datasets_dir / DATASETS_LOCK
    with exclusive_lock(lock, "writing of a dataset", settings.wait_seconds, LOG.warning):
        remove_unfinished(settings.datasets_dir)
        return rows, write_dataset(rows, provenance, settings.datasets_dir)


def _load_dataset_version(
    settings: Settings, prefix: str, on_stage: Callable[[str], None]
) -> tuple[Dataset, DatasetManifest]:
    on_stage("reading the dataset")
    dataset_hash = find_version(settings, prefix)
    return read_dataset(settings.datasets_dir, dataset_hash), read_manifest(settings.datasets_dir, dataset_hash)


def _write_result(
    settings: Settings, manifest: DatasetManifest, result: TrainingResult, gates: list[GateResult]
) -> None:
    """Write the artifact, then the tables in one transaction: a row never names a missing file."""
    run_id = result.recommender.card.run_id
    artifact = settings.models_dir / run_id
    run = result.build_run_row(artifact.relative_to(settings.warehouse), describe_failures(gates))
    # Whoever holds the warehouse is the only one that writes models.
    with open_writer(settings) as connection, _register_artifact(connection, artifact), transaction(connection):
        result.recommender.save(artifact)
        for table in LIST_TABLES:
            connection.execute(
                f"delete from ml.{table} where run_id not in (select run_id from ml.model_runs where is_serving)"
            )
        insert_ml_rows(
            connection, "dataset_versions", _build_version_row(settings, manifest), conflict_clause="or ignore"
        )
        insert_ml_rows(connection, "model_runs", run)
        if gates:
            insert_ml_rows(
                connection, "gate_results", pa.Table.from_pylist([{"run_id": run_id, **vars(one)} for one in gates])
            )
        for table in ("ranking_metrics", "metric_differences", *LIST_TABLES):
            insert_ml_rows(connection, table, getattr(result, table))


@contextmanager
def _register_artifact(connection: duckdb.DuckDBPyConnection, artifact: Path) -> Iterator[None]:
    """Guard the writing of an artifact and of its row; what one that broke off in between left goes with the next."""
    folder = artifact.parent
    folder.mkdir(parents=True, exist_ok=True)
    remove_unfinished(folder)
    known = {run_id for (run_id,) in connection.execute("select run_id from ml.model_runs").fetchall()}
    for left in folder.glob(f"*{UNREGISTERED_SUFFIX}"):
        if left.stem not in known:
            shutil.rmtree(folder / left.stem, ignore_errors=True)
        left.unlink()
    mark = folder / f"{artifact.name}{UNREGISTERED_SUFFIX}"
    mark.touch()
    yield
    mark.unlink()


def _build_version_row(settings: Settings, manifest: DatasetManifest) -> pa.Table:
    """The one row of ml.dataset_versions."""
    path = (settings.datasets_dir / manifest.dataset_hash).relative_to(settings.warehouse)
    facts = manifest.model_dump(exclude={"format", "format_version", "tables", "provenance"})
    return pa.Table.from_pylist([facts | {"settings": json.dumps(manifest.provenance.settings), "path": str(path)}])
