"""Training run: train on the marts or a dataset version, evaluate the gates, and write the model and its metrics.

A model that passes the gates serves from the next scoring on.
"""

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
from models_ml.training import TrainingResult, train
from orchestration.config_files import read_gate_policy
from orchestration.dataset_versions import build_version_row, find_version, read_marts
from orchestration.model_registry import NEXT_NUMBER_QUERY, find_serving_run, list_model_runs
from orchestration.refusals import check_tables_accepted
from warehouse.database import insert_ml_rows, open_reader, open_writer, transaction
from warehouse.disk_full import raise_on_full_disk
from warehouse.erasure.erasure_lock import check_erasure_number, wait_for_erasure
from warehouse.errors import RecomartError
from warehouse.locks import exclusive_lock
from warehouse.settings import Settings

LIST_TABLES = ("evaluation_pairs", "evaluation_candidates")
"""Tables of evaluated customers in schema ml. They keep only the newest run and the serving run; the other tables keep
every run."""

DATASETS_LOCK = "writing.lock"

UNREGISTERED_SUFFIX = ".unregistered"
"""Suffix of the file that marks an artifact until its row is in ml.model_runs."""

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSummary:
    """Result of a training run."""

    run_id: str
    dataset_hash: str
    users: int
    products: int
    interactions: int
    epochs: int
    """Number of epochs of the final model's training; of a warm start, the setting warm_epochs."""

    epochs_reason: str
    """How the number of epochs was selected."""

    skip_reasons: dict[str, str]
    """Windows and baselines that were not evaluated, with the reasons."""

    gates: list[GateResult]

    rejection_reason: str | None
    """The gates that the model failed; None when it may serve from the next scoring on."""

    metrics: pd.DataFrame
    """This run's rows of ml.ranking_metrics for all known customers and products."""

    fit_seconds: float
    """Wall time of fitting the final model."""

    seconds: float
    """Wall time of the whole run: reading, three fits, evaluation, gates, writing."""

    reason: str = "it was requested"
    """Why the run trained."""


@raise_on_full_disk
def train_model(
    settings: Settings,
    config: TrainConfig,
    on_stage: Callable[[str], None] = lambda _: None,
    *,
    hash_prefix: str | None = None,
    is_warm_start: bool = False,
    oracle: OracleFactors | None = None,
) -> TrainingSummary:
    """Train and evaluate a model, and evaluate the gates; a model that passes serves from the next scoring on.

    `hash_prefix` is the beginning of a dataset version's hash: the run then trains and evaluates on that version alone
    and does not read the marts. Without it the run makes a new version of the current marts. All rows that the run
    writes come from the version that ml.model_runs names; scoring uses the current histories.

    A warm start begins with the serving model's product factors and uses the settings that were selected on its
    validation window. A model that fails a gate stays in the registry with the reasons, and the serving model stays.

    Raises:
        RecomartError: The policy is wrong, the marts are not built or refused, the version does not exist, there is no
            serving model for a warm start, or the warehouse is in use.
        ModelError: There are no rows to train on, the version's files are damaged, or the training failed.
        DiskFullError: The disk is full.
    """
    start_seconds = time.perf_counter()
    gate_policy = read_gate_policy(settings, config)
    serving_model = _load_serving_model(settings, on_stage)
    if is_warm_start and serving_model is None:
        raise RecomartError("warm start failed: no model serves, or it cannot be read. Train without --warm-start")
    erasure_number = wait_for_erasure(settings)
    dataset, manifest = load_training_dataset(settings, hash_prefix, on_stage)
    result = train(
        dataset,
        config,
        f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}",
        oracle_factors=oracle,
        warm_start_model=serving_model if is_warm_start else None,
        on_epoch=lambda epoch: on_stage(_describe_epoch(epoch)),
    )
    card = result.recommender.card
    on_stage("evaluating the gates")
    gates = evaluate_gates(
        card,
        result.metric_differences,
        gate_policy,
        None if serving_model is None else serving_model.card,
        None
        if serving_model is None
        else _compare_with_serving(settings, card, dataset, serving_model.card, gate_policy.k),
    )
    _write_result(settings, manifest, result, gate_policy, gates, erasure_number)
    return TrainingSummary(
        run_id=card.run_id,
        dataset_hash=card.dataset_hash,
        users=card.users,
        products=card.products,
        interactions=card.interactions,
        epochs=card.trained_epochs,
        epochs_reason=result.epochs_reason,
        skip_reasons=result.skip_reasons,
        gates=gates,
        rejection_reason=describe_failures(gates),
        metrics=pd.DataFrame(card.metrics, columns=result.ranking_metrics.schema.names),
        fit_seconds=result.fit_seconds,
        seconds=time.perf_counter() - start_seconds,
    )


def _describe_epoch(record: EpochRecord) -> str:
    ndcg = "" if record.validation_ndcg is None else f", validation NDCG {record.validation_ndcg:.4f}"
    return f"{record.cutoff}: epoch {record.report.epoch}, loss {record.report.loss:,.4g}{ndcg}"


def _load_serving_model(settings: Settings, on_stage: Callable[[str], None]) -> Recommender | None:
    """Return the serving model; None when no model serves, or its artifact cannot be read."""
    run = find_serving_run(list_model_runs(settings))
    if run is None:
        return None
    try:
        return Recommender.load(settings.warehouse / run.artifact_path)
    except ModelError as error:
        on_stage(f"the serving model cannot be compared: {error}")
        return None


def _compare_with_serving(
    settings: Settings, new_card: ModelCard, dataset: Dataset, serving_card: ModelCard, k: int
) -> ModelComparison | None:
    """Compare both models in the test window of the serving model's dataset version; None when that is missing."""
    if serving_card.dataset_hash not in iter_dataset_hashes(settings.datasets_dir):
        return None
    serving_dataset = read_dataset(settings.datasets_dir, serving_card.dataset_hash)
    return compare_models(ComparedModel(new_card, dataset), ComparedModel(serving_card, serving_dataset), k)


def load_training_dataset(
    settings: Settings, hash_prefix: str | None, on_stage: Callable[[str], None], action: str = "training"
) -> tuple[Dataset, DatasetManifest]:
    """Return the stored version whose hash begins with `hash_prefix`, or a new version of the current marts.

    `action` is the name of the action for messages.

    Raises:
        RecomartError: The marts are not built or refused, or the version does not exist.
        ModelError: The version's files are damaged, or there are no rows to train on.
    """
    return (
        _create_dataset_version(settings, on_stage, action)
        if hash_prefix is None
        else _load_dataset_version(settings, hash_prefix, on_stage)
    )


def _create_dataset_version(
    settings: Settings, on_stage: Callable[[str], None], action: str
) -> tuple[Dataset, DatasetManifest]:
    """Write the current marts as a dataset version and return it."""
    erasure_number = wait_for_erasure(settings)
    # The open connection keeps a build from changing the tables between the check and the read.
    with open_reader(settings):
        check_tables_accepted(settings, "training", action)
        on_stage("reading the marts")
        dataset, provenance = read_marts(settings)
    on_stage("writing the dataset")
    # Each writer deletes unfinished versions, which must be those of killed writers only.
    lock = settings.datasets_dir / DATASETS_LOCK
    with exclusive_lock(lock, "writing of a dataset", settings.wait_seconds, LOG.warning):
        check_erasure_number(settings, erasure_number, action)
        remove_unfinished(settings.datasets_dir)
        return dataset, write_dataset(dataset, provenance, settings.datasets_dir)


def _load_dataset_version(
    settings: Settings, hash_prefix: str, on_stage: Callable[[str], None]
) -> tuple[Dataset, DatasetManifest]:
    on_stage("reading the dataset")
    dataset_hash = find_version(settings, hash_prefix)
    return read_dataset(settings.datasets_dir, dataset_hash), read_manifest(settings.datasets_dir, dataset_hash)


def _write_result(
    settings: Settings,
    manifest: DatasetManifest,
    result: TrainingResult,
    gate_policy: GatePolicy,
    gates: list[GateResult],
    erasure_number: int,
) -> None:
    """Write the artifact, then the tables in one transaction, so that no row names a missing file.

    Raises:
        RecomartError: A customer was forgotten since the training read the rows.
    """
    run_id = result.recommender.card.run_id
    artifact = settings.models_dir / run_id
    run = result.build_run_row(artifact.relative_to(settings.warehouse), describe_failures(gates))
    # The warehouse's write lock also guards the models folder.
    with open_writer(settings) as connection:
        check_erasure_number(settings, erasure_number, "training")
        with _register_artifact(connection, artifact), transaction(connection):
            result.recommender.save(artifact)
            for table in LIST_TABLES:
                connection.execute(
                    f"delete from ml.{table} where run_id not in (select run_id from ml.model_runs where is_serving)"
                )
            insert_ml_rows(
                connection, "dataset_versions", build_version_row(settings, manifest), conflict_clause="or ignore"
            )
            insert_ml_rows(connection, "model_runs", run)
            connection.execute(
                f"update ml.model_runs set run_number = {NEXT_NUMBER_QUERY}, gate_policy = ? where run_id = ?",
                [gate_policy.model_dump_json(), run_id],
            )
            if gates:
                insert_ml_rows(
                    connection,
                    "gate_results",
                    pa.Table.from_pylist([{"run_id": run_id, **vars(gate)} for gate in gates]),
                )
            for table in ("ranking_metrics", "metric_differences", *LIST_TABLES):
                insert_ml_rows(connection, table, getattr(result, table))


@contextmanager
def _register_artifact(connection: duckdb.DuckDBPyConnection, artifact: Path) -> Iterator[None]:
    """Mark an artifact until its row is written; delete the unregistered artifacts of interrupted runs first."""
    folder = artifact.parent
    folder.mkdir(parents=True, exist_ok=True)
    remove_unfinished(folder)
    registered = {run_id for (run_id,) in connection.execute("select run_id from ml.model_runs").fetchall()}
    for old_marker in folder.glob(f"*{UNREGISTERED_SUFFIX}"):
        if old_marker.stem not in registered:
            shutil.rmtree(folder / old_marker.stem, ignore_errors=True)
        old_marker.unlink()
    marker = folder / f"{artifact.name}{UNREGISTERED_SUFFIX}"
    marker.touch()
    yield
    marker.unlink()
