"""Erasure of a customer from the dataset versions, the models and the tables of schema ml."""

import logging
from dataclasses import replace
from pathlib import Path

import duckdb

from models_ml.data.atomic_folders import (
    complete_replacements,
    remove_folder_atomically,
    remove_unfinished,
    replace_folder,
)
from models_ml.data.dataset_store import iter_dataset_hashes, read_dataset, read_manifest, write_dataset
from models_ml.errors import ModelError
from models_ml.inference.artifact import CARD_FILE
from models_ml.inference.recommender import Recommender
from orchestration.dataset_versions import build_version_row
from orchestration.training_run import DATASETS_LOCK, LIST_TABLES
from warehouse.database import insert_ml_rows, open_writer, transaction
from warehouse.locks import exclusive_lock
from warehouse.settings import Settings

LOG = logging.getLogger(__name__)


def erase_from_models(settings: Settings, user_id: str) -> None:
    """Replace all dataset versions and models that have the customer, and delete the rows of schema ml.

    A version without another customer has no successor: it is deleted with its models. A killed call leaves either the
    version or model, or its successor; the next call completes the work.

    Raises:
        ModelError: A dataset version or a model is damaged.
        WarehouseBusyError: Another process is using the warehouse.
    """
    # A training deletes the unfinished folders of other writers.
    datasets_lock = exclusive_lock(
        settings.datasets_dir / DATASETS_LOCK, "writing of a dataset", settings.wait_seconds, LOG.warning
    )
    with datasets_lock, open_writer(settings) as connection:
        for folder in (settings.datasets_dir, settings.models_dir):
            remove_unfinished(folder)
        complete_replacements(settings.models_dir)
        successors = _write_dataset_successors(settings, user_id)
        for card_file in sorted(settings.models_dir.glob(f"*/{CARD_FILE}")):
            _replace_model(card_file.parent, user_id, successors)
        with transaction(connection):
            _update_tables(connection, settings, user_id, successors)
        for dataset_hash in successors:
            remove_folder_atomically(settings.datasets_dir / dataset_hash)


def _update_tables(
    connection: duckdb.DuckDBPyConnection, settings: Settings, user_id: str, successors: dict[str, str | None]
) -> None:
    """Replace the dataset versions in the tables of schema ml, and delete the rows of the customer."""
    for dataset_hash, successor_hash in successors.items():
        if successor_hash is None:
            _delete_version_rows(connection, dataset_hash)
            continue
        version_row = build_version_row(settings, read_manifest(settings.datasets_dir, successor_hash))
        insert_ml_rows(connection, "dataset_versions", version_row, conflict_clause="or ignore")
        connection.execute("delete from ml.dataset_versions where dataset_hash = ?", [dataset_hash])
        connection.execute(
            "update ml.model_runs set dataset_hash = ? where dataset_hash = ?", [successor_hash, dataset_hash]
        )
    connection.execute("delete from ml.candidates where user_id = ?", [user_id])
    runs = connection.execute(
        " union ".join(f"select run_id from ml.{table} where user_id = ?" for table in LIST_TABLES),
        [user_id] * len(LIST_TABLES),
    ).fetchall()
    # A run's rows are deleted together: without some of its customers they would not give its metrics.
    for table in LIST_TABLES:
        connection.execute(
            f"delete from ml.{table} where run_id in (select unnest(?::varchar[]))", [[run for (run,) in runs]]
        )


def _delete_version_rows(connection: duckdb.DuckDBPyConnection, dataset_hash: str) -> None:
    """Delete a dataset version and its models from the tables of schema ml."""
    for table in (
        *LIST_TABLES,
        "candidates",
        "similar_products",
        "gate_results",
        "ranking_metrics",
        "metric_differences",
    ):
        connection.execute(
            f"delete from ml.{table} where run_id in (select run_id from ml.model_runs where dataset_hash = ?)",
            [dataset_hash],
        )
    for table in ("model_runs", "dataset_versions"):
        connection.execute(f"delete from ml.{table} where dataset_hash = ?", [dataset_hash])


def _write_dataset_successors(settings: Settings, user_id: str) -> dict[str, str | None]:
    """Write the successors of all dataset versions that have the customer; return their hashes by the old ones.

    The hash is None for a version without another customer.
    """
    successors: dict[str, str | None] = {}
    for dataset_hash in iter_dataset_hashes(settings.datasets_dir):
        dataset = read_dataset(settings.datasets_dir, dataset_hash)
        successor = dataset.remove_customer(user_id)
        if successor is None:
            successors[dataset_hash] = None
        elif successor.dataset_hash != dataset_hash:
            provenance = read_manifest(settings.datasets_dir, dataset_hash).provenance
            write_dataset(successor, provenance, settings.datasets_dir, successor_of=dataset_hash)
            successors[dataset_hash] = successor.dataset_hash
    return successors


def _replace_model(folder: Path, user_id: str, successors: dict[str, str | None]) -> None:
    try:
        model = Recommender.load(folder)
    except ModelError as error:
        raise ModelError(f"{error}. Or delete the folder, and call the command again") from error
    dataset_hash = successors.get(model.card.dataset_hash, model.card.dataset_hash)
    if dataset_hash is None:
        remove_folder_atomically(folder)
        return
    has_customer = user_id in model.users or user_id in model.customer_features.ids
    if has_customer or dataset_hash != model.card.dataset_hash:
        remaining = model.remove_customer(user_id)
        card = remaining.card.model_copy(update={"dataset_hash": dataset_hash})
        replace_folder(folder, replace(remaining, card=card).save)
