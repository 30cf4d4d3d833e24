"""Connections to the warehouse database; one process at a time can write."""

import logging
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from warehouse.errors import RecomartError, WarehouseBusyError
from warehouse.locks import describe_process
from warehouse.settings import Settings

STORAGE_VERSION = "v1.3.0"
"""Oldest DuckDB version that can read the database. This version introduced a compression of texts with which ten
million raw events take two thirds of the time to write and three quarters of the time to read."""

CATALOG = "recomart"
"""Catalog name of the attached database. It is dbt's name, because the views of the database refer to tables by it."""

LOCK_DESCRIPTION = "is using the warehouse"

DAMAGE_PATTERN = re.compile(
    r"Corrupt database file.*?in block at location \d+"
    r'|Could not read enough bytes from file "(?P<truncated>[^"]+)".*?from location \d+'
    r'|The file "(?P<other>[^"]+)" exists, but it is not a valid DuckDB database file'
)
"""DuckDB's messages about a changed block, a truncated file, and a file of another kind."""

OPEN_RETRY_SECONDS = 0.25
"""Seconds between two attempts to open a locked warehouse."""

LOG = logging.getLogger(__name__)

T = TypeVar("T")

SCHEMA_FILE = Path(__file__).with_name("schema.sql")


def describe_lock_error(error_text: str, database: Path) -> str | None:
    """Describe which process locks the database if DuckDB's error is about a lock; None otherwise.

    dbt's messages have this description already, because its plugin opens the database.
    """
    if not any(text in error_text for text in ("Could not set lock on file", LOCK_DESCRIPTION)):
        return None
    process_id = re.search(r"(?:PID|process) (\d+)", error_text)
    process = describe_process(int(process_id[1])) if process_id else "another process"
    return f"{database}: {process} {LOCK_DESCRIPTION}. Wait until it has finished, or stop it, and try again"


def describe_memory_error(error_text: str) -> str | None:
    """Describe which setting to raise if DuckDB's error is about its memory limit; None otherwise."""
    if "Out of Memory Error" not in error_text:
        return None
    usage_match = re.search(r" \([^()]* used\)", error_text)
    return f"DuckDB's memory limit is too small{usage_match[0] if usage_match else ''}. Raise RECOMART_MEMORY_LIMIT"


def describe_damage_error(error_text: str, database: Path) -> str | None:
    """Describe how to restore the database if DuckDB's error is about a damaged file; None otherwise."""
    match = DAMAGE_PATTERN.search(error_text)
    file = match and (match["truncated"] or match["other"])
    if match is None or (file and Path(file).name != database.name):
        return None
    return (
        f"{database}: the database is damaged: {match[0]}. Restore a backup with `recomart restore`, or delete the "
        "file and run `recomart run`: docs/operations/restore.md says what either brings back"
    )


DuckDbConfig = dict[str, str | bool | int | float | list[str]]


def get_resource_limits(settings: Settings) -> DuckDbConfig:
    """Return DuckDB's configuration of memory and threads."""
    return {"memory_limit": settings.memory_limit, "threads": settings.threads}


def get_duckdb_config(settings: Settings) -> DuckDbConfig:
    """Return DuckDB's configuration of memory, threads and the storage version of new files."""
    return {**get_resource_limits(settings), "storage_compatibility_version": STORAGE_VERSION}


def retry_while_locked(settings: Settings, action: Callable[[], T]) -> T:
    """Call `action`, which opens the warehouse, again and again while another process locks the warehouse.

    Raises:
        WarehouseBusyError: Another process still locks the warehouse after the settings' `wait_seconds`.
        RecomartError: The warehouse cannot be opened for another reason.
    """

    def attempt() -> T:
        try:
            return action()
        except duckdb.Error as error:
            raise make_open_error(error, settings.database) from error

    def log_wait(state: RetryCallState) -> None:
        if state.attempt_number == 1 and state.outcome:
            LOG.warning("%s (waiting up to %.3g s for it)", state.outcome.exception(), settings.wait_seconds)

    retrying = Retrying(
        retry=retry_if_exception_type(WarehouseBusyError),
        stop=stop_after_delay(settings.wait_seconds),
        wait=wait_fixed(OPEN_RETRY_SECONDS),
        before_sleep=log_wait,
        reraise=True,
    )
    return retrying(attempt)


def check_warehouse_exists(settings: Settings) -> None:
    """Check that the database exists.

    Raises:
        RecomartError: It does not.
    """
    if not settings.database.exists():
        raise RecomartError(
            f"{settings.database}: the warehouse does not exist. Create it with `recomart run`, or name another folder "
            "in RECOMART_WAREHOUSE"
        )


def connect(settings: Settings, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open the warehouse database; wait while another process writes it.

    Raises:
        WarehouseBusyError: Another process still locks the database after the settings' `wait_seconds`.
        RecomartError: The database does not exist (read-only), or this DuckDB version cannot read it.
    """
    if read_only:
        check_warehouse_exists(settings)
    settings.warehouse.mkdir(parents=True, exist_ok=True)
    connection = retry_while_locked(
        settings,
        lambda: duckdb.connect(str(settings.database), read_only=read_only, config=get_duckdb_config(settings)),
    )
    if not read_only:
        _delete_spill_files(settings.database)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def connect_to_file(settings: Settings, path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open another DuckDB file, such as a published copy, within the memory and threads of the settings."""
    # New files have DuckDB's default storage version: looking up one customer's list in the warehouse's storage version
    # takes three times as long.
    return duckdb.connect(str(path), read_only=read_only, config=get_resource_limits(settings))


def _delete_spill_files(database: Path) -> None:
    """Delete the spill files of a killed process, which DuckDB leaves; safe for the only writer of the database."""
    shutil.rmtree(database.with_name(f"{database.name}.tmp"), ignore_errors=True)


def make_open_error(error: duckdb.Error, database: Path) -> RecomartError:
    """Make the error to raise when DuckDB cannot open the warehouse."""
    if lock_message := describe_lock_error(str(error), database):
        return WarehouseBusyError(lock_message)
    if memory_message := describe_memory_error(str(error)):
        return RecomartError(memory_message)
    if damage_message := describe_damage_error(str(error), database):
        return RecomartError(damage_message)
    reason = str(error).splitlines()[0]
    if "Permission denied" in reason:
        reason += ". Give this user the right to write the file and its folder, or name another folder"
    return RecomartError(f"{database}: the warehouse cannot be opened: {reason}")


@contextmanager
def open_writer(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for writing and create the missing tables of schemas `raw` and `ml`; closed at the end."""
    with closing(connect(settings)) as connection, raise_on_damage(settings.database):
        create_schema(connection, settings.database)
        yield connection


def create_schema(connection: duckdb.DuckDBPyConnection, database: Path) -> None:
    """Create the missing tables of schemas `raw` and `ml`.

    Raises:
        RecomartError: An existing table lacks columns, because an earlier version of RecoMart created it.
    """
    query = "select schema_name, table_name, column_name from duckdb_columns() where schema_name in ('raw', 'ml')"
    schema = SCHEMA_FILE.read_text(encoding="utf-8")
    with duckdb.connect() as empty_database:
        empty_database.execute(schema)
        declared_columns = set(empty_database.execute(query).fetchall())
    connection.execute(schema)
    missing_columns = declared_columns - set(connection.execute(query).fetchall())
    if missing_columns:
        table = ".".join(min(missing_columns)[:2])
        raise RecomartError(
            f"{database}: an earlier version of RecoMart made this warehouse: {table} lacks columns. Delete "
            "the file and run the command again. The landing folder has all of its data except the models"
        )


@contextmanager
def open_reader(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse read-only; closed at the end."""
    with closing(connect(settings, read_only=True)) as connection, raise_on_damage(settings.database):
        yield connection


@contextmanager
def raise_on_damage(database: Path) -> Iterator[None]:
    """Raise a RecomartError that says how to restore the database when a query inside finds a damaged block."""
    try:
        yield
    except duckdb.Error as error:
        if message := describe_damage_error(str(error), database):
            raise RecomartError(message) from error
        raise


@contextmanager
def open_ledger_reader(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse read-only and check that it has the loader's ledger; closed at the end.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: The warehouse does not exist, or no files were loaded into it.
    """
    with open_reader(settings) as connection:
        try:
            connection.execute("from raw.loaded_files limit 0")
        except duckdb.CatalogException as error:
            raise RecomartError(
                f"{settings.database}: no files were loaded yet. Load a shop with `recomart run`, or create the demo "
                "shop with `make demo`"
            ) from error
        yield connection


def fetch_first_row(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: object = None
) -> tuple[Any, ...] | None:
    """Return the first row of a query's result; None if the result is empty."""
    # A result that is not read to its end blocks the connection.
    rows = connection.execute(query, parameters).fetchall()
    return rows[0] if rows else None


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Run the statements inside as one transaction; roll back on an error."""
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
    """Insert rows into a table of schema ml, by column name; the `conflict_clause` `or ignore` skips existing keys."""
    connection.register("new_rows", rows)
    connection.execute(f"insert {conflict_clause} into ml.{table} by name select * from new_rows")
    connection.unregister("new_rows")
