"""What the layers share."""

from collections.abc import Iterable, Iterator, Mapping
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


class TableFacts(NamedTuple):
    """What a table is like now."""

    rows: int
    types: dict[str, str]
    """Types of its columns, by name, in order."""


@contextmanager
def clear_failures() -> Iterator[None]:
    """Turn what a user can mend into a failure that shows its one message, not a traceback."""
    try:
        yield
    except (RecomartError, ModelError, OSError, duckdb.Error) as error:
        raise dg.Failure(description=str(error)) from error


def table_key(schema: str, table: str) -> dg.AssetKey:
    """Asset key of a warehouse table, as dagster-dbt names dbt's models and sources."""
    return dg.AssetKey([schema, table])


def column_types(connection: duckdb.DuckDBPyConnection) -> dict[dg.AssetKey, dict[str, str]]:
    """Types of the columns of every table of the warehouse."""
    types: dict[dg.AssetKey, dict[str, str]] = {}
    for schema, table, column, data_type in connection.execute(
        "select table_schema, table_name, column_name, lower(data_type) from information_schema.columns "
        "order by table_schema, table_name, ordinal_position"
    ).fetchall():
        types.setdefault(table_key(schema, table), {})[column] = data_type
    return types


def table_facts(settings: Settings, keys: Iterable[dg.AssetKey]) -> dict[dg.AssetKey, TableFacts]:
    """What the warehouse tables behind asset keys are like; keys without one that can be read are left out."""
    facts: dict[dg.AssetKey, TableFacts] = {}
    with closing(connect(settings, read_only=True)) as connection:
        types = column_types(connection)
        for key in keys:
            try:
                found = connection.execute(f"select count(*) from {'.'.join(key.path)}").fetchone()
            except duckdb.Error:
                continue
            facts[key] = TableFacts(int(found[0]) if found else 0, types[key])
    return facts


def docs_metadata(page: str) -> dict[str, Any]:
    """Metadata entry that links to a page of docs, named from the project's folder."""
    return {"docs": dg.MetadataValue.path(str(PROJECT_ROOT / page))}


def row_count_metadata(count: int) -> dict[str, Any]:
    """Metadata entry that Dagster plots as the asset's row count."""
    return {"dagster/row_count": dg.MetadataValue.int(count)}


def table_metadata(facts: TableFacts | None, declared: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of a table: its rows, and its columns with the descriptions that its definition's metadata has.

    None where there is no table.
    """
    if facts is None:
        return {}
    schema = declared.get("dagster/column_schema", dg.TableSchema([]))
    described = {column.name: column.description for column in schema.columns}
    columns = [dg.TableColumn(name, data_type, described.get(name)) for name, data_type in facts.types.items()]
    return {**row_count_metadata(facts.rows), "dagster/column_schema": dg.TableSchema(columns)}
