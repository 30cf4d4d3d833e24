"""Compares a contender's tables with RecoMart's, so that no contender is faster because it does less."""

from pathlib import Path

import duckdb
from pydantic import BaseModel, ConfigDict

COMPARED_TABLES = (
    "fct_events",
    "fct_transactions",
    "quarantine_events",
    "quarantine_purchases",
    "quarantine_products",
    "dim_products",
    "dim_product_history",
    "dim_users",
    "feat_user_activity",
    "feat_product_popularity",
    "feat_user_product_interactions",
    "feat_user_category_affinity",
    "feat_user_brand_affinity",
    "feat_product_pairs",
    "ml_product_features",
    "ml_evaluation_pairs",
)
"""The tables that all contenders make; docs/benchmarks/pipeline.md lists RecoMart's further tables."""

IGNORED_COLUMNS = {
    "currency",
    "image_url",
    "margin",
    "product_url",
    "raw_row",
    "unreadable_event_at",
    "unreadable_event_type",
    "unreadable_price",
    "unreadable_purchased_at",
    "unreadable_quantity",
}
"""Columns that only describe a quarantined row, whose reasons are compared, and attributes for the app."""

RELATIVE_TOLERANCE = 1e-6
"""Relative difference up to which two sums of floating-point numbers are equal."""

TableStatistics = dict[str, dict[str, int | float | None]]
"""Table -> statistic -> value; null for a column without values."""


class Difference(BaseModel):
    """A statistic that differs from RecoMart's; `actual` is null when the contender lacks it."""

    model_config = ConfigDict(frozen=True)

    table: str
    statistic: str
    expected: int | float | None
    actual: int | float | None


def open_tables(path: Path) -> duckdb.DuckDBPyConnection:
    """Open tables in a DuckDB file (in its schema marts, if there is one) or in a folder of Parquet files."""
    if path.is_file():
        connection = duckdb.connect(str(path), read_only=True)
        if connection.execute("select 1 from duckdb_schemas() where schema_name = 'marts'").fetchall():
            connection.execute("use marts")
    else:
        connection = duckdb.connect()
        for file in path.glob("*.parquet"):
            connection.execute(f"create view {file.stem} as select * from read_parquet('{file}')")
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set enable_progress_bar = false")
    return connection


def compute_statistics(tables: duckdb.DuckDBPyConnection) -> TableStatistics:
    """Return the row count, a sum for each column and a hash of the texts of each existing table."""
    existing_tables = tables.execute("select distinct table_name from information_schema.tables").fetchall()
    return {table: _compute_table_statistics(table, tables) for table in COMPARED_TABLES if (table,) in existing_tables}


def find_differences(expected: TableStatistics, actual: TableStatistics) -> list[Difference]:
    """Return the statistics that differ; columns without an expected value are ignored as missing data of the shop."""
    return [
        Difference(table=table, statistic=statistic, expected=value, actual=actual_value)
        for table, expected_values in expected.items()
        for statistic, value in expected_values.items()
        if value is not None and not _is_equal(value, actual_value := actual.get(table, {}).get(statistic))
    ]


def _is_equal(first: int | float, second: int | float | None) -> bool:
    """Compare integers exactly and other numbers within the tolerance."""
    if second is None or (isinstance(first, int) and isinstance(second, int)):
        return first == second
    return abs(first - second) <= RELATIVE_TOLERANCE * max(abs(first), abs(second))


def _compute_table_statistics(table: str, tables: duckdb.DuckDBPyConnection) -> dict[str, int | float | None]:
    """Compute all statistics in one query, because a table may be a view that takes seconds."""
    sums = {"rows": "count(*)"}
    texts = []
    for name, data_type, *_ in sorted(tables.execute(f"describe {table}").fetchall()):
        # File, line and load number are no data of the shop.
        if name.startswith("_") or name in IGNORED_COLUMNS:
            continue
        if data_type == "VARCHAR":
            texts.append(name)
            sums[f"texts of {name}"] = f"sum(hash({name})) filter ({name} is not null)"
        elif data_type.startswith(("TIMESTAMP", "DATE")):
            sums[f"timestamps of {name}"] = f"sum(epoch_us(cast({name} as timestamp)))"
        else:
            sums[f"sum of {name}"] = f"sum(cast({name} as double))"
    # The joined text skips nulls, so a missing column and an empty column give the same hash.
    sums["texts of each row"] = f"sum(hash(concat_ws(chr(31), {', '.join(texts)})))"
    row = tables.execute(f"select {', '.join(sums.values())} from {table}").fetchall()[0]
    return dict(zip(sums, row, strict=True))
