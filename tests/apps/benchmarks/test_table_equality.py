"""Comparison of a contender's tables with the expected ones."""

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
    database = tmp_path / "expected.duckdb"
    with closing(duckdb.connect(str(database))) as connection:
        connection.execute("create schema marts")
        for table in COMPARED_TABLES:
            connection.execute(
                f"create table marts.{table} as "
                f"select * from (values {ROWS}) as t (user_id, product_id, n, strength, seen_at, _file, not_sent)"
            )
    return database


def _write_contender_tables(folder: Path, query: str) -> Path:
    """Write the expected tables as Parquet files; the first one is the result of a query over `same`."""
    folder.mkdir()
    for table in COMPARED_TABLES:
        table_query = query if table == FIRST_TABLE else "select * from same"
        duckdb.sql(
            f"select * from (values {ROWS}) as t (user_id, product_id, n, strength, seen_at, _file, not_sent)"
        ).create_view("same", replace=True)
        duckdb.sql(f"copy ({table_query}) to '{folder / table}.parquet'")
    return folder


def _compare_changed_tables(expected: Path, query: str) -> list[Difference]:
    contender_folder = _write_contender_tables(expected.parent / "contender_folder", query)
    return _compare_tables(expected, contender_folder)


def _compare_tables(expected: Path, actual: Path) -> list[Difference]:
    with closing(open_tables(expected)) as expected_tables, closing(open_tables(actual)) as actual_tables:
        return find_differences(compute_statistics(expected_tables), compute_statistics(actual_tables))


def test_row_order_and_file_names_are_ignored(expected_database: Path) -> None:
    assert (
        _compare_changed_tables(expected_database, "select * exclude (_file, not_sent) from same order by user_id desc")
        == []
    )


def test_rounding_differences_are_ignored(expected_database: Path) -> None:
    assert _compare_changed_tables(expected_database, "select * replace (strength + 1e-12 as strength) from same") == []


@pytest.mark.parametrize(
    ("query", "statistic"),
    [
        ("select * from same where user_id = 'u1'", "rows"),
        ("select * exclude (strength) from same", "sum of strength"),
        ("select * replace (strength + 0.001 as strength) from same", "sum of strength"),
        ("select * replace (seen_at + interval 1 microsecond as seen_at) from same", "timestamps of seen_at"),
        ("select * replace (if(user_id = 'u1', 'p2', 'p1') as product_id) from same", "texts of each row"),
    ],
)
def test_difference_names_table_and_statistic(expected_database: Path, query: str, statistic: str) -> None:
    assert (FIRST_TABLE, statistic) in {
        (difference.table, difference.statistic) for difference in _compare_changed_tables(expected_database, query)
    }


def test_missing_table_is_a_difference(expected_database: Path) -> None:
    contender_folder = _write_contender_tables(expected_database.parent / "contender_folder", "select * from same")
    (contender_folder / f"{FIRST_TABLE}.parquet").unlink()
    differences = _compare_tables(expected_database, contender_folder)
    assert Difference(table=FIRST_TABLE, statistic="rows", expected=2, actual=None) in differences
    assert {difference.table for difference in differences} == {FIRST_TABLE}
