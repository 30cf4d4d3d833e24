"""The published copy that is live: the pointer to it, and read-only connections."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import duckdb
from pydantic import BaseModel, ConfigDict

from warehouse.checksums import compute_file_checksum
from warehouse.database import connect_to_file, describe_memory_error
from warehouse.errors import NothingPublishedError, PublishedCopyError, RecomartError
from warehouse.regular_files import read_regular_file
from warehouse.settings import Settings

POINTER_FILE = "current.json"

T = TypeVar("T")


class PublishedCopy(BaseModel):
    """The content of the pointer file: the file of the live copy and its provenance."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    file: str
    """Name of the copy in the serving folder."""

    published_at: datetime
    """Time of publication (UTC)."""

    run_id: str | None = None
    """Model run of the recommendations; None before the first training."""

    trained_at: datetime | None = None
    """Time when that model was trained (UTC)."""

    dataset_hash: str | None = None
    """Version of the dataset that the model was trained on."""

    newest_row_at: datetime | None = None
    """Time of the newest row of any feed (UTC)."""

    rows: dict[str, int]
    """Number of rows by table."""

    sha256: str | None = None
    """Checksum of the file; None for a copy of an earlier version of RecoMart."""


def read_pointer(settings: Settings) -> PublishedCopy:
    """Read which copy is live.

    Raises:
        NothingPublishedError: No copy was published yet.
        RecomartError: The pointer file is damaged or cannot be read.
    """
    pointer = settings.serving_dir / POINTER_FILE
    try:
        return PublishedCopy.model_validate(json.loads(read_regular_file(pointer)))
    except FileNotFoundError:
        raise NothingPublishedError(
            f"{settings.serving_dir}: nothing is published yet. Run `recomart run` (or `make demo`) first"
        ) from None
    except OSError as error:
        raise RecomartError(f"{pointer}: the pointer cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RecomartError(f"{pointer}: the pointer is damaged. Publish again with `recomart publish`") from error


def open_live_copy(settings: Settings, open_function: Callable[[PublishedCopy], T]) -> T:
    """Return the result of `open_function` for the live copy; try again if a newer copy replaces it in the meantime.

    Raises:
        RecomartError: No copy was published yet, or the live copy cannot be opened.
    """
    published = read_pointer(settings)
    while True:
        try:
            return open_function(published)
        except RecomartError:
            newer_copy = read_pointer(settings)
            if newer_copy == published:
                raise
            published = newer_copy


def open_copy(settings: Settings, published: PublishedCopy) -> duckdb.DuckDBPyConnection:
    """Open a published copy read-only.

    Raises:
        PublishedCopyError: The copy is missing or damaged.
    """
    path = settings.serving_dir / published.file
    try:
        return connect_to_file(settings, path, read_only=True)
    except duckdb.Error as error:
        raise make_copy_error(error, f"{path}: the published copy cannot be opened") from error


def verify_copy(settings: Settings, published: PublishedCopy) -> None:
    """Read the whole file of a published copy and compare its checksum with the pointer's.

    DuckDB itself checks a block only when a query reads it. A file takes 0.75 seconds per gigabyte.

    Raises:
        PublishedCopyError: The file is missing, cannot be read, or differs from the published file.
    """
    path = settings.serving_dir / published.file
    try:
        is_equal = published.sha256 in (None, compute_file_checksum(path))
    except OSError as error:
        raise PublishedCopyError(
            f"{path}: the published copy cannot be read: {error.strerror}. Publish again with `recomart publish`"
        ) from error
    if not is_equal:
        raise PublishedCopyError(
            f"{path}: the published copy is damaged: its checksum differs from the pointer's. Publish again with "
            "`recomart publish`"
        )


def make_copy_error(error: duckdb.Error, failure: str) -> PublishedCopyError:
    """Make the error to raise when DuckDB cannot open or query a published copy."""
    if message := describe_memory_error(str(error)):
        return PublishedCopyError(message)
    return PublishedCopyError(f"{failure} ({str(error).splitlines()[0]}). Publish again with `recomart publish`")
