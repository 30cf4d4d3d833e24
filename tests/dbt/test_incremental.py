"""Incremental builds equal full builds row for row, for deliveries in any order and after killed builds."""

import json
import shutil
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestration.dbt_manifest import DBT_OUTPUT_FOLDERS
from orchestration.dbt_runner import PROJECT_DIR, TRAINING_INPUT_SELECTION, run_dbt
from tests.dbt.random_deliveries import (
    DELIVERIES,
    declare_feeds,
    format_day,
    put_list_log,
    write_catalog,
    write_events,
    write_impressions,
    write_list_log,
    write_order_lines,
    write_orders,
    write_served_log,
)
from tests.table_changes import execute_statements
from tests.three_feed_shop import EVENTS_JSONL, PRODUCTS_JSON, PURCHASES_CSV, Shop
from warehouse.database import connect, open_reader
from warehouse.loading.loader import load
from warehouse.settings import Settings

BUILD_ARGUMENTS = ("build", "--resource-type", "seed", "--resource-type", "model")

INCREMENTAL_SELECTION = ("--select", "+config.materialized:incremental")
"""The incremental tables and what they read: a quarter of all tables."""


def build(shop: Shop, *args: str) -> dict[str, list[tuple[Any, ...]]]:
    """Load and build; return all tables."""
    load(shop.settings)
    run_dbt(shop.settings, *BUILD_ARGUMENTS, *TRAINING_INPUT_SELECTION, *args)
    return read_tables(shop.settings)


def build_only(shop: Shop, *tables: str, options: Sequence[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Load, and build the tables with those that they read; return these tables."""
    load(shop.settings)
    run_dbt(shop.settings, *BUILD_ARGUMENTS, "--select", *(f"+{table}" for table in tables), *options)
    return read_tables(shop.settings)


def read_tables(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Return the sorted rows of every table and view that dbt builds, without what depends on the last build.

    An incremental build keeps a row of int_action_days for a day that lost its actions; a full build has no such row.
    """
    with open_reader(settings) as connection:
        tables = connection.execute(
            """
            select
                table_schema || '.' || table_name,
                list(column_name) filter (column_name not in ('changed_at', 'actions_changed_at'))
            from information_schema.columns
            where
                table_schema in ('staging', 'intermediate', 'marts')
                and table_name not in ('int_changed_loads', 'int_outdated_days')
            group by all
            """
        ).fetchall()
        return {
            table: [
                tuple(tuple(value) if isinstance(value, list) else value for value in row)
                for row in connection.execute(
                    f"select {', '.join(columns)} from {table}"
                    f" where {'action_count > 0' if table == 'intermediate.int_action_days' else 'true'} order by all"
                ).fetchall()
            ]
            for table, columns in tables
        }


def find_differences(
    first: dict[str, list[tuple[Any, ...]]], second: dict[str, list[tuple[Any, ...]]]
) -> dict[str, Any]:
    """Return the tables that differ, with the rows that only one side has."""
    return {
        name: {"rows of one side": set(first.get(name, [])) ^ set(second.get(name, []))}
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
    }


def build_deliveries(
    shop: Shop, rng: Random, rounds: int, selection: Sequence[str] = ()
) -> dict[str, list[tuple[Any, ...]]]:
    """Build the selected tables after every round of deliveries; return the last tables."""
    declare_feeds(shop)
    write_events(shop, rng)
    write_catalog(shop, rng)
    write_impressions(shop, rng)
    write_list_log(shop, rng)
    write_served_log(shop, rng)
    tables: dict[str, list[tuple[Any, ...]]] = {}
    for _ in range(rounds):
        for kind in rng.choices(DELIVERIES, k=rng.randrange(1, 5)):
            kind(shop, rng)
        tables = build(shop, *selection)
    return tables


@pytest.mark.slow
def test_keys_and_joins_equal_full_refresh(shop: Shop) -> None:
    """A row supersedes a row of another day, and its file is replaced; orders and their lines come in any order."""
    rng, tables = Random(1), ("int_events_classified", "int_purchases_classified")
    declare_feeds(shop)
    write_catalog(shop, rng)
    header = "id,who,sku,what,when,state\n"
    status = "select product_id, row_status from intermediate.int_events_classified order by event_at"
    shop.put("tracker/1.csv", header + "7,u1,p1,view,2026-01-03T09:00:00Z,\n8,u1,p4,view,2026-01-04T09:00:00Z,\n")
    write_order_lines(shop, rng)
    build_only(shop, *tables)
    shop.put("tracker/10.csv", header + "7,u1,p2,view,2026-01-09T09:00:00Z,\n")
    shop.put("tracker/9.csv", header + "7,u1,p3,view,2026-01-11T09:00:00Z,\n")
    write_orders(shop, rng)
    build_only(shop, *tables)
    assert shop.query(status) == [("p1", "duplicate"), ("p4", "clean"), ("p2", "clean"), ("p3", "duplicate")]
    shop.put("tracker/10.csv", header + "7,u1,p2,view,2026-01-04T10:00:00Z,void\n")
    write_orders(shop, rng)
    build_only(shop, *tables)
    assert shop.query(status) == [("p1", "duplicate"), ("p4", "clean"), ("p2", "excluded"), ("p3", "duplicate")]
    shop.put("tracker/10.csv", header)
    write_order_lines(shop, rng)
    incremental_tables = build_only(shop, *tables)
    assert shop.query(status) == [("p1", "duplicate"), ("p4", "clean"), ("p3", "clean")]
    assert find_differences(incremental_tables, build_only(shop, *tables, options=["--full-refresh"])) == {}


@pytest.mark.slow
def test_late_events_change_session_customer(shop: Shop) -> None:
    """Events bring the customer of a session's impressions; those of a second customer take it away."""
    tables = ("int_impressions_classified",)
    users = "select session_id, user_id, is_session_user from intermediate.int_impressions_classified order by all"
    declare_feeds(shop)
    shop.put("catalog/1.json", json.dumps({"data": {"items": [{"id": "p1", "name": "Mug", "price": 1}]}}))
    impressions = [{"session": session, "item": "p1", "time": "2026-01-05T10:00:00Z"} for session in ("s1", "s2")]
    shop.put("seen/1.jsonl", "".join(json.dumps(row) + "\n" for row in impressions))
    build_only(shop, *tables)
    assert shop.query(users) == [("s1", None, False), ("s2", None, False)]
    event = {"user": "u1", "session": "s1", "item": "p1", "type": "view", "time": "2026-01-09T10:00:00Z"}
    shop.put("events/1.jsonl", json.dumps(event) + "\n")
    build_only(shop, *tables)
    assert shop.query(users) == [("s1", "u1", True), ("s2", None, False)]
    shop.put("events/2.jsonl", json.dumps(event | {"user": "u2"}) + "\n")
    build_only(shop, *tables)
    assert shop.query(users) == [("s1", None, False), ("s2", None, False)]
    shop.put("events/2.jsonl", json.dumps(event | {"user": "u2", "session": "s2"}) + "\n")
    build_only(shop, *tables)
    assert shop.query(users) == [("s1", "u1", True), ("s2", "u2", True)]


@pytest.mark.slow
def test_late_list_ends_earlier_list(shop: Shop) -> None:
    """Only the customer's lists around a new, changed or removed one get another end."""
    periods = """
        select user_id, day(published_at), day(live_until), product_ids
        from marts.fct_recommendation_lists
        order by all
    """
    shop.put("events/1.jsonl", "")
    days = {number: datetime(2026, 1, number, 12) for number in (1, 5, 9, 20)}
    put_list_log(shop, "first", days[1], {"u1": ["p1"], "u2": ["p2"], "u3": ["p3"]})
    put_list_log(shop, "last", days[9], {"u1": ["p4"]})
    build_only(shop, "fct_recommendation_lists")
    assert shop.query(periods) == [
        ("u1", 1, 9, ["p1"]),
        ("u1", 9, None, ["p4"]),
        ("u2", 1, None, ["p2"]),
        ("u3", 1, None, ["p3"]),
    ]
    put_list_log(shop, "late", days[5], {"u1": ["p5"], "u2": []})
    put_list_log(shop, "new", days[20], {"u3": ["p6"]})
    build_only(shop, "fct_recommendation_lists")
    assert shop.query(periods) == [
        ("u1", 1, 5, ["p1"]),
        ("u1", 5, 9, ["p5"]),
        ("u1", 9, None, ["p4"]),
        ("u2", 1, 5, ["p2"]),
        ("u2", 5, None, []),
        ("u3", 1, 20, ["p3"]),
        ("u3", 20, None, ["p6"]),
    ]
    put_list_log(shop, "late", days[5], {"u2": []})
    # A build that was killed between the two tables.
    build_only(shop, "int_recommendation_lists_classified")
    tables = build_only(shop, "fct_recommendation_lists")
    assert shop.query(periods)[:2] == [("u1", 1, 9, ["p1"]), ("u1", 9, None, ["p4"])]
    assert find_differences(tables, build_only(shop, "fct_recommendation_lists", options=["--full-refresh"])) == {}


def test_deliveries_equal_full_refresh(shop: Shop) -> None:
    """The other tables are built in full from these, and are the same if these are."""
    incremental_tables = build_deliveries(shop, Random(3), rounds=2, selection=INCREMENTAL_SELECTION)
    assert find_differences(incremental_tables, build(shop, *INCREMENTAL_SELECTION, "--full-refresh")) == {}


@pytest.mark.slow
@settings(
    max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(min_value=0), rounds=st.integers(min_value=2, max_value=7))
def test_random_deliveries_equal_full_refresh(tmp_path_factory: pytest.TempPathFactory, seed: int, rounds: int) -> None:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    incremental_tables = build_deliveries(shop, Random(seed), rounds)
    assert find_differences(incremental_tables, build(shop, "--full-refresh")) == {}


@pytest.fixture
def three_day_shop(shop: Shop) -> Shop:
    """A shop with three days of events; nothing is loaded."""
    for number in range(3):
        rows = [
            {"user": f"u{i}", "item": "p1", "type": "view", "time": f"{format_day(number)}T0{i}:00:00Z"}
            for i in range(1, 4)
        ]
        shop.put(f"events/{format_day(number)}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    shop.put("catalog/2026-01-01.json", json.dumps({"data": {"items": [{"id": "p1", "name": "Mug", "price": 5}]}}))
    return shop


@pytest.fixture
def built_shop(three_day_shop: Shop) -> Shop:
    """The shop with all tables built."""
    build(three_day_shop)
    return three_day_shop


def mark_rows(shop: Shop) -> None:
    """Mark every clean row; a rebuild of the row's day removes the mark."""
    with closing(connect(shop.settings)) as connection:
        connection.execute("update intermediate.int_events_classified set reasons = 'marked' where reasons is null")


def find_rebuilt_days(shop: Shop) -> set[str]:
    """Return the days with a row that has no mark."""
    query = "select distinct cast(_row_date as varchar) from intermediate.int_events_classified where reasons is null"
    return {day for (day,) in shop.query(query)}


@pytest.mark.slow
def test_build_rebuilds_only_new_file_days(three_day_shop: Shop) -> None:
    build_only(three_day_shop, "int_events_classified")
    mark_rows(three_day_shop)
    build_only(three_day_shop, "int_events_classified")
    assert find_rebuilt_days(three_day_shop) == set()
    late = {"user": "u9", "item": "p1", "type": "view", "time": "2026-01-02T09:00:00Z"}
    new = {"user": "u9", "item": "p1", "type": "view", "time": "2026-01-04T09:00:00Z"}
    three_day_shop.put("events/2026-01-04.jsonl", json.dumps(late) + "\n" + json.dumps(new) + "\n")
    build_only(three_day_shop, "int_events_classified")
    assert find_rebuilt_days(three_day_shop) == {"2026-01-02", "2026-01-04"}


@pytest.mark.slow
@pytest.mark.parametrize("is_action_days_lost", [False, True])
def test_emptied_first_day_equals_full_refresh(built_shop: Shop, *, is_action_days_lost: bool) -> None:
    """The shop starts with its first day that still has actions."""
    variables = ("--vars", "{drift_current_days: 1, drift_reference_days: 1}")
    built_shop.put("events/2026-01-01.jsonl", "")
    if is_action_days_lost:
        execute_statements(built_shop.settings, "drop table intermediate.int_action_days")
    incremental_tables = build(built_shop, *variables)
    assert len(incremental_tables["intermediate.int_drift_periods"]) == 2
    assert find_differences(incremental_tables, build(built_shop, *variables, "--full-refresh")) == {}


@pytest.mark.slow
def test_late_product_releases_its_events(built_shop: Shop) -> None:
    """The next build also repairs a full refresh of only some models."""
    unknown_event = {"user": "u1", "item": "p2", "type": "view", "time": "2026-01-02T09:00:00Z"}
    built_shop.put("events/late.jsonl", json.dumps(unknown_event) + "\n")
    status = "select reasons from intermediate.int_events_classified where product_id = 'p2'"
    build(built_shop)
    assert built_shop.query(status) == [("unknown_product",)]
    items = [{"id": "p1", "name": "Mug", "price": 5}, {"id": "p2", "name": "Cup", "price": 4}]
    built_shop.put("catalog/2026-01-03.json", json.dumps({"data": {"items": items}}))
    incremental_tables = build(built_shop)
    assert built_shop.query(status) == [(None,)]
    run_dbt(built_shop.settings, "run", "--full-refresh", "--select", "int_events_classified", "int_user_days")
    assert find_differences(incremental_tables, build(built_shop)) == {}


@pytest.mark.slow
def test_changed_variable_rebuilds_every_day(built_shop: Shop) -> None:
    variables = ("--vars", "{popularity_half_life_days: 1}")
    previous_tables, rebuilt_tables = read_tables(built_shop.settings), build(built_shop, *variables)
    assert find_differences(previous_tables, rebuilt_tables) != {}
    assert find_differences(rebuilt_tables, build(built_shop, *variables, "--full-refresh")) == {}


@pytest.mark.slow
def test_changed_declaration_changes_spend(three_day_shop: Shop) -> None:
    purchases = PURCHASES_CSV | {"columns": PURCHASES_CSV["columns"] | {"price": "each"}}
    three_day_shop.declare(events=EVENTS_JSONL, purchases=purchases, products=PRODUCTS_JSON)
    three_day_shop.put("purchases/2026-01-02.csv", "sku,when,who,qty,each\np1,2026-01-02T09:00:00Z,u1,1,1.250\n")
    query = "select total_spend from marts.dim_users where user_id = 'u1'"
    build_only(three_day_shop, "dim_users")
    assert three_day_shop.query(query) == [(1.25,)]
    three_day_shop.declare(events=EVENTS_JSONL, purchases=purchases | {"decimal": ","}, products=PRODUCTS_JSON)
    build_only(three_day_shop, "dim_users")
    assert three_day_shop.query(query) == [(1250,)]


@pytest.mark.slow
def test_changed_macro_rebuilds_rows(three_day_shop: Shop, tmp_path: Path) -> None:
    """A changed macro changes the rows of an incremental model, although no file has changed."""
    three_day_shop.put(
        "events/late.jsonl", json.dumps({"user": "u1", "item": "p2", "type": "view", "time": "2026-01-02T09:00:00Z"})
    )
    build_only(three_day_shop, "int_events_classified")
    project = tmp_path / "project"
    shutil.copytree(PROJECT_DIR, project, ignore=shutil.ignore_patterns(*DBT_OUTPUT_FOLDERS))
    macro_file = project / "macros" / "rows.sql"
    macro_file.write_text(macro_file.read_text().replace("then '{{ name }}' end", "then 'renamed_{{ name }}' end"))
    options = ("--project-dir", str(project), "--profiles-dir", str(project))
    run_dbt(three_day_shop.settings, "run", "--select", "int_events_classified", *options)
    reasons = "select distinct reasons from intermediate.int_events_classified where reasons is not null"
    assert three_day_shop.query(reasons) == [("renamed_unknown_product",)]
    mark_rows(three_day_shop)
    run_dbt(three_day_shop.settings, "run", "--select", "+int_events_classified", *options)
    assert find_rebuilt_days(three_day_shop) == set()
