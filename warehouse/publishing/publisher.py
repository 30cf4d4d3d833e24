"""The door out: versioned read-only copies of what people look at, and the pointer to the newest."""

import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from warehouse.database import get_resource_limits, retry_while_locked
from warehouse.disk_full import raise_on_full_disk
from warehouse.errors import RecomartError
from warehouse.locks import exclusive_lock
from warehouse.publishing.live_copy import POINTER_FILE, PublishedCopy
from warehouse.settings import Settings

LOCK_FILE = "publishing.lock"

WAREHOUSE_CATALOG = "recomart"
"""Catalog that the warehouse is attached as: the name it has when dbt opens it, by which its views refer to tables."""

LOG = logging.getLogger(__name__)


class CopyQuery(NamedTuple):
    """A question to a copy, and the table without which it cannot be asked."""

    table: str
    sql: str


# The run that made the lists, not the newest one: a model may have been trained since they were built.
PUBLISHED_RUN_QUERY = "select max(run_id) from rec_top_n"

PROVENANCE_QUERIES = {
    "run_id": CopyQuery("rec_top_n", PUBLISHED_RUN_QUERY),
    "trained_at": CopyQuery(
        "eval_model_runs", f"select trained_at from eval_model_runs where run_id = ({PUBLISHED_RUN_QUERY})"
    ),
    "dataset_hash": CopyQuery(
        "eval_model_runs", f"select dataset_hash from eval_model_runs where run_id = ({PUBLISHED_RUN_QUERY})"
    ),
    "newest_row_at": CopyQuery("audit_feeds", "select max(newest_row_at) from audit_feeds"),
}
"""What is asked of a copy to fill the fields of `Published`."""


@raise_on_full_disk
def publish(settings: Settings, tables: Sequence[str]) -> PublishedCopy:
    """Copy marts into a new serving copy, verify it, and move the pointer to it.

    Readers of the copy before are not disturbed: its file stays until newer ones have pushed it out.

    Args:
        settings: Where the warehouse is, how many copies to keep, and how long to wait for another publishing to end.
        tables: Names of the tables of schema `marts` to publish.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: A table is missing, or holds no recommendation at all; or another publishing does not end.
        DiskFullError: No more can be written.
    """
    if not settings.database.exists():
        raise RecomartError(f"{settings.database}: there is no warehouse yet; make one with `recomart run`")
    settings.serving_dir.mkdir(parents=True, exist_ok=True)
    # Each takes unfinished copies for those of one that was killed.
    with exclusive_lock(settings.serving_dir / LOCK_FILE, "publishing", settings.wait_seconds, LOG.warning):
        return _publish(settings, tables)


def _publish(settings: Settings, tables: Sequence[str]) -> PublishedCopy:
    _delete_unfinished_copies(settings.serving_dir)
    copy = settings.serving_dir / f"recomart-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.duckdb"
    unfinished = copy.with_suffix(".duckdb.tmp")
    try:
        rows, provenance = _write_copy(settings, tables, unfinished)
        _verify_copy(settings, unfinished, rows)
        unfinished.rename(copy)
    except BaseException:
        _delete_unfinished_copies(settings.serving_dir)
        raise
    published = PublishedCopy(file=copy.name, published_at=datetime.now(UTC), rows=rows, **provenance)
    _move_pointer(settings, published)
    _delete_old_copies(settings, kept_copy=copy)
    return published


def _delete_unfinished_copies(folder: Path) -> None:
    for left in folder.glob("recomart-*.duckdb.tmp*"):
        if left.is_file():
            left.unlink()
        # Where its writing spilled what memory could not hold; a reader spills into the name of a copy and one .tmp.
        elif left.name.endswith(".tmp.tmp"):
            shutil.rmtree(left)


def _write_copy(settings: Settings, tables: Sequence[str], path: Path) -> tuple[dict[str, int], dict[str, Any]]:
    """Return the rows of each table, and the fields of `Published` that say what they were made from."""
    # Not in the warehouse's storage format: looking up one customer's list in that takes three times as long.
    with closing(duckdb.connect(str(path), config=get_resource_limits(settings))) as connection:
        _attach_warehouse(connection, settings)
        rows = {}
        for table in tables:
            try:
                columns = connection.sql(f"select * from {WAREHOUSE_CATALOG}.marts.{table} limit 0").columns
            except duckdb.CatalogException as error:
                raise RecomartError(
                    f"{settings.database}: there is no table marts.{table} to publish; build it with `recomart run`"
                ) from error
            # Rows of one customer together: the app's look-ups then read a few blocks instead of the whole table.
            order = "order by user_id" if "user_id" in columns else ""
            connection.execute(f"create table {table} as select * from {WAREHOUSE_CATALOG}.marts.{table} {order}")
            if "product_id" in columns and not order:
                # Few products are looked up at a time: a tenth of the time that reading 200,000 of them takes.
                connection.execute(f"create index {table}_by_product on {table} (product_id)")
            rows[table] = _count_rows(connection, f"{WAREHOUSE_CATALOG}.marts.{table}")
        return rows, {
            field: _query_value(connection, query) for field, query in PROVENANCE_QUERIES.items() if query.table in rows
        }


def _attach_warehouse(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    quoted = str(settings.database).replace("'", "''")
    retry_while_locked(settings, lambda: connection.execute(f"attach '{quoted}' as {WAREHOUSE_CATALOG} (read_only)"))


def _query_value(connection: duckdb.DuckDBPyConnection, query: CopyQuery) -> Any:
    found = connection.execute(query.sql).fetchone()
    return found[0] if found else None


def _count_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    count = connection.execute(f"select count(*) from {table}").fetchone()
    return int(count[0]) if count else 0


def _verify_copy(settings: Settings, path: Path, rows: dict[str, int]) -> None:
    """Open the copy as its readers will, and count again."""
    with closing(duckdb.connect(str(path), read_only=True, config=get_resource_limits(settings))) as connection:
        for table, expected in rows.items():
            if _count_rows(connection, table) != expected:
                raise RecomartError(f"{path}: {table} has not the {expected} rows of the warehouse; not published")
    if not rows.get("rec_top_n", 0) + rows.get("rec_popular_products", 0):
        raise RecomartError("there is not one recommendation to publish; see `recomart status` for what was loaded")


def _move_pointer(settings: Settings, published: PublishedCopy) -> None:
    pointer = settings.serving_dir / POINTER_FILE
    unfinished = pointer.with_suffix(".tmp")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(published.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(pointer)


def _delete_old_copies(settings: Settings, kept_copy: Path) -> None:
    copies = sorted(settings.serving_dir.glob("recomart-*.duckdb"))
    for old in copies[: -settings.serving_copies]:
        if old != kept_copy:
            old.unlink()
