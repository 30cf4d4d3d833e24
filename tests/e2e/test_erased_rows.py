"""Rows that an erasure or the retention removes from the files and tables of small shops."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from models_ml.config import TrainConfig
from orchestration.dbt_runner import run_dbt
from orchestration.forgetting.customer_erasure import describe_remaining, forget_customer, has_customers
from orchestration.forgetting.customer_export import read_customer_rows
from orchestration.model_registry import list_model_runs
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener, StepTimer
from orchestration.steps import load_landing
from tests.dbt.random_deliveries import IMPRESSIONS_JSONL, put_list_log
from tests.e2e.test_forget_customer import find_files_with_bytes, read_lists
from tests.three_feed_shop import EVENTS_JSONL, Shop
from warehouse.database import open_writer
from warehouse.erasure.retention import erase_expired_rows, find_feeds_with_retention, has_outdated_views
from warehouse.errors import RecomartError
from warehouse.loading.loader import load
from warehouse.sources.yaml_file import read_sources


@pytest.mark.slow
def test_joined_and_nested_rows_are_erased(shop: Shop) -> None:
    """The orders file has the customers of the lines file; an event has several items."""
    shop.declare(
        events={
            "files": "events/*",
            "format": "jsonl",
            "unnest": "$.items",
            "columns": {"user_id": "user", "product_id": "$.items.sku", "event_type": "type", "event_at": "time"},
        },
        purchases={
            "files": "lines/*",
            "format": "csv",
            "columns": {"transaction_id": "order", "product_id": "sku", "quantity": "qty", "price": "price"},
            "join": {
                "files": "orders/*",
                "columns": {"transaction_id": "order", "user_id": "buyer", "purchased_at": "at"},
            },
        },
    )
    shop.put(
        "events/1.jsonl",
        "".join(
            json.dumps({"user": user, "type": "view", "time": "2026-01-01", "items": [{"sku": "a"}, {"sku": "b"}]})
            + "\n"
            for user in ("customer-1", " customer-1 ", "customer-2")
        ),
    )
    mention = {
        "user": "customer-2",
        "type": "view",
        "time": "2026-01-01",
        "items": [{"sku": "a"}],
        "note": "customer-1",
    }
    shop.put("events/2.jsonl", json.dumps(mention))
    path_with_id = shop.put("events/customer-1.jsonl", json.dumps({**mention, "note": ""}))
    shop.put("lines/1.csv", "order,sku,qty,price\no1,a,1,2\no1,b,1,2\no2,a,1,2\n")
    shop.put("orders/1.csv", 'order,buyer,at\no1,"=""customer-1""",2026-01-01\no2,customer-2,2026-01-01\n')
    load(shop.settings)
    with open_writer(shop.settings) as connection:
        connection.execute("create table clubs (user_id varchar primary key)")
        connection.execute("create table members (club_user varchar references clubs (user_id))")
        for table in ("clubs", "members"):
            connection.execute(f"insert into {table} values ('customer-1')")
    with pytest.raises(RecomartError, match=r"main.clubs: rows of main.members refer to them"):
        forget_customer(shop.settings, "customer-1", PipelineListener())
    with open_writer(shop.settings) as connection:
        connection.execute("delete from members")
    traces = forget_customer(shop.settings, "customer-1", PipelineListener())
    assert describe_remaining(shop.settings, "customer-1", traces) == (
        "rows of other customers mention it: events/2.jsonl, line 1. Correct these lines in the landing files; "
        "landing/events/customer-1.jsonl (its name: rename or delete it), and call the command again"
    )
    shop.put("events/2.jsonl", json.dumps({**mention, "note": "c1"}))
    path_with_id.rename(path_with_id.with_name("3.jsonl"))
    assert forget_customer(shop.settings, "customer-1", PipelineListener()) == []
    assert (shop.landing / "lines" / "1.csv").read_text(encoding="utf-8") == "order,sku,qty,price\no2,a,1,2\n"
    assert find_files_with_bytes(shop.landing, "customer-1") == []
    assert shop.query("select count(*) from raw.events") == [(4,)]
    with pytest.raises(RecomartError, match="not a customer id: 'guest'"):
        forget_customer(shop.settings, "guest", PipelineListener())


def test_session_and_log_rows_are_erased(shop: Shop) -> None:
    """Events show whose sessions the impressions and answers without a customer are of."""
    columns = {**EVENTS_JSONL["columns"], "session_id": "session"}
    event_settings = {"columns": columns, "carries": "products", "leave_out": {"type": "test"}}
    shop.declare(events={**EVENTS_JSONL, **event_settings}, impressions=IMPRESSIONS_JSONL)
    sessions = {"customer-1": ("s1", "shared"), "customer-2": ("s2", "shared")}
    events = [
        {"user": user, "session": session, "item": "p", "type": "view", "time": "2026-01-05"}
        for user, user_sessions in sessions.items()
        for session in user_sessions
    ]
    # Excluded events show no customer of a session.
    events += [
        {"user": user, "session": session, "item": "p", "type": "test", "time": "2026-01-05"}
        for user, session in (("customer-2", "s1"), ("customer-1", "s2"))
    ]
    shop.put("events/1.jsonl", "".join(json.dumps(row) + "\n" for row in events))
    impressions = [{"session": session, "item": "p", "time": "2026-01-05"} for session in ("s1", "s2", "shared", "s3")]
    impressions += [{"user": user, "item": "p", "time": "2026-01-05"} for user in sessions]
    shop.put("seen/1.jsonl", "".join(json.dumps(row) + "\n" for row in impressions))
    gone = shop.put("seen/2.jsonl", json.dumps(impressions[0] | {"place": 2}) + "\n")
    answers = [
        {"recommendation_id": session, "served_at": "2026-01-05", "session_id": session, "product_ids": ["p"]}
        for session in ("s1", "s2")
    ]
    shop.put("recommendation_log/served/1.jsonl", "".join(json.dumps(row) + "\n" for row in answers))
    put_list_log(shop, "recomart-1", datetime(2026, 1, 5), {user: ["p"] for user in sessions})
    load(shop.settings)
    gone.unlink()
    run_dbt(shop.settings, "run", "--select", "staging.shop", "staging.log")
    exported = {name: len(rows) for name, rows in read_customer_rows(shop.settings, "customer-1").items()}
    assert exported == {"raw.events": 3, "raw.impressions": 3, "raw.served_lists": 1, "raw.recommendation_lists": 1}
    assert forget_customer(shop.settings, "customer-1", PipelineListener()) == []
    assert shop.query("select coalesce(session_id, user_id) from raw.impressions order by all") == [
        ("customer-2",),
        *[(session,) for session in ("s2", "s3", "shared")],
    ]
    assert shop.query("select session_id from raw.served_lists") == [("s2",)]
    assert shop.query("select user_id from raw.recommendation_lists") == [("customer-2",)]
    # The excluded event of the other customer stays.
    assert find_files_with_bytes(shop.landing, "s1") == [str(shop.landing / "events" / "1.jsonl")]
    log = pq.read_table(shop.landing / "recommendation_log" / "published" / "recomart-1.parquet")
    assert log.select(["user_id", "list_hash"]).to_pylist() == [{"user_id": "customer-2", "list_hash": "h"}]


@pytest.mark.slow
def test_last_customer_is_erased(shop: Shop) -> None:
    """No dataset version and no model is left, and the published lists are empty."""
    columns = {"user_id": "user", "product_id": "item", "event_type": "type", "event_at": "time"}
    products = {"files": "products/*", "format": "jsonl", "columns": {"product_id": "id", "product_name": "name"}}
    shop.declare(events={"files": "events/*", "format": "jsonl", "columns": columns}, products=products)
    events = [
        {"user": "customer-1", "item": f"p{number % 7}", "type": "view", "time": f"2026-01-{number % 9 + 1:02}"}
        for number in range(40)
    ]
    shop.put("events/1.jsonl", "".join(json.dumps(event) + "\n" for event in events))
    catalog = [{"id": f"p{number}", "name": f"Mug {number}"} for number in range(30)]
    shop.put("products/1.jsonl", "".join(json.dumps(product) + "\n" for product in catalog))
    run_pipeline(shop.settings, TrainConfig(), PipelineListener())
    assert has_customers(shop.settings)
    assert forget_customer(shop.settings, "customer-1", PipelineListener()) == []
    assert not has_customers(shop.settings)
    assert list_model_runs(shop.settings) == []
    assert read_lists(shop.settings) == {}


@pytest.mark.slow
def test_runs_erase_expired_rows(shop: Shop) -> None:
    """Rows older than `keep_days` leave the landing files and all tables; the newer ones stay."""
    columns = {"user_id": "user", "product_id": "item", "event_type": "type", "event_at": "time"}
    shop.declare(events={"files": "events/*", "format": "jsonl", "columns": columns, "keep_days": 30})
    today = datetime.now(UTC)
    times = {f"u{days}": (today - timedelta(days=days)).isoformat() for days in (1, 29, 32, 90)}
    for user, at in times.items():
        event = {"user": user, "item": "p", "type": "view", "time": at}
        shop.put(f"events/{user}.jsonl", f"{json.dumps(event)}\n")
    shop.put("events/all.jsonl", b"".join((shop.landing / "events" / f"{user}.jsonl").read_bytes() for user in times))
    load(shop.settings)
    (shop.landing / "events" / "u90.jsonl").unlink()
    run_dbt(shop.settings, "run", "--select", "staging.shop")
    sources = read_sources(shop.settings.sources)
    feeds = find_feeds_with_retention(sources)
    assert [rows.path for rows in erase_expired_rows(shop.settings, sources, feeds)] == [
        *("events/all.jsonl", "events/u32.jsonl", "events/u90.jsonl")
    ]
    assert shop.query("select distinct user_id from raw.events order by 1") == [("u1",), ("u29",)]
    lines = (shop.landing / "events" / "all.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["user"] for line in lines] == ["u1", "u29"]
    assert shop.query("select sum(lines), sum(rows_loaded) from raw.loaded_files") == [(4, 4)]
    assert erase_expired_rows(shop.settings, sources, feeds) == []


@pytest.mark.slow
def test_rows_expire_by_current_declaration(shop: Shop) -> None:
    """Rows of a corrected time format do not expire by the views of the wrong one."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    rows = [{"user": "u", "item": "p", "type": "view", "time": time} for time in (today, f"2020-01-01/{today}")]
    file = shop.put("events/1.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    feed = {**EVENTS_JSONL, "keep_days": 30}
    shop.declare(events={**feed, "timestamp_formats": [f"%Y-%m-%d/{today}", "iso"]})
    load(shop.settings)
    run_dbt(shop.settings, "run", "--select", "staging.shop", "staging.log")
    feeds = list(read_sources(shop.settings.sources).feeds.values())
    assert any(feed.is_log for feed in feeds)
    assert not has_outdated_views(shop.settings, feeds)
    shop.declare(events={**feed, "timestamp_formats": ["2020-01-01/%Y-%m-%d", "iso"]})
    _, expired = load_landing(shop.settings, StepTimer(PipelineListener()))
    assert expired == []
    assert not has_outdated_views(shop.settings, feeds)
    assert len(file.read_text(encoding="utf-8").splitlines()) == 2
