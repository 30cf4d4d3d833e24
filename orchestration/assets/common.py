"""What the layers share."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import dagster as dg
import duckdb

from models_ml.errors import ModelError
from warehouse.database import connect
from warehouse.errors import RecomartError
from warehouse.settings import PROJECT_ROOT, Settings

WAREHOUSE_POOL = "warehouse"
"""Every step that opens the warehouse takes a place in this pool, which has one: DuckDB has one writer."""


class TableInfo(NamedTuple):
    """What a table is like now."""

    row_count: int | None
    """None when nobody asked, or they could not be counted."""

    column_types: dict[str, str]
    """Types of its columns, by name, in order."""


USER_ERRORS = (RecomartError, ModelError, OSError, duckdb.Error)
"""Errors whose message says it all to a user."""


@contextmanager
def as_dagster_failure() -> Iterator[None]:
    """Turn what a user can mend into a failure that shows its one message, not a traceback."""
    try:
        yield
    except USER_ERRORS as error:
        raise dg.Failure(description=str(error)) from error


def build_table_key(schema: str, table: str) -> dg.AssetKey:
    """Asset key of a warehouse table, as dagster-dbt names dbt's models and sources."""
    return dg.AssetKey([schema, table])


def read_table_info(
    context: dg.AssetExecutionContext, settings: Settings, counted_keys: Collection[dg.AssetKey]
) -> dict[dg.AssetKey, TableInfo]:
    """What every table of the warehouse is like, with the rows of those behind some asset keys.

    Nothing, and a warning, when the warehouse cannot be looked into: the tables stand all the same.
    """
    facts: dict[dg.AssetKey, TableInfo] = {}
    with warn_on_user_error(context), closing(connect(settings, read_only=True)) as connection:
        for key, types in _read_column_types(connection).items():
            facts[key] = TableInfo(_count_rows(connection, key) if key in counted_keys else None, types)
    return facts


@contextmanager
def warn_on_user_error(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Let a step whose tables stand succeed, with a warning, though they cannot be described."""
    try:
        yield
    except USER_ERRORS as error:
        context.log.warning(f"the tables stand, but could not be described: {error}")


def _read_column_types(connection: duckdb.DuckDBPyConnection) -> dict[dg.AssetKey, dict[str, str]]:
    types: dict[dg.AssetKey, dict[str, str]] = {}
    for schema, table, column, data_type in connection.execute(
        "select table_schema, table_name, column_name, lower(data_type) from information_schema.columns "
        "order by table_schema, table_name, ordinal_position"
    ).fetchall():
        types.setdefault(build_table_key(schema, table), {})[column] = data_type
    return types


def _count_rows(connection: duckdb.DuckDBPyConnection, key: dg.AssetKey) -> int | None:
    try:
        found = connection.execute(f"select count(*) from {'.'.join(key.path)}").fetchone()
    except duckdb.Error:
        return None
    return int(found[0]) if found else None


def build_docs_metadata(page: str) -> dict[str, Any]:
    """Metadata entry that links to a page of docs, named from the project's folder."""
    return {"docs": dg.MetadataValue.path(str(PROJECT_ROOT / page))}


def build_row_count_metadata(count: int) -> dict[str, Any]:
    """Metadata entry that Dagster plots as the asset's row count."""
    return {"dagster/row_count": dg.MetadataValue.int(count)}


def build_table_metadata(info: TableInfo | None, definition_metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of a table: its rows, and its columns with the descriptions that its definition's metadata has.

    None where there is no table, or one whose rows are not known.
    """
    if info is None or info.row_count is None:
        return {}
    schema = definition_metadata.get("dagster/column_schema", dg.TableSchema([]))
    described = {column.name: column.description for column in schema.columns}
    columns = [dg.TableColumn(name, data_type, described.get(name)) for name, data_type in info.column_types.items()]
    return {**build_row_count_metadata(info.row_count), "dagster/column_schema": dg.TableSchema(columns)}
