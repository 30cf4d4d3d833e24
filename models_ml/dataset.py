"""Versions of the training rows: a hash of their content, and the rows themselves as Parquet under that hash."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models_ml.errors import ModelError
from models_ml.interactions import require_columns

SCHEMA = pa.schema(
    [
        ("as_of", pa.timestamp("us")),
        ("user_id", pa.large_string()),
        ("product_id", pa.large_string()),
        ("strength", pa.float64()),
        ("interaction_count", pa.int64()),
        ("has_purchased", pa.bool_()),
        ("first_interaction_at", pa.timestamp("us")),
        ("last_interaction_at", pa.timestamp("us")),
    ]
)
"""The columns of a training row."""


@dataclass(frozen=True)
class DatasetVersion:
    """What a model is trained on, named by its content."""

    dataset_hash: str
    created_at: datetime
    as_of: datetime
    interactions: int
    users: int
    products: int
    first_interaction_at: datetime
    last_interaction_at: datetime
    settings: str
    """JSON of whatever the caller says the rows were made with."""

    @classmethod
    def of(cls, rows: pa.Table, settings: Mapping[str, object] | None = None) -> "DatasetVersion":
        """Describe `rows` as `training_rows` returns them."""
        return cls(
            dataset_hash=content_hash(rows),
            created_at=datetime.now(UTC).replace(tzinfo=None),
            as_of=pc.max(rows["as_of"]).as_py(),
            interactions=rows.num_rows,
            users=pc.count_distinct(rows["user_id"]).as_py(),
            products=pc.count_distinct(rows["product_id"]).as_py(),
            first_interaction_at=pc.min(rows["first_interaction_at"]).as_py(),
            last_interaction_at=pc.max(rows["last_interaction_at"]).as_py(),
            settings=json.dumps(settings or {}, sort_keys=True),
        )

    def row(self, path: Path) -> pa.Table:
        """Return the one row of ml.dataset_versions, with where the rows lie."""
        return pa.Table.from_pylist([{**vars(self), "path": str(path)}])


def training_rows(interactions: pa.Table) -> pa.Table:
    """Return the columns of a training row, ordered by user and product, in the one layout that is hashed.

    Raises ModelError when a column is missing, holds something else than it should, or is null somewhere; and when
    there are no rows.
    """
    require_columns(interactions, tuple(SCHEMA.names), "the interactions")
    if not interactions.num_rows:
        raise ModelError("the interactions are empty; load events or purchases with a customer first")
    try:
        rows = interactions.select(SCHEMA.names).cast(SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ModelError(f"the interactions do not have the types of training rows: {error}") from error
    nulls = [name for name in SCHEMA.names if rows[name].null_count]
    if nulls:
        raise ModelError(f"the interactions hold nulls in {', '.join(nulls)}; every value must be known")
    return rows.sort_by([("user_id", "ascending"), ("product_id", "ascending")]).combine_chunks()


def content_hash(rows: pa.Table) -> str:
    """Return the sha256 of every value of `rows` in order, whatever the file format or library version."""
    digest = hashlib.sha256()
    for field in SCHEMA:
        column = rows[field.name]
        digest.update(f"{field.name}:{field.type}:{len(column)};".encode())
        if pa.types.is_large_string(field.type):
            digest.update(pc.binary_length(column).to_numpy())
            for chunk in column.chunks:
                _, offsets, text = chunk.buffers()
                bounds = memoryview(offsets).cast("q")
                digest.update(memoryview(text or b"")[bounds[chunk.offset] : bounds[chunk.offset + len(chunk)]])
        elif pa.types.is_boolean(field.type):
            digest.update(column.cast(pa.int8()).to_numpy())
        elif pa.types.is_timestamp(field.type):
            digest.update(column.cast(pa.int64()).to_numpy())
        else:
            digest.update(column.to_numpy())
    return digest.hexdigest()


def write_dataset(rows: pa.Table, folder: Path) -> Path:
    """Write `rows` to `folder`/<hash>.parquet and return that path; a file already there is checked and kept."""
    dataset_hash = content_hash(rows)
    path = folder / f"{dataset_hash}.parquet"
    if path.exists():
        read_dataset(folder, dataset_hash)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".writing-", suffix=".parquet", dir=folder)
    os.close(handle)
    try:
        pq.write_table(rows, temporary, compression="zstd")
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def read_dataset(folder: Path, dataset_hash: str) -> pa.Table:
    """Read the rows of a version; ModelError when they are missing, unreadable or not what the hash says."""
    path = folder / f"{dataset_hash}.parquet"
    if not path.is_file():
        raise ModelError(f"no dataset {dataset_hash} in {folder}; the table ml.dataset_versions lists those there are")
    try:
        rows = training_rows(pq.read_table(path))
    except (pa.ArrowException, OSError, ModelError) as error:
        raise ModelError(f"dataset {path} cannot be read: {error}; delete it and train anew") from error
    if content_hash(rows) != dataset_hash:
        raise ModelError(f"the content of {path} does not match its hash; delete it and train anew")
    return rows
