"""Export of all rows of one customer."""

import json
from datetime import UTC, datetime
from typing import Any

import duckdb

from warehouse.database import open_ledger_reader
from warehouse.erasure.customer_rows import clean_user_id, find_raw_rows, find_rejected_rows
from warehouse.erasure.customer_tables import IS_USER_ROW, find_user_tables
from warehouse.errors import RecomartError
from warehouse.settings import Settings
from warehouse.sources.yaml_file import read_sources

DERIVED_SCHEMAS = ("staging", "intermediate")
"""Schemas whose rows are steps between the raw tables and the marts."""


def read_customer_rows(settings: Settings, user_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a customer by table or view: the raw and rejected rows as delivered, the marts, and own views.

    Raises:
        RecomartError: The text is no id of one customer, no files were loaded yet, the warehouse is in use, or a view
            cannot be read.
    """
    sources = read_sources(settings.sources)
    user_id = clean_user_id(sources, user_id)
    with open_ledger_reader(settings) as connection:
        tables: dict[str, list[dict[str, Any]]] = {}
        for feed, path, lines in find_raw_rows(connection, user_id):
            table = f"raw.{sources.feeds[feed].kind}"
            is_row = "_feed = ? and _file = ? and _line in (select unnest(?::bigint[]))"
            tables.setdefault(table, []).extend(_query(connection, table, is_row, [feed, path, lines]))
        for feed, path, lines in find_rejected_rows(connection, sources, user_id):
            is_row = "feed = ? and path = ? and line in (select unnest(?::bigint[]))"
            tables.setdefault("raw.rejected_rows", []).extend(
                _query(connection, "raw.rejected_rows", is_row, [feed, path, lines])
            )
        for name in find_user_tables(connection, has_views=True):
            if name.schema not in DERIVED_SCHEMAS and (rows := _query(connection, name.quoted, IS_USER_ROW, [user_id])):
                tables[str(name)] = rows
    return tables


def _query(
    connection: duckdb.DuckDBPyConnection, table: str, condition: str, parameters: list[Any]
) -> list[dict[str, Any]]:
    query = f"select * from {table} where {condition}"
    try:
        rows: list[dict[str, Any]] = connection.sql(query, params=parameters).to_arrow_table().to_pylist()
    except duckdb.Error as error:
        raise RecomartError(f"the export failed: {table}: {error}. Correct or drop the view") from error
    return rows


def build_export(user_id: str, tables: dict[str, list[dict[str, Any]]]) -> str:
    """Return the rows of a customer as a JSON document."""
    document = {"user_id": user_id, "exported_at": datetime.now(UTC).isoformat(timespec="seconds"), "tables": tables}
    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"
