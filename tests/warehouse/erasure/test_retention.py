"""Expired rows are erased from the files that have them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.progress import describe_expiry
from tests.dbt.random_deliveries import put_list_log
from tests.three_feed_shop import EVENTS_JSONL, Shop
from warehouse.erasure.retention import (
    EXPERIMENTS_VIEW,
    FEED_SETTINGS_HASH,
    erase_expired_rows,
    find_feeds_with_retention,
    has_outdated_views,
)
from warehouse.erasure.row_erasure import FileRows
from warehouse.errors import RecomartError
from warehouse.loading.loader import load
from warehouse.sources.columns import TYPED_VIEWS, FeedKind
from warehouse.sources.yaml_file import read_sources

TODAY = datetime.now(UTC).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)


def write_events(*times: datetime) -> str:
    rows = ({"user": "u", "item": "p", "type": "view", "time": time.isoformat()} for time in times)
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def old_shop(shop: Shop) -> Shop:
    """A shop with a loaded file, and the view of its times."""
    shop.declare(events={**EVENTS_JSONL, "keep_days": 30})
    limit = TODAY - timedelta(days=30)
    shop.put("events/1.jsonl", write_events(datetime(1970, 1, 20), limit - timedelta(seconds=1), limit, TODAY))
    load(shop.settings)
    create_view(shop, "events", "event_at")
    return shop


def create_view(shop: Shop, kind: FeedKind, time_column: str, *columns: str) -> None:
    """Create the view that dbt creates of the times of a kind of rows, with more of its columns."""
    with duckdb.connect(str(shop.settings.database)) as connection:
        connection.execute("create schema if not exists staging")
        connection.execute(
            f"create view {TYPED_VIEWS[kind]} as "
            f"select {', '.join(('_feed', '_file', '_line', *columns))}, {time_column}::timestamp as {time_column} "
            f"from raw.{kind}"
        )


def erase(shop: Shop) -> list[FileRows]:
    sources = read_sources(shop.settings.sources)
    return erase_expired_rows(shop.settings, sources, find_feeds_with_retention(sources))


def test_rows_expire_by_day(old_shop: Shop) -> None:
    """Epochs of a wrong unit are in 1970, and do not empty all files."""
    assert erase(old_shop) == [FileRows("events", "events/1.jsonl", [2])]
    limit = TODAY - timedelta(days=30)
    file = old_shop.landing / "events" / "1.jsonl"
    assert file.read_text(encoding="utf-8") == write_events(datetime(1970, 1, 20), limit, TODAY)
    assert erase(old_shop) == []


@pytest.fixture
def logging_shop(shop: Shop) -> Shop:
    """A shop with old and new rows in its logs, and the views of their times."""
    shop.put("events/1.jsonl", write_events(TODAY))
    sources = shop.settings.sources.read_text(encoding="utf-8")
    shop.settings.sources.write_text(f"log_keep_days: 30\n{sources}", encoding="utf-8")
    put_list_log(shop, "1", TODAY - timedelta(days=50), {"u1": ["p1"], "u2": ["p1"]})
    put_list_log(shop, "2", TODAY - timedelta(days=31), {"u1": ["p2"]})
    put_list_log(shop, "3", TODAY, {"u1": ["p3"]})
    for number, served_at in enumerate((TODAY - timedelta(days=31), TODAY - timedelta(days=40)), start=1):
        answer = {"recommendation_id": "a", "served_at": served_at.isoformat(), "product_ids": ["p1"]}
        shop.put(f"recommendation_log/served/{number}.jsonl", f"{json.dumps(answer)}\n")
    load(shop.settings)
    create_view(shop, "recommendation_lists", "published_at", "user_id", "placement")
    create_view(shop, "served_lists", "served_at")
    return shop


def test_rows_of_logs_expire(logging_shop: Shop) -> None:
    """A list expires by its end, and the live one not at all. A log of which all rows are old stops no run."""
    paths = ["published/1.parquet", "served/1.jsonl", "served/2.jsonl"]
    assert [rows.path for rows in erase(logging_shop)] == [f"recommendation_log/{path}" for path in paths]
    lists = logging_shop.query("select user_id, _file from raw.recommendation_lists order by 1, 2")
    files = [(user_id, Path(file).stem) for user_id, file in lists]
    assert files == [("u1", "2"), ("u1", "3"), ("u2", "1")]
    assert logging_shop.query("select count(*) from raw.served_lists") == [(0,)]


def test_logs_of_experiments_stay(logging_shop: Shop) -> None:
    with duckdb.connect(str(logging_shop.settings.database)) as connection:
        connection.execute("create schema intermediate")
        connection.execute(
            f"create view {EXPERIMENTS_VIEW} as select date '{TODAY - timedelta(days=35):%Y-%m-%d}' as starts_on"
        )
    assert [rows.path for rows in erase(logging_shop)] == ["recommendation_log/served/2.jsonl"]


def test_outdated_views_are_found(shop: Shop) -> None:
    """The views of logs are named otherwise than those of feeds."""
    shop.put("events/1.jsonl", write_events(TODAY))
    put_list_log(shop, "1", TODAY, {"u1": ["p1"]})
    load(shop.settings)
    create_view(shop, "recommendation_lists", "published_at")
    feeds = [feed for feed in read_sources(shop.settings.sources).feeds.values() if feed.is_log]
    assert has_outdated_views(shop.settings, feeds)
    with duckdb.connect(str(shop.settings.database)) as connection:
        row = connection.execute(f"select {FEED_SETTINGS_HASH} from raw.feeds").fetchone()
        assert row is not None
        connection.execute(f"comment on view {TYPED_VIEWS['recommendation_lists']} is 'feed_settings {row[0]}'")
    assert not has_outdated_views(shop.settings, feeds)


@pytest.mark.parametrize("is_readable", [True, False])
def test_changed_file_expires_after_its_load(old_shop: Shop, is_readable: bool) -> None:
    """A file that grew since the load, or is damaged, stops no run, and loses no other rows."""
    changed = write_events(TODAY, TODAY, TODAY) if is_readable else "\x00PK"
    file = old_shop.put("events/1.jsonl", changed)
    assert erase(old_shop) == []
    assert file.read_text(encoding="utf-8") == changed
    assert old_shop.query("select count(*) from raw.events") == [(4,)]


@pytest.mark.parametrize(("keep_days", "row_count"), [(None, 4), (60, 4), (30, 3), (5, 3)])
def test_rows_of_several_feeds_expire_last(old_shop: Shop, keep_days: int | None, row_count: int) -> None:
    """The purchases of a feed that reads the same files are kept as long as it declares."""
    columns = {"user_id": "user", "product_id": "item", "purchased_at": "time"}
    purchases = {**EVENTS_JSONL, "columns": columns, "keep_days": keep_days}
    old_shop.declare(events={**EVENTS_JSONL, "keep_days": 30}, purchases=purchases)
    load(old_shop.settings)
    create_view(old_shop, "purchases", "purchased_at")
    erase(old_shop)
    assert old_shop.query("select count(*) from raw.purchases") == [(row_count,)]
    assert old_shop.query("select count(*) from raw.events") == [(row_count,)]


def test_feed_of_expired_rows_is_refused(old_shop: Shop) -> None:
    """An archive keeps its files, despite a row of the far future; rows of files that are gone are erased."""
    content = write_events(TODAY - timedelta(days=60), TODAY - timedelta(days=40), TODAY + timedelta(days=900))
    file = old_shop.put("events/1.jsonl", content)
    load(old_shop.settings)
    newest = f"{TODAY - timedelta(days=40):%Y-%m-%d 00:00}"
    with pytest.raises(
        RecomartError, match=rf"feeds.events.keep_days: .* older than 30 days, the newest is of {newest}"
    ):
        erase(old_shop)
    assert file.read_text(encoding="utf-8") == content
    assert old_shop.query("select count(*) from raw.events") == [(3,)]
    file.unlink()
    assert erase(old_shop) == [FileRows("events", "events/1.jsonl", [1, 2])]
    assert old_shop.query("select count(*) from raw.events") == [(1,)]


def test_expired_rows_are_counted_by_feed() -> None:
    rows = [FileRows("events", "1", [1, 2]), FileRows("events", "2", [5]), FileRows("till", "1", [1])]
    assert describe_expiry(rows) == "older than keep_days and erased: events: 3 rows of 2 files; till: 1 row of 1 file"
    assert describe_expiry([]) == "no row is older than keep_days"
