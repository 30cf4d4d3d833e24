"""Dataset versions on disk: one folder per version, named by the hash, with a Parquet file per table and a manifest."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from models_ml.data.atomic_folders import create_folder_atomically
from models_ml.data.dataset import TABLE_LAYOUTS, Dataset, apply_layout, combine_hashes
from models_ml.errors import ModelError

MANIFEST_FILE = "manifest.json"

_REPAIR_HINT = "Restore the folder from a backup, or delete it and train again"


class SourceFile(BaseModel):
    """A landing file that contributed rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    feed: str
    path: str
    """Path relative to the landing folder."""
    checksum: str | None
    """Checksum of the loaded content; None when the file was loaded again after the dataset's rows were built."""
    row_count: int
    """Number of rows loaded from the file, including rows excluded or quarantined later."""


class Provenance(BaseModel):
    """Origin of a dataset: settings, versions and files; not part of the hash."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    settings: dict[str, Any] = {}
    """Settings that affect the rows: event weights, the dbt project's variables."""
    versions: dict[str, str] = {}
    """Versions of the dbt project and of the programs that ran it."""
    files: list[SourceFile] = []


class TableSummary(BaseModel):
    """Content of one Parquet file of a dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    row_count: int
    columns: dict[str, str]
    """Arrow type of each column."""
    content_sha256: str
    """Hash of the values, not of the file."""


class DatasetManifest(BaseModel):
    """Description of a dataset version: identity, size, time range, tables and provenance."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    format: Literal["recomart-dataset"] = "recomart-dataset"
    format_version: Literal[6] = 6
    """Version of the folder's layout."""
    dataset_hash: str
    created_at: datetime
    """When the version was first written, UTC."""
    as_of: datetime
    """The time of the cutoff 'now', UTC; every interaction is before it."""
    interactions: int
    """Number of customer-product pairs at the cutoff 'now'."""
    users: int
    """Number of customers in these pairs."""
    products: int
    """Number of products in these pairs."""
    first_interaction_at: datetime
    last_interaction_at: datetime
    tables: dict[str, TableSummary]
    provenance: Provenance
    successor_of: str | None = None
    """Hash of the version that this one replaces, because a customer was forgotten; None for all others."""

    @classmethod
    def from_dataset(
        cls, dataset: Dataset, provenance: Provenance, successor_of: str | None = None
    ) -> "DatasetManifest":
        """Return the manifest of a dataset, created now."""
        interactions = dataset.current_interactions
        return cls(
            dataset_hash=dataset.dataset_hash,
            created_at=datetime.now(UTC).replace(tzinfo=None),
            as_of=pc.max(interactions["as_of"]).as_py(),
            interactions=interactions.num_rows,
            users=pc.count_distinct(interactions["user_id"]).as_py(),
            products=pc.count_distinct(interactions["product_id"]).as_py(),
            first_interaction_at=pc.min(interactions["first_interaction_at"]).as_py(),
            last_interaction_at=pc.max(interactions["last_interaction_at"]).as_py(),
            tables={
                name: TableSummary(
                    row_count=table.num_rows,
                    columns={field.name: str(field.type) for field in table.schema},
                    content_sha256=dataset.table_hashes[name],
                )
                for name, table in dataset.tables.items()
            },
            provenance=provenance,
            successor_of=successor_of,
        )


def get_table_path(folder: Path, dataset_hash: str, table: str) -> Path:
    """Return the Parquet file of a version's table in the datasets `folder`."""
    return folder / dataset_hash / f"{table}.parquet"


def write_dataset(
    dataset: Dataset, provenance: Provenance, folder: Path, successor_of: str | None = None
) -> DatasetManifest:
    """Write a version atomically to `folder`/<hash> and return its manifest; an existing version is verified and kept.

    `successor_of` is the hash of the version that it replaces, if any.

    Raises:
        ModelError: The existing version is damaged.
    """
    path = folder / dataset.dataset_hash
    if path.exists():
        read_dataset(folder, dataset.dataset_hash)
        return read_manifest(folder, dataset.dataset_hash)
    manifest = DatasetManifest.from_dataset(dataset, provenance, successor_of)
    with create_folder_atomically(path) as unfinished:
        for name, table in dataset.tables.items():
            pq.write_table(table, unfinished / f"{name}.parquet", compression="zstd")
        (unfinished / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def read_dataset(folder: Path, dataset_hash: str) -> Dataset:
    """Read a version from the datasets `folder` and verify its content against the hash.

    Raises:
        ModelError: A file is missing, cannot be read, or does not match its hash; the message names the file.
    """
    manifest = read_manifest(folder, dataset_hash)
    tables = {}
    for name in TABLE_LAYOUTS:
        file = get_table_path(folder, dataset_hash, name)
        try:
            tables[name] = apply_layout(pq.read_table(file), name)
        except (pa.ArrowException, OSError, ModelError) as error:
            raise ModelError(f"{file} cannot be read: {error}. {_REPAIR_HINT}") from error
    dataset = Dataset(**tables)
    for name, table_hash in dataset.table_hashes.items():
        if table_hash != manifest.tables[name].content_sha256:
            raise ModelError(
                f"{get_table_path(folder, dataset_hash, name)}: its content does not match its hash in "
                f"{MANIFEST_FILE}, so it was changed or belongs to another version. {_REPAIR_HINT}"
            )
    return dataset


def read_manifest(folder: Path, dataset_hash: str) -> DatasetManifest:
    """Read the manifest of a version from the datasets `folder`.

    Raises:
        ModelError: The manifest is missing or damaged, belongs to another version, or has another format version; the
            message names the file.
    """
    file = folder / dataset_hash / MANIFEST_FILE
    try:
        content = json.loads(file.read_bytes())
        _require_format_version(content, file)
        manifest = DatasetManifest.model_validate(content)
    except FileNotFoundError:
        raise ModelError(
            f"{file} is missing: there are no files of dataset {dataset_hash}. `recomart datasets` lists the stored "
            "versions"
        ) from None
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{file} is not a manifest that this version can read: {reason}. {_REPAIR_HINT}") from None
    hashes = {name: summary.content_sha256 for name, summary in manifest.tables.items()}
    if hashes.keys() != TABLE_LAYOUTS.keys() or combine_hashes(hashes) != dataset_hash:
        raise ModelError(f"{file} does not describe the dataset of this hash. {_REPAIR_HINT}")
    return manifest


def _require_format_version(manifest: Any, file: Path) -> None:
    supported = DatasetManifest.model_fields["format_version"].default
    version = manifest.get("format_version", supported) if isinstance(manifest, dict) else supported
    if version != supported:
        raise ModelError(
            f"{file} is of dataset format {version}, and this RecoMart reads format {supported}. Train on it "
            "with the RecoMart that wrote it, or train again from the marts"
        )


def iter_dataset_hashes(folder: Path) -> Iterator[str]:
    """Yield the hashes of the versions in the datasets `folder` in order, without checking their files."""
    if folder.is_dir():
        yield from sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
