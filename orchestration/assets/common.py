"""Helpers that the layers of the asset graph share: table metadata, and errors as Dagster failures."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import dagster as dg
import duckdb

from models_ml.errors import ModelError
from warehouse.database import connect, fetch_first_row
from warehouse.disk_full import describe_disk_full_error
from warehouse.errors import RecomartError, TemporaryError
from warehouse.settings import PROJECT_ROOT, Settings

WAREHOUSE_POOL = "warehouse"
"""Concurrency pool of every step that opens the warehouse. Its limit is 1: DuckDB has one writer."""

MAX_RETRIES = 2
"""Retries of a step that failed with a temporary error."""

RETRY_DELAY_SECONDS = 60

USER_ERRORS = (RecomartError, ModelError, OSError, duckdb.Error)
"""Errors that a user can fix: their message is enough, without a traceback."""


class TableInfo(NamedTuple):
    """Row count and columns of a table."""

    row_count: int | None
    """None when the count was not requested, or failed."""

    column_types: dict[str, str]
    """Type of every column by its name, in the table's order."""


@contextmanager
def as_dagster_failure() -> Iterator[None]:
    """Turn errors that a user can fix into a Dagster failure with the error's message, without a traceback.

    Dagster runs a step with a temporary error again. Any other error would come back, so the step fails at once.
    """
    try:
        yield
    except USER_ERRORS as error:
        is_temporary = isinstance(error, TemporaryError)
        full_disk_message = None if is_temporary else describe_disk_full_error(str(error), Settings().warehouse)
        failure = dg.Failure(description=full_disk_message or str(error))
        if not is_temporary and full_disk_message is None:
            raise failure from error
        # Dagster shows the message of the cause.
        raise dg.RetryRequested(MAX_RETRIES, RETRY_DELAY_SECONDS) from failure


def build_table_key(schema: str, table: str) -> dg.AssetKey:
    """Return the asset key of a warehouse table, as dagster-dbt names dbt's models and sources."""
    return dg.AssetKey([schema, table])


def read_table_info(
    context: dg.AssetExecutionContext, settings: Settings, counted_keys: Collection[dg.AssetKey]
) -> dict[dg.AssetKey, TableInfo]:
    """Return the columns of every table of the warehouse, and the row counts of the tables of `counted_keys`.

    Logs a warning and returns nothing when the warehouse cannot be read: the tables themselves are built.
    """
    table_info: dict[dg.AssetKey, TableInfo] = {}
    with warn_on_user_error(context), closing(connect(settings, read_only=True)) as connection:
        for key, types in _read_column_types(connection).items():
            table_info[key] = TableInfo(_count_rows(connection, key) if key in counted_keys else None, types)
    return table_info


def report_tables(
    context: dg.AssetExecutionContext, metadata: Mapping[dg.AssetKey, dict[str, Any]]
) -> Iterator[dg.MaterializeResult[None]]:
    """Report the tables that a step has written.

    The step writes all of them together, so those that the run does not select are reported as well.
    """
    for key, table_metadata in metadata.items():
        if key in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=key, metadata=table_metadata)
        else:
            context.log_event(dg.AssetMaterialization(key, metadata=table_metadata))


@contextmanager
def warn_on_user_error(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Log a warning instead of an error when the metadata of built tables cannot be read."""
    try:
        yield
    except USER_ERRORS as error:
        context.log.warning(f"the tables are built, but their metadata cannot be read: {error}")


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
        row = fetch_first_row(connection, f"select count(*) from {'.'.join(key.path)}")
    except duckdb.Error:
        return None
    return int(row[0]) if row else None


def build_docs_metadata(page: str | None) -> dict[str, Any]:
    """Return the metadata entry that links to a page of docs, given its path in the project; none without a page."""
    return {"docs": dg.MetadataValue.path(str(PROJECT_ROOT / page))} if page else {}


def build_row_count_metadata(count: int) -> dict[str, Any]:
    """Return the metadata entry that Dagster plots as the asset's row count."""
    return {"dagster/row_count": dg.MetadataValue.int(count)}


def build_table_metadata(info: TableInfo | None, definition_metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table's row count and columns as metadata; column descriptions come from the definition's metadata.

    Empty when the table is missing or its row count is not known.
    """
    if info is None or info.row_count is None:
        return {}
    schema = definition_metadata.get("dagster/column_schema", dg.TableSchema([]))
    descriptions = {column.name: column.description for column in schema.columns}
    columns = [dg.TableColumn(name, type_, descriptions.get(name)) for name, type_ in info.column_types.items()]
    return {**build_row_count_metadata(info.row_count), "dagster/column_schema": dg.TableSchema(columns)}
