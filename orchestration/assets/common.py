"""What the layers share."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import dagster as dg
import duckdb

from models_ml.errors import ModelError
from warehouse.database import connect
from warehouse.errors import RecomartError
from warehouse.settings import Settings

WAREHOUSE_POOL = "warehouse"
"""Every step that opens the warehouse takes a place in this pool, which has one: DuckDB has one writer."""


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


def row_counts(settings: Settings, keys: Iterable[dg.AssetKey]) -> dict[dg.AssetKey, int]:
    """Rows of the warehouse tables behind asset keys; keys without a table are left out."""
    counts: dict[dg.AssetKey, int] = {}
    with closing(connect(settings, read_only=True)) as connection:
        for key in keys:
            try:
                found = connection.execute(f"select count(*) from {'.'.join(key.path[-2:])}").fetchone()
            except duckdb.Error:
                continue
            counts[key] = int(found[0]) if found else 0
    return counts


def row_count_metadata(count: int | None) -> dict[str, Any]:
    """Metadata entry that Dagster plots as the asset's row count; none where there is no table to count."""
    return {} if count is None else {"dagster/row_count": dg.MetadataValue.int(count)}
