"""TODO."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import duckdb
from pydantic import BaseModel, ConfigDict

from warehouse.database import limits, memory_message
from warehouse.errors import RecomartError
from warehouse.settings import Settings

POINTER = "current.json"


Opened = TypeVar("Opened")


class Published(BaseModel):
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

    data_until: datetime | None = None
    """Time of the newest row of any feed (UTC)."""

    rows: dict[str, int]
    """Rows of each table."""


def current(settings: Settings) -> Published:
    """The copy that is live.

    Raises:
        RecomartError: Nothing was published yet, or the pointer is damaged.
    """
    pointer = settings.serving_dir / POINTER
    try:
        return Published.model_validate(json.loads(pointer.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise RecomartError(
            f"{settings.serving_dir}: nothing is published yet; run `recomart run` (or `make demo`) first"
        ) from None
    except ValueError as error:
        raise RecomartError(f"{pointer}: the pointer is damaged; publish again with `recomart publish`") from error


def of_live_copy(settings: Settings, opened: Callable[[Published], Opened]) -> Opened:
    """What `opened` makes of the copy that is live, or of the next one when newer ones push it out before it is open.

    Raises:
        RecomartError: Nothing was published yet, or what is live cannot be opened.
    """
    published = current(settings)
    while True:
        try:
            return opened(published)
        except RecomartError:
            newer = current(settings)
            if newer == published:
                raise
            published = newer


def open_published(settings: Settings, published: Published) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a published copy, within the memory and threads of the settings.

    Raises:
        RecomartError: The copy is gone or damaged.
    """
    path = settings.serving_dir / published.file
    try:
        return duckdb.connect(str(path), read_only=True, config=limits(settings))
    except duckdb.Error as error:
        raise unusable_copy(error, f"{path}: the published copy cannot be opened") from error


def unusable_copy(error: duckdb.Error, what: str) -> RecomartError:
    """The error to raise when DuckDB cannot do with a published copy what is asked of it."""
    if full := memory_message(str(error)):
        return RecomartError(full)
    return RecomartError(f"{what} ({str(error).splitlines()[0]}); publish again with `recomart publish`")
