"""Whoever makes other tables than ours is found out."""

from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from apps.benchmarks.table_equality import (
    COMPARED_TABLES,
    Difference,
    compute_statistics,
    find_differences,
    open_tables,
)

FIRST_TABLE = COMPARED_TABLES[0]
ROWS = """
    ('u1', 'p1', 1, 0.1 + 0.2, timestamp '2026-01-01 10:00:00', 'a file', null),
    ('u2', 'p2', 2, 5.0, timestamp '2026-01-02 10:00:00.001', 'a file', null)
"""


@pytest.fixture
def expected_database(tmp_path: Path) -> Path:
    database = tmp_path / "ours.duckdb"
    with closing(duckdb.connect(str(database))) as connection:
        connection.execute("create schema marts")
        for table in COMPARED_TABLES:
            connection.execute(
                f"create table marts.{table} as "
                f"select * from (values {ROWS}) as t (user_id, product_id, n, strength, seen_at, _file, not_sent)"
            )
    return database


def _write_contender_tables(folder: Path, query: str) -> Path:
    """Parquet files like our tables, the first of them changed by a query over `same`."""
    folder.mkdir()
    for table in COMPARED_TABLES:
        made = query if table == FIRST_TABLE else "select * from same"
        duckdb.sql(
            f"select * from (values {ROWS}) as t (user_id, product_id, n, strength, seen_at, _file, not_sent)"
        ).create_view("same", replace=True)
        duckdb.sql(f"copy ({made}) to '{folder / table}.parquet'")
    return folder


def _compare_changed_tables(expected: Path, query: str) -> list[Difference]:
    theirs = _write_contender_tables(expected.parent / "theirs", query)
    return _compare_tables(expected, theirs)


def _compare_tables(expected: Path, actual: Path) -> list[Difference]:
    with closing(open_tables(expected)) as our_tables, closing(open_tables(actual)) as their_tables:
        return find_differences(compute_statistics(our_tables), compute_statistics(their_tables))


def test_the_same_rows_in_another_order_with_other_file_names_are_no_difference(expected_database: Path) -> None:
    assert (
        _compare_changed_tables(expected_database, "select * exclude (_file, not_sent) from same order by user_id desc")
        == []
    )


def test_a_number_that_differs_by_rounding_is_no_difference(expected_database: Path) -> None:
    assert _compare_changed_tables(expected_database, "select * replace (strength + 1e-12 as strength) from same") == []


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
def test_a_difference_is_named_by_table_and_figure(expected_database: Path, query: str, figure: str) -> None:
    assert (FIRST_TABLE, figure) in {
        (found.table, found.statistic) for found in _compare_changed_tables(expected_database, query)
    }


def test_a_table_that_was_not_made_is_a_difference(expected_database: Path) -> None:
    theirs = _write_contender_tables(expected_database.parent / "theirs", "select * from same")
    (theirs / f"{FIRST_TABLE}.parquet").unlink()
    found = _compare_tables(expected_database, theirs)
    assert Difference(table=FIRST_TABLE, statistic="rows", expected=2, actual=None) in found
    assert {difference.table for difference in found} == {FIRST_TABLE}
