"""Whether a contender made the tables that ours are, so that nobody is faster by doing less."""

from pathlib import Path

import duckdb
from pydantic import BaseModel, ConfigDict

TABLES = (
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

NOT_COMPARED = {
    "raw_row",
    "unreadable_event_at",
    "unreadable_event_type",
    "unreadable_price",
    "unreadable_purchased_at",
    "unreadable_quantity",
}
"""Columns that explain a quarantined row to people; its reasons are compared."""

TOLERANCE = 1e-6
"""Relative difference up to which two sums of floating-point numbers are equal."""


Figures = dict[str, dict[str, int | float | None]]
"""Table -> what is counted or summed of it -> the number; null when a column has no value at all."""


class Difference(BaseModel):
    """A figure that a contender has otherwise than we; null when it has none."""

    model_config = ConfigDict(frozen=True)

    table: str
    figure: str
    ours: int | float | None
    theirs: int | float | None


def open_tables(place: Path) -> duckdb.DuckDBPyConnection:
    """The tables that lie in a DuckDB file (in its schema marts, if it has one) or as Parquet files in a folder."""
    if place.is_file():
        connection = duckdb.connect(str(place), read_only=True)
        if connection.execute("select 1 from duckdb_schemas() where schema_name = 'marts'").fetchall():
            connection.execute("use marts")
    else:
        connection = duckdb.connect()
        for file in place.glob("*.parquet"):
            connection.execute(f"create view {file.stem} as select * from read_parquet('{file}')")
    connection.execute("set TimeZone = 'UTC'")
    return connection


def figures_of(tables: duckdb.DuckDBPyConnection) -> Figures:
    """Of every table that is there: its rows, a sum over each column, and one over the texts of each row together."""
    there = tables.execute("select distinct table_name from information_schema.tables").fetchall()
    return {table: _figures(table, tables) for table in TABLES if (table,) in there}


def differences(ours: Figures, theirs: Figures) -> list[Difference]:
    """What a contender has otherwise; a column in which we have no value is not asked for, as the shop sends none."""
    return [
        Difference(table=table, figure=figure, ours=value, theirs=other)
        for table, our_figures in ours.items()
        for figure, value in our_figures.items()
        if value is not None and not _equal(value, other := theirs.get(table, {}).get(figure))
    ]


def _equal(one: int | float, other: int | float | None) -> bool:
    """Whole numbers are equal, others nearly."""
    if other is None or (isinstance(one, int) and isinstance(other, int)):
        return one == other
    return abs(one - other) <= TOLERANCE * max(abs(one), abs(other))


def _figures(table: str, tables: duckdb.DuckDBPyConnection) -> dict[str, int | float | None]:
    """In one pass, because a table may be a view that takes seconds."""
    sums = {"rows": "count(*)"}
    texts = []
    for name, kind, *_ in sorted(tables.execute(f"describe {table}").fetchall()):
        # File, line and number of the load tell nothing about the shop.
        if name.startswith("_") or name in NOT_COMPARED:
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
