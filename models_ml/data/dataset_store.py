"""Dataset versions on disk: a folder named by the content's hash, with a Parquet file for each table and a manifest."""

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


class SourceFile(BaseModel):
    """A file that the rows came from."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    feed: str
    path: str
    """Relative to the landing folder."""
    checksum: str | None
    """None when the file was loaded anew after the rows had been made."""
    row_count: int
    """Rows loaded from it, those that were set aside later included."""


class Provenance(BaseModel):
    """What a dataset was made with; none of it is part of the hash."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    settings: dict[str, Any] = {}
    """Whatever shaped the rows: event weights, the dbt project's variables."""
    versions: dict[str, str] = {}
    """Of the dbt project and of what ran it."""
    files: list[SourceFile] = []


class TableSummary(BaseModel):
    """What is in a Parquet file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    row_count: int
    columns: dict[str, str]
    """Arrow's name of each column's type."""
    content_sha256: str
    """Hash of the values, not of the file."""


class DatasetManifest(BaseModel):
    """What a dataset is, in words and numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    format: Literal["recomart-dataset"] = "recomart-dataset"
    format_version: Literal[2] = 2
    """2: product_features has names, categories, brands, prices and recent popularity; 1 had the popularity alone."""
    dataset_hash: str
    created_at: datetime
    """When the version was written first, UTC."""
    as_of: datetime
    """The instant of 'now', UTC: every interaction is before it."""
    interactions: int
    """Pairs of customer and product as of now, which the model that serves is fitted to."""
    users: int
    """Customers with one of them."""
    products: int
    """Products with one of them."""
    first_interaction_at: datetime
    last_interaction_at: datetime
    tables: dict[str, TableSummary]
    provenance: Provenance

    @classmethod
    def from_dataset(cls, dataset: Dataset, provenance: Provenance) -> "DatasetManifest":
        """Describe a dataset."""
        now = dataset.current_interactions
        return cls(
            dataset_hash=dataset.dataset_hash,
            created_at=datetime.now(UTC).replace(tzinfo=None),
            as_of=pc.max(now["as_of"]).as_py(),
            interactions=now.num_rows,
            users=pc.count_distinct(now["user_id"]).as_py(),
            products=pc.count_distinct(now["product_id"]).as_py(),
            first_interaction_at=pc.min(now["first_interaction_at"]).as_py(),
            last_interaction_at=pc.max(now["last_interaction_at"]).as_py(),
            tables={
                name: TableSummary(
                    row_count=table.num_rows,
                    columns={field.name: str(field.type) for field in table.schema},
                    content_sha256=dataset.table_hashes[name],
                )
                for name, table in dataset.tables.items()
            },
            provenance=provenance,
        )


def get_table_path(folder: Path, dataset_hash: str, table: str) -> Path:
    """Return where a version's table lies in the `folder` of datasets."""
    return folder / dataset_hash / f"{table}.parquet"


def write_dataset(dataset: Dataset, provenance: Provenance, folder: Path) -> DatasetManifest:
    """Write a version to `folder`/<hash>, whole or not at all; one that is there already is verified and kept.

    Raises ModelError when the version that is there is damaged.
    """
    path = folder / dataset.dataset_hash
    if path.exists():
        read_dataset(folder, dataset.dataset_hash)
        return read_manifest(folder, dataset.dataset_hash)
    manifest = DatasetManifest.from_dataset(dataset, provenance)
    with create_folder_atomically(path) as unfinished:
        for name, table in dataset.tables.items():
            pq.write_table(table, unfinished / f"{name}.parquet", compression="zstd")
        (unfinished / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def read_dataset(folder: Path, dataset_hash: str) -> Dataset:
    """Read a version of `folder`, and verify that its content has that hash.

    Raises ModelError, naming the file, when one is missing, cannot be read, or is not what the hash says.
    """
    manifest = read_manifest(folder, dataset_hash)
    tables = {}
    for name in TABLE_LAYOUTS:
        file = get_table_path(folder, dataset_hash, name)
        try:
            tables[name] = apply_layout(pq.read_table(file), name)
        except (pa.ArrowException, OSError, ModelError) as error:
            raise ModelError(f"{file} cannot be read: {error}; {_REPAIR_HINT}") from error
    dataset = Dataset(**tables)
    for name, found in dataset.table_hashes.items():
        if found != manifest.tables[name].content_sha256:
            raise ModelError(
                f"{get_table_path(folder, dataset_hash, name)}: its content does not match its hash in {MANIFEST_FILE}, so it "
                f"was changed or belongs elsewhere; {_REPAIR_HINT}"
            )
    return dataset


def read_manifest(folder: Path, dataset_hash: str) -> DatasetManifest:
    """Read the manifest of a version of `folder`.

    Raises ModelError, naming the file, when it is missing, not its own, or of another format version.
    """
    file = folder / dataset_hash / MANIFEST_FILE
    try:
        content = json.loads(file.read_bytes())
        _require_format_version(content, file)
        manifest = DatasetManifest.model_validate(content)
    except FileNotFoundError:
        raise ModelError(
            f"{file} is missing: the files of dataset {dataset_hash} are not there; `recomart datasets` lists those "
            "that are"
        ) from None
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{file} is not a manifest that this version can read: {reason}; {_REPAIR_HINT}") from None
    hashes = {name: facts.content_sha256 for name, facts in manifest.tables.items()}
    if hashes.keys() != TABLE_LAYOUTS.keys() or combine_hashes(hashes) != dataset_hash:
        raise ModelError(f"{file} does not describe the dataset of this hash; {_REPAIR_HINT}")
    return manifest


def _require_format_version(manifest: Any, file: Path) -> None:
    ours = DatasetManifest.model_fields["format_version"].default
    found = manifest.get("format_version", ours) if isinstance(manifest, dict) else ours
    if found != ours:
        raise ModelError(
            f"{file} is of dataset format {found}, and this RecoMart reads format {ours}, which holds other columns; "
            "train on it with the RecoMart that wrote it, or train anew from the marts"
        )


def iter_dataset_hashes(folder: Path) -> Iterator[str]:
    """Yield the hashes of the versions in `folder`, whole or damaged."""
    if folder.is_dir():
        yield from sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


_REPAIR_HINT = "restore the folder from a backup, or delete it and train anew"
