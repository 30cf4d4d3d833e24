"""Whoever makes other tables than ours is found out."""

from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from apps.benchmarks.table_equality import TABLES, Difference, differences, figures_of, open_tables

TABLE = TABLES[0]
ROWS = """
    ('u1', 'p1', 1, 0.1 + 0.2, timestamp '2026-01-01 10:00:00', 'a file', null),
    ('u2', 'p2', 2, 5.0, timestamp '2026-01-02 10:00:00.001', 'a file', null)
"""


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    database = tmp_path / "ours.duckdb"
    with closing(duckdb.connect(str(database))) as connection:
        connection.execute("create schema marts")
        for table in TABLES:
            connection.execute(
                f"create table marts.{table} as "
                f"select * from (values {ROWS}) as t (user_id, product_id, n, strength, seen_at, _file, not_sent)"
            )
    return database


def _theirs(folder: Path, query: str) -> Path:
    """Parquet files like our tables, the first of them changed by a query over `same`."""
    folder.mkdir()
    for table in TABLES:
        made = query if table == TABLE else "select * from same"
        duckdb.sql(
            f"select * from (values {ROWS}) as t (user_id, product_id, n, strength, seen_at, _file, not_sent)"
        ).create_view("same", replace=True)
        duckdb.sql(f"copy ({made}) to '{folder / table}.parquet'")
    return folder


def _found(ours: Path, query: str) -> list[Difference]:
    theirs = _theirs(ours.parent / "theirs", query)
    return _differences(ours, theirs)


def _differences(ours: Path, theirs: Path) -> list[Difference]:
    with closing(open_tables(ours)) as our_tables, closing(open_tables(theirs)) as their_tables:
        return differences(figures_of(our_tables), figures_of(their_tables))


def test_the_same_rows_in_another_order_with_other_file_names_are_no_difference(ours: Path) -> None:
    assert _found(ours, "select * exclude (_file, not_sent) from same order by user_id desc") == []


def test_a_number_that_differs_by_rounding_is_no_difference(ours: Path) -> None:
    assert _found(ours, "select * replace (strength + 1e-12 as strength) from same") == []


@pytest.mark.parametrize(
    ("query", "figure"),
    [
        ("select * from same where user_id = 'u1'", "rows"),
        ("select * exclude (strength) from same", "sum of strength"),
        ("select * replace (strength + 0.001 as strength) from same", "sum of strength"),
        ("select * replace (seen_at + interval 1 microsecond as seen_at) from same", "instants of seen_at"),
        ("select * replace (if(user_id = 'u1', 'p2', 'p1') as product_id) from same", "texts of each row"),
    ],
)
def test_a_difference_is_named_by_table_and_figure(ours: Path, query: str, figure: str) -> None:
    assert (TABLE, figure) in {(found.table, found.figure) for found in _found(ours, query)}


def test_a_table_that_was_not_made_is_a_difference(ours: Path) -> None:
    theirs = _theirs(ours.parent / "theirs", "select * from same")
    (theirs / f"{TABLE}.parquet").unlink()
    found = _differences(ours, theirs)
    assert Difference(table=TABLE, figure="rows", ours=2, theirs=None) in found
    assert {difference.table for difference in found} == {TABLE}
