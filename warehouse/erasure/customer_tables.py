"""Tables of the database with a customer's id in a column `user_id`."""

import duckdb

from warehouse.loading.cleaned_ids import build_cleaned_id
from warehouse.sql_text import TableName

IS_USER_ROW = f"{build_cleaned_id('user_id::varchar')} = ?"
"""Condition that a row of a table with a column `user_id`, of any type, has an id that is cleaned."""


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
