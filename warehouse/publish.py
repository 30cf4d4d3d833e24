"""The door out: versioned read-only copies of what people look at, and the pointer to the newest."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from pydantic import BaseModel, ConfigDict

from warehouse.database import cannot_open, limits
from warehouse.errors import RecomartError
from warehouse.settings import Settings

POINTER = "current.json"
LOCK = "publishing.lock"

PATIENCE_SECONDS = 60.0
"""How long a publishing waits for another one to end."""


WAREHOUSE = "recomart"
"""Catalog that the warehouse is attached as: the name it has when dbt opens it, by which its views refer to tables."""


class Published(BaseModel):
    """What the pointer says of the copy that is live."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    file: str
    """Name of the copy in the serving folder."""

    published_at: datetime
    """When the pointer moved to it (UTC)."""

    run_id: str | None
    """The model run whose recommendations it holds; None before the first training."""

    rows: dict[str, int]
    """Rows of each table."""


def publish(settings: Settings, tables: Sequence[str], patience: float = PATIENCE_SECONDS) -> Published:
    """Copy marts into a new serving copy, verify it, and move the pointer to it.

    Readers of the copy before are not disturbed: its file stays until newer ones have pushed it out.

    Args:
        settings: Where the warehouse is, and how many copies to keep.
        tables: Names of the tables of schema `marts` to publish.
        patience: Seconds to wait for another publishing of this warehouse to end.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: A table is missing, or holds no recommendation at all; or another publishing does not end.
    """
    if not settings.database.exists():
        raise RecomartError(f"{settings.database}: there is no warehouse yet; make one with `recomart run`")
    settings.serving_dir.mkdir(parents=True, exist_ok=True)
    with _alone(settings.serving_dir, patience):
        return _publish(settings, tables)


@contextmanager
def _alone(folder: Path, patience: float) -> Iterator[None]:
    """Keep other publishings out of the folder: each takes unfinished copies for those of one that was killed."""
    end = time.monotonic() + patience
    # The lock goes with the process, however that ends.
    with (folder / LOCK).open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise RecomartError(
                        f"another publishing into {folder} is going on; wait until it has ended, or stop it"
                    ) from None
            time.sleep(0.1)
        yield


def _publish(settings: Settings, tables: Sequence[str]) -> Published:
    now = datetime.now(UTC)
    _drop_unfinished(settings.serving_dir)
    copy = settings.serving_dir / f"recomart-{now:%Y%m%dT%H%M%S%fZ}.duckdb"
    unfinished = copy.with_suffix(".duckdb.tmp")
    try:
        rows, run_id = _write_copy(settings, tables, unfinished)
        _verify(settings, unfinished, rows)
        unfinished.rename(copy)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    published = Published(file=copy.name, published_at=now, run_id=run_id, rows=rows)
    _move_pointer(settings, published)
    _drop_old_copies(settings, keep=copy)
    return published


def _drop_unfinished(folder: Path) -> None:
    for left in folder.glob("recomart-*.duckdb.tmp*"):
        if left.is_file():
            left.unlink()
        # Where its writing spilled what memory could not hold; a reader spills into the name of a copy and one .tmp.
        elif left.name.endswith(".tmp.tmp"):
            shutil.rmtree(left)


def _write_copy(settings: Settings, tables: Sequence[str], path: Path) -> tuple[dict[str, int], str | None]:
    path.unlink(missing_ok=True)
    # Not in the warehouse's storage format: looking up one customer's list in that takes three times as long.
    with closing(duckdb.connect(str(path), config=limits(settings))) as connection:
        _attach_warehouse(connection, settings.database)
        rows = {}
        for table in tables:
            try:
                columns = connection.sql(f"select * from {WAREHOUSE}.marts.{table} limit 0").columns
            except duckdb.CatalogException as error:
                raise RecomartError(
                    f"{settings.database}: there is no table marts.{table} to publish; build it with `recomart run`"
                ) from error
            # Rows of one customer together: the app's look-ups then read a few blocks instead of the whole table.
            order = "order by user_id" if "user_id" in columns else ""
            connection.execute(f"create table {table} as select * from {WAREHOUSE}.marts.{table} {order}")
            if "product_id" in columns and not order:
                # Few products are looked up at a time: a tenth of the time that reading 200,000 of them takes.
                connection.execute(f"create index {table}_by_product on {table} (product_id)")
            rows[table] = _count(connection, f"{WAREHOUSE}.marts.{table}")
        # The run that made the lists, not the newest one: a model may have been trained since they were built.
        made_by = connection.execute("select max(run_id) from rec_top_n").fetchone() if "rec_top_n" in rows else None
    return rows, made_by[0] if made_by else None


def _attach_warehouse(connection: duckdb.DuckDBPyConnection, database: Path) -> None:
    quoted = str(database).replace("'", "''")
    try:
        connection.execute(f"attach '{quoted}' as {WAREHOUSE} (read_only)")
    except duckdb.Error as error:
        raise cannot_open(error, database) from error


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    count = connection.execute(f"select count(*) from {table}").fetchone()
    return int(count[0]) if count else 0


def _verify(settings: Settings, path: Path, rows: dict[str, int]) -> None:
    """Open the copy as its readers will, and count again."""
    with closing(duckdb.connect(str(path), read_only=True, config=limits(settings))) as connection:
        for table, expected in rows.items():
            if _count(connection, table) != expected:
                raise RecomartError(f"{path}: {table} has not the {expected} rows of the warehouse; not published")
    if not rows.get("rec_top_n", 0) + rows.get("rec_popular_products", 0):
        raise RecomartError("there is not one recommendation to publish; see `recomart status` for what was loaded")


def _move_pointer(settings: Settings, published: Published) -> None:
    pointer = settings.serving_dir / POINTER
    unfinished = pointer.with_suffix(".tmp")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(published.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(pointer)


def _drop_old_copies(settings: Settings, keep: Path) -> None:
    copies = sorted(settings.serving_dir.glob("recomart-*.duckdb"))
    for old in copies[: -settings.serving_copies]:
        if old != keep:
            old.unlink()


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


def open_published(settings: Settings, published: Published) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a published copy, within the memory and threads of the settings.

    Raises:
        RecomartError: The copy is gone or damaged.
    """
    path = settings.serving_dir / published.file
    try:
        return duckdb.connect(str(path), read_only=True, config=limits(settings))
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise RecomartError(
            f"{path}: the published copy cannot be opened ({reason}); publish again with `recomart publish`"
        ) from error
