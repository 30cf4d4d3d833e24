"""Whether a contender made the tables that ours are, so that nobody is faster by doing less."""

from collections.abc import Iterator
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


class Difference(BaseModel):
    """A figure of a table that a contender has otherwise than we."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    table: str
    figure: str
    """The `table`, its `rows`, a column, or a sum over one."""
    ours: int | float | None
    theirs: int | float | None


Columns = dict[str, str]
"""Name -> type."""


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


def differences(ours: duckdb.DuckDBPyConnection, theirs: duckdb.DuckDBPyConnection) -> list[Difference]:
    """What the tables of a contender have otherwise: rows, every column's sum, and the texts of each row together.

    A column in which we have no value at all is not asked for: the shop does not send it.
    """
    return [difference for table in TABLES for difference in _differences(table, ours, theirs)]


def _differences(
    table: str, ours: duckdb.DuckDBPyConnection, theirs: duckdb.DuckDBPyConnection
) -> Iterator[Difference]:
    if not _exists(table, theirs):
        yield Difference(table=table, figure="table", ours=1, theirs=0)
        return
    columns = _columns(table, ours)
    missing = columns.keys() - _columns(table, theirs).keys()
    yield from (Difference(table=table, figure=f"column {name}", ours=1, theirs=0) for name in sorted(missing))
    shared = {name: kind for name, kind in columns.items() if name not in missing}
    our_figures, their_figures = (_figures(table, shared, connection) for connection in (ours, theirs))
    for figure, our_value in our_figures.items():
        their_value = their_figures[figure]
        if not _equal(our_value, their_value):
            yield Difference(table=table, figure=figure, ours=our_value, theirs=their_value)


def _equal(one: int | float | None, other: int | float | None) -> bool:
    """Whole numbers are equal, others nearly."""
    if one is None or other is None or (isinstance(one, int) and isinstance(other, int)):
        return one == other
    return abs(one - other) <= TOLERANCE * max(abs(one), abs(other))


def _columns(table: str, connection: duckdb.DuckDBPyConnection) -> Columns:
    """The columns that say something about the shop: those with a value, without file, line and load number."""
    found: Columns = {}
    for name, kind, *_ in connection.execute(f"describe {table}").fetchall():
        if name.startswith("_") or name in NOT_COMPARED:
            continue
        if connection.execute(f"select count({name}) from {table}").fetchall()[0][0]:
            found[name] = kind
    return found


def _exists(table: str, connection: duckdb.DuckDBPyConnection) -> bool:
    return bool(connection.execute("select 1 from information_schema.tables where table_name = ?", [table]).fetchall())


def _figures(table: str, columns: Columns, connection: duckdb.DuckDBPyConnection) -> dict[str, int | float | None]:
    sums = {"rows": "count(*)"}
    for name, kind in columns.items():
        if kind == "VARCHAR":
            sums[f"texts of {name}"] = f"sum(hash({name}))"
        elif kind.startswith(("TIMESTAMP", "DATE")):
            sums[f"instants of {name}"] = f"sum(epoch_us(cast({name} as timestamp)))"
        else:
            sums[f"sum of {name}"] = f"sum(cast({name} as double))"
    if texts := [name for name, kind in columns.items() if kind == "VARCHAR"]:
        sums["texts of each row"] = f"sum(hash({', '.join(texts)}))"
    row = connection.execute(f"select {', '.join(sums.values())} from {table}").fetchall()[0]
    return dict(zip(sums, row, strict=True))
