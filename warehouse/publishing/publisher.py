"""Publishing of versioned read-only copies of the marts, and of the pointer to the newest copy."""

import logging
import shutil
from collections.abc import Callable, Container, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from warehouse.atomic_files import write_text_atomically
from warehouse.checksums import compute_file_checksum
from warehouse.database import (
    CATALOG,
    check_warehouse_exists,
    connect_to_file,
    fetch_first_row,
    open_reader,
    raise_on_damage,
    retry_while_locked,
)
from warehouse.disk_full import raise_on_full_disk
from warehouse.erasure.customer_tables import IS_USER_ROW
from warehouse.errors import RecomartError
from warehouse.locks import exclusive_lock
from warehouse.publishing.kept_copies import delete_old_copies, get_copy_number
from warehouse.publishing.list_log import is_list_log_due, write_list_log
from warehouse.publishing.live_copy import POINTER_FILE, PublishedCopy, make_copy_error, read_pointer
from warehouse.settings import Settings
from warehouse.sources.columns import LOG_KINDS
from warehouse.sql_text import quote_literal

LOCK_FILE = "publishing.lock"

LOG = logging.getLogger(__name__)


class CopyQuery(NamedTuple):
    """A query of a copy, and the table that it needs."""

    table: str
    sql: str


# The run of the recommendations is not the newest run if a model was trained after they were built.
PUBLISHED_RUN_QUERY = "select max(run_id) from rec_top_n"

SERVING_RUN_QUERY = """
    select
        case
            when exists (select 1 from rec_experiments) then (select max(serving_run_id) from rec_experiments)
            else max(run_id)
        end
    from rec_top_n
"""
"""Query of the serving run for a copy with rec_experiments: in an experiment, some lists are from other runs."""


def build_provenance_queries(tables: Container[str]) -> dict[str, CopyQuery]:
    """Return the queries of a copy with these tables that fill fields of `PublishedCopy`."""
    log_kinds = ", ".join(map(quote_literal, LOG_KINDS))
    run_query = SERVING_RUN_QUERY if "rec_experiments" in tables else PUBLISHED_RUN_QUERY
    return {
        "run_id": CopyQuery("rec_top_n", run_query),
        "trained_at": CopyQuery(
            "eval_model_runs", f"select trained_at from eval_model_runs where run_id = ({run_query})"
        ),
        "dataset_hash": CopyQuery(
            "eval_model_runs", f"select dataset_hash from eval_model_runs where run_id = ({run_query})"
        ),
        # The logs of recommendations are newer than the shop's data.
        "newest_row_at": CopyQuery(
            "audit_feeds",
            f"select max(newest_row_at) from audit_feeds where kind not in ({log_kinds})",
        ),
    }


@raise_on_full_disk
def publish(
    settings: Settings,
    tables: Sequence[str],
    *,
    is_empty_allowed: bool = False,
    check_tables: Callable[[], None] = lambda: None,
    published_at: datetime | None = None,
) -> PublishedCopy:
    """Copy marts into a new published copy, verify it, move the pointer to it, and log the lists that it changed.

    The earlier copy stays readable: its file is kept until `serving_copies` newer copies exist.

    Args:
        settings: The folders of the warehouse, the number of copies to keep, and the time to wait for locks.
        tables: Names of the tables of schema `marts` to publish.
        is_empty_allowed: Whether to publish tables without recommendations, as after the last customer was forgotten.
        check_tables: Raises an error if the tables must not be published; no other process can write them meanwhile.
        published_at: Time of publication of a simulated shop; by default the time when the pointer moves.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse or publishing.
        RecomartError: A table is missing, or the tables have no recommendations.
        DiskFullError: The disk is full.
    """
    check_warehouse_exists(settings)
    settings.serving_dir.mkdir(parents=True, exist_ok=True)
    # Publishing deletes unfinished copies of killed processes, so only one process may publish at a time.
    with exclusive_lock(settings.serving_dir / LOCK_FILE, "publishing", settings.wait_seconds, LOG.warning):

        def write_copy(path: Path) -> tuple[dict[str, int], dict[str, Any]]:
            with open_reader(settings):
                check_tables()
                rows, fields = _write_copy(settings, tables, path, is_empty_allowed)
            return rows, fields if published_at is None else {**fields, "published_at": published_at}

        _log_live_lists(settings)
        published = _publish_new_copy(settings, write_copy)
        write_list_log(settings, published)
        return published


@raise_on_full_disk
def publish_without_customer(settings: Settings, user_id: str) -> PublishedCopy:
    """Replace the live copy by a copy of it without the rows of a customer, and delete all other copies.

    It keeps the time of its publication, because its lists are no newer. `user_id` is cleaned.

    Raises:
        WarehouseBusyError: Another process is publishing.
        RecomartError: Nothing is published, or the live copy is damaged.
        DiskFullError: The disk is full.
    """
    single_copy = settings.model_copy(update={"serving_copies": 1})
    with exclusive_lock(settings.serving_dir / LOCK_FILE, "publishing", settings.wait_seconds, LOG.warning):
        live = read_pointer(settings)
        published = _publish_new_copy(single_copy, lambda path: _write_successor(settings, live, user_id, path))
        # The log of a killed publication may still be due, so this is not left out.
        write_list_log(settings, published, forgotten_user_id=user_id)
        return published


def log_live_lists(settings: Settings) -> None:
    """Log the lists of the live copy if the process that published it could not, for example because it was killed.

    Does nothing while another process publishes, because that process logs the lists.
    """
    # Without a readable pointer, no lists are live.
    with suppress(RecomartError):
        if is_list_log_due(settings, read_pointer(settings)):
            with exclusive_lock(settings.serving_dir / LOCK_FILE, "publishing", 0):
                _log_live_lists(settings)


def _log_live_lists(settings: Settings) -> None:
    with suppress(RecomartError):
        write_list_log(settings, read_pointer(settings))


WriteCopy = Callable[[Path], tuple[dict[str, int], dict[str, Any]]]
"""Writes a copy; returns the number of rows by table, and other fields of `PublishedCopy`."""


def _publish_new_copy(settings: Settings, write_copy: WriteCopy) -> PublishedCopy:
    _delete_unfinished_copies(settings.serving_dir)
    # A warehouse that was made anew continues the numbers of the log, because they order the lists.
    named_paths = (*settings.serving_dir.glob("recomart-*.duckdb"), *settings.published_lists_dir.glob("*.parquet"))
    number = 1 + max(map(get_copy_number, named_paths), default=0)
    copy = settings.serving_dir / f"recomart-{number:08}-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.duckdb"
    unfinished = copy.with_suffix(".duckdb.tmp")
    try:
        rows, fields = write_copy(unfinished)
        _verify_copy(settings, unfinished, rows)
        sha256 = compute_file_checksum(unfinished)
        unfinished.rename(copy)
    except BaseException:
        _delete_unfinished_copies(settings.serving_dir)
        raise
    published = PublishedCopy.model_validate(
        {"published_at": datetime.now(UTC), **fields, "file": copy.name, "rows": rows, "sha256": sha256}
    )
    write_text_atomically(settings.serving_dir / POINTER_FILE, published.model_dump_json(indent=2) + "\n")
    delete_old_copies(settings.serving_dir, settings.serving_copies, live_copy=copy)
    return published


def _delete_unfinished_copies(folder: Path) -> None:
    for path in folder.glob("recomart-*.duckdb.tmp*"):
        if path.is_file():
            path.unlink()
        # The writer of a copy spills into a folder .tmp.tmp; the readers of a published copy spill into a folder .tmp.
        elif path.name.endswith(".tmp.tmp"):
            shutil.rmtree(path)


def _write_copy(
    settings: Settings, tables: Sequence[str], path: Path, is_empty_allowed: bool
) -> tuple[dict[str, int], dict[str, Any]]:
    """Write the copy; return the number of rows by table, and the provenance fields of `PublishedCopy`."""
    with closing(connect_to_file(settings, path)) as connection, raise_on_damage(settings.database):
        _attach_warehouse(connection, settings)
        rows = {}
        for table in tables:
            try:
                columns = connection.sql(f"select * from {CATALOG}.marts.{table} limit 0").columns
            except duckdb.CatalogException as error:
                raise RecomartError(
                    f"{settings.database}: no table marts.{table} to publish. Build it with `recomart run`"
                ) from error
            _create_table(connection, table, f"from {CATALOG}.marts.{table}", columns)
            rows[table] = _count_rows(connection, f"{CATALOG}.marts.{table}")
        if not (is_empty_allowed or rows.get("rec_top_n", 0) + rows.get("rec_popular_products", 0)):
            raise RecomartError(
                f"{settings.database}: no recommendations to publish. `recomart status` shows which data was loaded"
            )
        return rows, {
            field: _query_value(connection, query)
            for field, query in build_provenance_queries(rows).items()
            if query.table in rows
        }


def _write_successor(
    settings: Settings, live: PublishedCopy, user_id: str, path: Path
) -> tuple[dict[str, int], dict[str, Any]]:
    """Write the rows of the live copy, but for those of a customer; return them as `WriteCopy`."""
    live_file = settings.serving_dir / live.file
    with closing(connect_to_file(settings, path)) as connection:
        try:
            connection.execute(f"attach {quote_literal(str(live_file))} as live (read_only)")
            rows = {}
            for table in live.rows:
                columns = connection.sql(f"from live.{table} limit 0").columns
                condition = f"where ({IS_USER_ROW}) is not true" if "user_id" in columns else ""
                parameters = [user_id] if condition else []
                _create_table(connection, table, f"from live.{table} {condition}", columns, parameters)
                rows[table] = _count_rows(connection, f"live.{table} {condition}", parameters)
        except duckdb.Error as error:
            raise make_copy_error(error, f"{live_file}: the published copy cannot be read") from error
    return rows, live.model_dump()


def _create_table(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    query: str,
    columns: Sequence[str],
    parameters: Sequence[str] = (),
) -> None:
    """Create a table of a copy from the rows of a query."""
    # With the rows of a customer together (or of a product, where it is the first column), a look-up reads a few blocks
    # instead of the whole table.
    key = next((column for column in columns if column in ("user_id", "product_id")), None)
    order = f"order by {key}" if "user_id" in columns else ""
    connection.execute(f"create table {table} as {query} {order}", parameters)
    if "product_id" in columns and not order:
        # A look-up of a few products takes a tenth of the time of a scan of 200,000.
        connection.execute(f"create index {table}_by_product on {table} (product_id)")


def _attach_warehouse(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    path = quote_literal(str(settings.database))
    retry_while_locked(settings, lambda: connection.execute(f"attach {path} as {CATALOG} (read_only)"))


def _query_value(connection: duckdb.DuckDBPyConnection, query: CopyQuery) -> Any:
    row = fetch_first_row(connection, query.sql)
    return row[0] if row else None


def _count_rows(connection: duckdb.DuckDBPyConnection, table: str, parameters: Sequence[str] = ()) -> int:
    count = fetch_first_row(connection, f"select count(*) from {table}", parameters)
    return int(count[0]) if count else 0


def _verify_copy(settings: Settings, path: Path, rows: dict[str, int]) -> None:
    """Open the copy read-only, and compare its row counts."""
    with closing(connect_to_file(settings, path, read_only=True)) as connection:
        for table, expected in rows.items():
            if (count := _count_rows(connection, table)) != expected:
                raise RecomartError(f"{path}: table {table} has {count} rows instead of {expected}. Publish again")
