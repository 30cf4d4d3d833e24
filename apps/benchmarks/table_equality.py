"""Whether a contender made the tables that ours are, so that nobody is faster by doing less."""

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
"""The tables that every contender makes; ours makes others besides, which the documentation lists."""

IGNORED_COLUMNS = {
    "raw_row",
    "unreadable_event_at",
    "unreadable_event_type",
    "unreadable_price",
    "unreadable_purchased_at",
    "unreadable_quantity",
}
"""Columns that explain a quarantined row to people; its reasons are compared."""

RELATIVE_TOLERANCE = 1e-6
"""Relative difference up to which two sums of floating-point numbers are equal."""


TableStatistics = dict[str, dict[str, int | float | None]]
"""Table -> what is counted or summed of it -> the number; null when a column has no value at all."""


class Difference(BaseModel):
    """A figure that a contender has otherwise than we; null when it has none."""

    model_config = ConfigDict(frozen=True)

    table: str
    statistic: str
    expected: int | float | None
    actual: int | float | None


def open_tables(path: Path) -> duckdb.DuckDBPyConnection:
    """The tables that lie in a DuckDB file (in its schema marts, if it has one) or as Parquet files in a folder."""
    if path.is_file():
        connection = duckdb.connect(str(path), read_only=True)
        if connection.execute("select 1 from duckdb_schemas() where schema_name = 'marts'").fetchall():
            connection.execute("use marts")
    else:
        connection = duckdb.connect()
        for file in path.glob("*.parquet"):
            connection.execute(f"create view {file.stem} as select * from read_parquet('{file}')")
    connection.execute("set TimeZone = 'UTC'")
    return connection


def compute_statistics(tables: duckdb.DuckDBPyConnection) -> TableStatistics:
    """Of every table that is there: its rows, a sum over each column, and one over the texts of each row together."""
    there = tables.execute("select distinct table_name from information_schema.tables").fetchall()
    return {table: _compute_table_statistics(table, tables) for table in COMPARED_TABLES if (table,) in there}


def find_differences(expected: TableStatistics, actual: TableStatistics) -> list[Difference]:
    """What a contender has otherwise; a column in which we have no value is not asked for, as the shop sends none."""
    return [
        Difference(table=table, statistic=figure, expected=value, actual=other)
        for table, our_figures in expected.items()
        for figure, value in our_figures.items()
        if value is not None and not _is_equal(value, other := actual.get(table, {}).get(figure))
    ]


def _is_equal(first: int | float, second: int | float | None) -> bool:
    """Whole numbers are equal, others nearly."""
    if second is None or (isinstance(first, int) and isinstance(second, int)):
        return first == second
    return abs(first - second) <= RELATIVE_TOLERANCE * max(abs(first), abs(second))


def _compute_table_statistics(table: str, tables: duckdb.DuckDBPyConnection) -> dict[str, int | float | None]:
    """In one pass, because a table may be a view that takes seconds."""
    sums = {"rows": "count(*)"}
    texts = []
    for name, kind, *_ in sorted(tables.execute(f"describe {table}").fetchall()):
        # File, line and number of the load tell nothing about the shop.
        if name.startswith("_") or name in IGNORED_COLUMNS:
            continue
        if kind == "VARCHAR":
            texts.append(name)
            sums[f"texts of {name}"] = f"sum(hash({name})) filter ({name} is not null)"
        elif kind.startswith(("TIMESTAMP", "DATE")):
            sums[f"instants of {name}"] = f"sum(epoch_us(cast({name} as timestamp)))"
        else:
            sums[f"sum of {name}"] = f"sum(cast({name} as double))"
    # Nulls leave no trace in the joined text, so a column without a value may as well be missing.
    sums["texts of each row"] = f"sum(hash(concat_ws(chr(31), {', '.join(texts)})))"
    row = tables.execute(f"select {', '.join(sums.values())} from {table}").fetchall()[0]
    return dict(zip(sums, row, strict=True))
