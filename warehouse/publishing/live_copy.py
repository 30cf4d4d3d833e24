"""TODO."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import duckdb
from pydantic import BaseModel, ConfigDict

from warehouse.database import describe_memory_error, get_resource_limits
from warehouse.errors import RecomartError
from warehouse.settings import Settings

POINTER_FILE = "current.json"


Opened = TypeVar("Opened")


class PublishedCopy(BaseModel):
    """What the pointer says of the copy that is live."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    file: str
    """Name of the copy in the serving folder."""

    published_at: datetime
    """When the pointer moved to it (UTC)."""

    run_id: str | None = None
    """The model run whose recommendations it holds; None before the first training."""

    trained_at: datetime | None = None
    """When that model was trained (UTC)."""

    dataset_hash: str | None = None
    """The version of the data that it was trained on."""

    newest_row_at: datetime | None = None
    """Time of the newest row of any feed (UTC)."""

    rows: dict[str, int]
    """Rows of each table."""


def read_pointer(settings: Settings) -> PublishedCopy:
    """The copy that is live.

    Raises:
        RecomartError: Nothing was published yet, or the pointer is damaged.
    """
    pointer = settings.serving_dir / POINTER_FILE
    try:
        return PublishedCopy.model_validate(json.loads(pointer.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise RecomartError(
            f"{settings.serving_dir}: nothing is published yet; run `recomart run` (or `make demo`) first"
        ) from None
    except ValueError as error:
        raise RecomartError(f"{pointer}: the pointer is damaged; publish again with `recomart publish`") from error


def open_live_copy(settings: Settings, open_function: Callable[[PublishedCopy], Opened]) -> Opened:
    """What `opened` makes of the copy that is live, or of the next one when newer ones push it out before it is open.

    Raises:
        RecomartError: Nothing was published yet, or what is live cannot be opened.
    """
    published = read_pointer(settings)
    while True:
        try:
            return open_function(published)
        except RecomartError:
            newer = read_pointer(settings)
            if newer == published:
                raise
            published = newer


def open_copy(settings: Settings, published: PublishedCopy) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a published copy, within the memory and threads of the settings.

    Raises:
        RecomartError: The copy is gone or damaged.
    """
    path = settings.serving_dir / published.file
    try:
        return duckdb.connect(str(path), read_only=True, config=get_resource_limits(settings))
    except duckdb.Error as error:
        raise make_copy_error(error, f"{path}: the published copy cannot be opened") from error


def make_copy_error(error: duckdb.Error, failure: str) -> RecomartError:
    """The error to raise when DuckDB cannot do with a published copy what is asked of it."""
    if full := describe_memory_error(str(error)):
        return RecomartError(full)
    return RecomartError(f"{failure} ({str(error).splitlines()[0]}); publish again with `recomart publish`")
