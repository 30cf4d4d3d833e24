"""Column lineage of SQL queries, and its cache."""

from pathlib import Path

import pytest

from orchestration import column_lineage as module
from orchestration.column_lineage import LineageCache, SourceColumn, trace_columns
from warehouse.sql_text import TableName

TABLES = {
    TableName("marts", "sales"): {"user_id": "varchar", "price": "double", "quantity": "bigint"},
    TableName("marts", "users"): {"user_id": "varchar", "city": "varchar"},
}

QUERY = """
with paid as (select user_id, price * quantity as amount from recomart.marts.sales),
final as (
    select users.*, coalesce(sum(paid.amount), 0) as spend, 'EUR' as currency
    from recomart.marts.users as users left join paid on users.user_id = paid.user_id group by all
)
select * from final
"""


def test_trace_columns_follows_stars_and_ctes() -> None:
    assert trace_columns(QUERY, TABLES) == {
        "user_id": [SourceColumn("marts", "users", "user_id")],
        "city": [SourceColumn("marts", "users", "city")],
        "spend": [SourceColumn("marts", "sales", "price"), SourceColumn("marts", "sales", "quantity")],
    }


def test_trace_columns_merges_union_parts() -> None:
    union = "select user_id as id from marts.users union all select user_id from marts.sales"
    assert trace_columns(union, TABLES) == {
        "id": [SourceColumn("marts", "sales", "user_id"), SourceColumn("marts", "users", "user_id")]
    }


def test_trace_columns_skips_invalid_sql() -> None:
    assert trace_columns("select from where", TABLES) == {}


def test_lineage_cache_parses_changed_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lineage.json"
    cache = LineageCache(path)
    lineage = cache.get_lineage(QUERY, TABLES)
    cache.save()
    monkeypatch.setattr(module, "trace_columns", lambda *_: {"parsed": []})
    reloaded = LineageCache(path)
    assert reloaded.get_lineage(QUERY, TABLES) == lineage
    wider_tables = {**TABLES, TableName("marts", "users"): {"user_id": "varchar", "city": "varchar", "age": "bigint"}}
    assert reloaded.get_lineage(QUERY, wider_tables) == {"parsed": []}
    assert reloaded.get_lineage("select 1 as one", TABLES) == {"parsed": []}


def test_lineage_cache_ignores_constants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "select price as price_2 from marts.sales where day in ({}) or load_id in ({})"
    cache = LineageCache(tmp_path / "lineage.json")
    lineage = cache.get_lineage(query.format("date '2026-01-01'", "1, 2"), TABLES)
    monkeypatch.setattr(module, "trace_columns", lambda *_: {"parsed": []})
    assert cache.get_lineage(query.format("date '2026-01-02', date '2026-01-03'", "3"), TABLES) == lineage
    assert cache.get_lineage(query.replace("price_2", "price_3"), TABLES) == {"parsed": []}


def test_lineage_cache_ignores_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "lineage.json"
    path.write_text('{"a": [')
    assert "spend" in LineageCache(path).get_lineage(QUERY, TABLES)
