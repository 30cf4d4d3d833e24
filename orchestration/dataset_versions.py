"""Dataset versions: read from the marts, listed, and found by the beginning of their hash."""

import json
import logging
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml
from pydantic import BaseModel, ConfigDict

from models_ml.data.dataset import TABLE_LAYOUTS, Dataset, apply_layout
from models_ml.data.dataset_store import (
    MANIFEST_FILE,
    DatasetManifest,
    Provenance,
    SourceFile,
    get_table_path,
    iter_dataset_hashes,
    read_manifest,
)
from models_ml.errors import ModelError
from orchestration.dbt_manifest import load_manifest
from orchestration.dbt_runner import PROJECT_DIR
from orchestration.model_features import (
    CUTOFFS_TABLE,
    TRAINING_CUTOFFS,
    build_features_query,
    describe_declarations,
    describe_weak_features,
    find_declarations,
)
from warehouse.database import open_reader
from warehouse.errors import RecomartError
from warehouse.loading.forgotten_customers import build_is_forgotten, read_forgotten_customers
from warehouse.settings import Settings

LOG = logging.getLogger(__name__)

RECORDED_LIBRARIES = ("recomart", "dbt-core", "dbt-duckdb", "duckdb", "pyarrow")
"""Libraries that can change the rows; the manifest records their versions."""

MART_TABLES = {name: f"marts.ml_{name}" for name in TABLE_LAYOUTS if name != "features"}

# The files that the marts were built from. The checksum is null for a file that was reloaded since.
SOURCE_FILES_QUERY = """
    select audit.feed, audit.path, ledger.checksum, audit.loaded as row_count
    from marts.audit_files as audit
    left join raw.loaded_files as ledger
        on audit.feed = ledger.feed and audit.path = ledger.path and audit.loaded_at = ledger.loaded_at
    order by audit.feed, audit.path
"""

VERSIONS_QUERY = """
    select
        versions.* exclude (settings, path),
        list(runs.run_id order by runs.run_number) filter (runs.run_id is not null) as runs,
        max(runs.run_number) as run_number,
        coalesce(bool_or(runs.is_serving), false) as is_serving
    from ml.dataset_versions as versions
    left join ml.model_runs as runs on versions.dataset_hash = runs.dataset_hash
    group by all
"""


class DatasetVersion(BaseModel):
    """A dataset version, the model runs that used it, and whether its files are complete."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    dataset_hash: str
    created_at: datetime
    as_of: datetime
    interactions: int
    users: int
    products: int
    runs: list[str]
    """Ids of the model runs that were trained on it, oldest first."""
    run_number: int | None
    """Number of the last of these runs in the sequence of trainings."""
    is_serving: bool
    """Whether the serving model is one of them."""
    missing_files: list[str]
    """Files of the version that are missing; training on it needs all of them."""


def read_marts(settings: Settings) -> tuple[Dataset, Provenance]:
    """Return the training data of the marts, and its provenance: settings, library versions and source files.

    Own tables can have ids that no load has checked, so the features of forgotten customers are left out here.

    Raises:
        RecomartError: The marts are not built, a feature is declared wrongly, or the warehouse is in use.
        ModelError: The marts have no rows to train on.
    """
    declarations = find_declarations(load_manifest(settings))
    with open_reader(settings) as connection:
        tables = {
            name: _read_sorted_rows(connection, settings, name, f"from {table}") for name, table in MART_TABLES.items()
        }
        if declarations:
            features_query = build_features_query(connection, declarations)
            is_forgotten = build_is_forgotten(read_forgotten_customers(settings), "subject_id")
            tables["features"] = _read_sorted_rows(
                connection,
                settings,
                "features",
                f"from ({features_query}) where subject != 'customer' or not {is_forgotten}",
            )
            cutoffs = {*tables["interactions"]["cutoff"].unique().to_pylist()}
            for warning in describe_weak_features(
                declarations, tables["features"], [name for name in TRAINING_CUTOFFS if name in cutoffs]
            ):
                LOG.warning(warning)
        weights = read_event_weights(connection)
        files = connection.sql(SOURCE_FILES_QUERY).to_arrow_table().to_pylist()
    project = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8"))
    return Dataset.from_tables(**tables), Provenance(
        settings={
            "event_weights": weights,
            "dbt_vars": project["vars"],
            "features": describe_declarations(declarations),
        },
        versions={"dbt_project": project["version"], **{library: version(library) for library in RECORDED_LIBRARIES}},
        files=[SourceFile(**file) for file in files],
    )


def read_event_weights(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """Return the row of seeds.event_weights for each event type."""
    rows = connection.sql("select * from seeds.event_weights order by event_type").to_arrow_table().to_pylist()
    return {row.pop("event_type"): row for row in rows}


def read_interactions(settings: Settings) -> pa.Table:
    """Return the interactions of cutoff `now`, in the layout of a dataset.

    Raises:
        RecomartError: The marts are not built, or the warehouse is in use.
    """
    with open_reader(settings) as connection:
        rows = _read_sorted_rows(
            connection, settings, "interactions", f"from {MART_TABLES['interactions']} where cutoff = 'now'"
        )
    return apply_layout(rows, "interactions")


def read_shop_repeats(settings: Settings) -> dict[str, Any] | None:
    """Return the row of marts.feat_shop_repeats at cutoff `now`; None without actions.

    Raises:
        RecomartError: The marts are not built, or the warehouse is in use.
    """
    with open_reader(settings) as connection:
        rows = connection.sql("from marts.feat_shop_repeats where cutoff = 'now'").to_arrow_table().to_pylist()
    return rows[0] if rows else None


def _read_sorted_rows(
    connection: duckdb.DuckDBPyConnection, settings: Settings, name: str, from_clause: str
) -> pa.Table:
    # DuckDB casts decimals to the nearest double; pyarrow can be off by the last bit, which would change the hash.
    columns = ", ".join(
        f"cast({field.name} as double) as {field.name}" if field.type == pa.float64() else field.name
        for field in TABLE_LAYOUTS[name].schema
    )
    keys = ", ".join(TABLE_LAYOUTS[name].sort_keys)
    try:
        cutoffs = connection.sql(f"select distinct cutoff {from_clause} order by 1").fetchall()
        # One cutoff at a time: sorting all rows at once takes three times the memory.
        query = f"select {columns} from (select * {from_clause}) where cutoff = ? order by {keys}"
        parts = [connection.sql(query, params=cutoff).to_arrow_table() for cutoff in cutoffs]
        empty = connection.sql(f"select {columns} {from_clause} limit 0").to_arrow_table()
        return pa.concat_tables([empty, *parts])
    except duckdb.CatalogException as error:
        raise RecomartError(
            f"{settings.database}: there is no table {MART_TABLES.get(name, CUTOFFS_TABLE)} to train on. Build it with "
            "`recomart run`, or `dbt build` in dbt_project/"
        ) from error


def find_version(settings: Settings, hash_prefix: str) -> str:
    """Return the hash of the dataset version whose hash begins with `hash_prefix`.

    Raises:
        RecomartError: No version, or more than one, has such a hash.
    """
    if not hash_prefix:
        raise RecomartError("an empty hash names no dataset version. `recomart datasets` lists them")
    matches = [name for name in iter_dataset_hashes(settings.datasets_dir) if name.startswith(hash_prefix.lower())]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise RecomartError(
            f"{settings.datasets_dir}: no dataset version has a hash that begins with {hash_prefix!r}. "
            "`recomart datasets` lists them"
        )
    raise RecomartError(
        f"{len(matches)} dataset versions have a hash that begins with {hash_prefix!r}: "
        f"{', '.join(name[: len(hash_prefix) + 8] for name in matches)}. Give more characters"
    )


def list_dataset_versions(settings: Settings) -> list[DatasetVersion]:
    """Return every version that a model run used or whose files exist: first those without a run, then by the runs.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet.
    """
    with open_reader(settings) as connection:
        used_versions = connection.sql(VERSIONS_QUERY).to_arrow_table().to_pylist()
    rows: dict[str, dict[str, Any]] = {row["dataset_hash"]: {**row, "runs": row["runs"] or []} for row in used_versions}
    for dataset_hash in iter_dataset_hashes(settings.datasets_dir):
        if dataset_hash not in rows and (manifest := _try_read_manifest(settings.datasets_dir, dataset_hash)):
            rows[dataset_hash] = {**vars(manifest), "runs": [], "run_number": None, "is_serving": False}
    versions = [
        DatasetVersion(**{**row, "missing_files": _find_missing_files(settings.datasets_dir, dataset_hash)})
        for dataset_hash, row in rows.items()
    ]
    # The time of creation may come from a wrong clock, so it orders only versions that no run used.
    return sorted(
        versions,
        key=lambda dataset: (dataset.run_number is None, dataset.run_number or 0, dataset.created_at),
        reverse=True,
    )


def _try_read_manifest(folder: Path, dataset_hash: str) -> DatasetManifest | None:
    """Return a version's manifest; None when the folder holds no readable version."""
    try:
        return read_manifest(folder, dataset_hash)
    except ModelError:
        return None


def _find_missing_files(folder: Path, dataset_hash: str) -> list[str]:
    files = [
        *(get_table_path(folder, dataset_hash, name) for name in TABLE_LAYOUTS),
        folder / dataset_hash / MANIFEST_FILE,
    ]
    return [file.name for file in files if not file.is_file()]


def build_version_row(settings: Settings, manifest: DatasetManifest) -> pa.Table:
    """Return the version's row of ml.dataset_versions."""
    path = (settings.datasets_dir / manifest.dataset_hash).relative_to(settings.warehouse)
    row = manifest.model_dump(exclude={"format", "format_version", "tables", "provenance", "successor_of"})
    return pa.Table.from_pylist([row | {"settings": json.dumps(manifest.provenance.settings), "path": str(path)}])
