"""A database without free blocks: they keep deleted rows until other rows replace them."""

import os
from typing import NamedTuple

import duckdb

from warehouse.database import STORAGE_VERSION, get_resource_limits, retry_while_locked
from warehouse.disk_full import raise_on_full_disk
from warehouse.loading.cleaned_ids import build_cleaned_id
from warehouse.loading.raw_rows import quote_literal
from warehouse.settings import Settings

CATALOG = "recomart"
"""Catalog name of the database, by which its views refer to its tables."""


IS_USER_ROW = f"{build_cleaned_id('user_id::varchar')} = ?"
"""Condition that a row of a table with a column `user_id`, of any type, has an id that is cleaned."""


class TableName(NamedTuple):
    """The name of a table."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"

    @property
    def quoted(self) -> str:
        """The name in SQL."""
        return f'"{self.schema}"."{self.table}"'


def find_user_tables(connection: duckdb.DuckDBPyConnection, *, has_views: bool = False) -> list[TableName]:
    """Return the tables, or tables and views, that have a customer's id in a column `user_id`; not the raw ones."""
    rows = connection.execute(
        """
        select schema_name, table_name
        from duckdb_columns()
        where
            lower(column_name) = 'user_id' and schema_name <> 'raw' and database_name = current_database()
            and ($has_views or (schema_name, table_name) in (
                select (schema_name, table_name) from duckdb_tables() where database_name = current_database()
            ))
        order by all
        """,
        {"has_views": has_views},
    ).fetchall()
    return [TableName(*row) for row in rows]


@raise_on_full_disk
def rewrite_database(settings: Settings) -> None:
    """Copy all tables and views into a new file that takes the place of the database.

    Raises:
        WarehouseBusyError: Another process is using the warehouse.
        DiskFullError: The disk has no space for a second copy.
    """
    copy = settings.database.with_name(f"{settings.database.name}.rewritten")
    copy_wal = copy.with_name(f"{copy.name}.wal")
    try:
        with duckdb.connect(config=get_resource_limits(settings)) as connection:
            retry_while_locked(
                settings, lambda: connection.execute(f"attach {quote_literal(str(settings.database))} as {CATALOG}")
            )
            for unfinished in (copy, copy_wal):
                unfinished.unlink(missing_ok=True)
            connection.execute(f"force checkpoint {CATALOG}")
            connection.execute(f"attach {quote_literal(str(copy))} as copy (storage_version '{STORAGE_VERSION}')")
            connection.execute(f"copy from database {CATALOG} to copy")
            connection.execute("detach copy")
            with copy.open("rb") as file:
                os.fsync(file.fileno())
            # The lock on the old file still keeps other writers away.
            copy.replace(settings.database)
    finally:
        for unfinished in (copy, copy_wal):
            unfinished.unlink(missing_ok=True)
