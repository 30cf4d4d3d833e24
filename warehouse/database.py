"""Connections to the warehouse database: one writer at a time, and a clear word when somebody else holds it."""

import logging
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from warehouse.errors import RecomartError, WarehouseBusyError
from warehouse.locks import describe_process
from warehouse.settings import Settings

STORAGE_VERSION = "v1.3.0"
"""Oldest DuckDB that can read a file that is made here. From it on texts are packed in another way: ten million raw
events take two thirds of the time to write, and three quarters to read."""

RETRY_INTERVAL_SECONDS = 0.25
"""Between two attempts to open a warehouse that somebody else holds."""

LOG = logging.getLogger(__name__)

Opened = TypeVar("Opened")

SCHEMA_FILE = Path(__file__).with_name("schema.sql")


def describe_lock_error(error_text: str, database: Path) -> str | None:
    """Say who holds the database, if that is what DuckDB's error is about; None otherwise."""
    if "Could not set lock on file" not in error_text:
        return None
    holder = re.search(r"PID (\d+)", error_text)
    who = describe_process(int(holder[1])) if holder else "another process"
    return f"{database}: {who} is using the warehouse; wait until it has finished, or stop it, and try again"


def describe_memory_error(error_text: str) -> str | None:
    """Say which setting to raise, if DuckDB's error is about its memory limit; None otherwise."""
    if "Out of Memory Error" not in error_text:
        return None
    used = re.search(r" \([^()]* used\)", error_text)
    return f"DuckDB's memory limit is too small for this{used[0] if used else ''}; raise RECOMART_MEMORY_LIMIT"


DuckDbConfig = dict[str, str | bool | int | float | list[str]]


def get_resource_limits(settings: Settings) -> DuckDbConfig:
    """DuckDB's configuration: connections keep to the memory and threads of the settings."""
    return {"memory_limit": settings.memory_limit, "threads": settings.threads}


def get_duckdb_config(settings: Settings) -> DuckDbConfig:
    """The limits, and that new files get our format."""
    return {**get_resource_limits(settings), "storage_compatibility_version": STORAGE_VERSION}


def retry_while_locked(settings: Settings, action: Callable[[], Opened]) -> Opened:
    """Return what `action` opens, waiting for a while when another process holds the warehouse.

    Raises:
        WarehouseBusyError: It still does after the settings' `wait_seconds`.
        RecomartError: The warehouse cannot be opened for another reason.
    """

    def attempt() -> Opened:
        try:
            return action()
        except duckdb.Error as error:
            raise make_open_error(error, settings.database) from error

    def log_wait(state: RetryCallState) -> None:
        if state.attempt_number == 1 and state.outcome:
            LOG.warning("%s (waiting up to %.3g s for it)", state.outcome.exception(), settings.wait_seconds)

    waiting = Retrying(
        retry=retry_if_exception_type(WarehouseBusyError),
        stop=stop_after_delay(settings.wait_seconds),
        wait=wait_fixed(RETRY_INTERVAL_SECONDS),
        before_sleep=log_wait,
        reraise=True,
    )
    return waiting(attempt)


def connect(settings: Settings, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open the warehouse database within the memory and threads of the settings, waiting while another process writes.

    Raises:
        WarehouseBusyError: Another process holds it, and did so for as long as the settings allow to wait.
        RecomartError: It does not exist (read-only), or is no DuckDB file of this version.
    """
    if read_only and not settings.database.exists():
        raise RecomartError(f"{settings.database}: there is no warehouse yet; make one with `recomart run`")
    settings.warehouse.mkdir(parents=True, exist_ok=True)
    connection = retry_while_locked(
        settings,
        lambda: duckdb.connect(str(settings.database), read_only=read_only, config=get_duckdb_config(settings)),
    )
    if not read_only:
        _delete_spill_files(settings.database)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _delete_spill_files(database: Path) -> None:
    """Remove what a killed process spilled, which DuckDB leaves; whoever holds the warehouse is alone with it."""
    shutil.rmtree(database.with_name(f"{database.name}.tmp"), ignore_errors=True)


def make_open_error(error: duckdb.Error, database: Path) -> RecomartError:
    """The error to raise when DuckDB cannot open the warehouse; it says who holds it if that is why."""
    if busy := describe_lock_error(str(error), database):
        return WarehouseBusyError(busy)
    if full := describe_memory_error(str(error)):
        return RecomartError(full)
    reason = str(error).splitlines()[0]
    return RecomartError(f"{database}: the warehouse cannot be opened: {reason}")


@contextmanager
def open_writer(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for writing, with the tables that dbt does not own in place; closed at the end."""
    connection = connect(settings)
    try:
        create_schema(connection, settings.database)
        yield connection
    finally:
        connection.close()


def create_schema(connection: duckdb.DuckDBPyConnection, database: Path) -> None:
    """Make the tables that are missing.

    Raises:
        RecomartError: A table that is there has other columns: an earlier version of RecoMart made it.
    """
    columns = "select schema_name, table_name, column_name from duckdb_columns() where schema_name in ('raw', 'ml')"
    schema = SCHEMA_FILE.read_text(encoding="utf-8")
    with duckdb.connect() as empty:
        empty.execute(schema)
        declared = set(empty.execute(columns).fetchall())
    connection.execute(schema)
    missing = declared - set(connection.execute(columns).fetchall())
    if missing:
        table = ".".join(min(missing)[:2])
        raise RecomartError(
            f"{database}: an earlier version of RecoMart made this warehouse (its table {table} lacks columns); delete "
            "the file and run again: the landing folder has all that it holds, models aside"
        )


@contextmanager
def open_reader(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse read-only; closed at the end."""
    connection = connect(settings, read_only=True)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def open_ledger_reader(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a warehouse that files were loaded into read-only; closed at the end.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse, or nothing was ever loaded into it.
    """
    with open_reader(settings) as connection:
        try:
            connection.execute("from raw.loaded_files limit 0")
        except duckdb.CatalogException as error:
            raise RecomartError(
                f"{settings.database}: nothing was ever loaded here; load a shop with `recomart run`, or make one with "
                "`make demo`"
            ) from error
        yield connection


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All statements inside take effect together, or none does."""
    connection.execute("begin transaction")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def insert_ml_rows(
    connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, conflict_clause: str = ""
) -> None:
    """Insert rows into a table of schema ml, columns by name; `or ignore` as `known` leaves rows that are there."""
    connection.register("new_rows", rows)
    connection.execute(f"insert {conflict_clause} into ml.{table} by name select * from new_rows")
    connection.unregister("new_rows")
