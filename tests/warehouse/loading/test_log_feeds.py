"""The built-in feeds: the logs of recommendations are loaded beside the shop's files and do not disturb them."""

import json
from datetime import datetime
from typing import Any

from tests.dbt.random_deliveries import put_list_log
from tests.three_feed_shop import EVENTS_JSONL, Shop
from warehouse.drafting.shop_drafts import draft_sources
from warehouse.loading.landing_files import find_feed_files
from warehouse.loading.loader import load
from warehouse.sources.yaml_file import read_sources

EVENT = '{"user":"u1","item":"p1","type":"view","time":"2026-01-05"}\n'

ANSWER: dict[str, Any] = {
    "recommendation_id": "0a",
    "served_at": "2026-01-05T10:00:00Z",
    "user_id": None,
    "session_id": "s1",
    "placement": "basket",
    "experiment": None,
    "arm": None,
    "run_id": "r1",
    "product_ids": ["p1", "p2"],
    "is_fallback": False,
}

PUBLISHED_AT = datetime(2026, 1, 5, 12, 30, 0, 250_000)


def test_logs_are_loaded_as_text(shop: Shop) -> None:
    """Ids that are words for a missing value elsewhere stay."""
    shop.put("events/1.jsonl", EVENT)
    put_list_log(shop, "recomart-00000001", PUBLISHED_AT, {"none": ["p2", 'a "b"'], "u2": []})
    shop.put("recommendation_log/served/1.jsonl", json.dumps(ANSWER) + "\n")
    shop.put("recommendation_log/served/2.part", json.dumps(ANSWER) + "\n")
    report = load(shop.settings)
    assert {name: feed.rows_loaded for name, feed in report.feeds.items()} == {
        "events": 1,
        "purchases": 0,
        "products": 0,
        "recommendation_lists": 2,
        "served_lists": 1,
    }
    assert (report.rejected_files, report.unmatched_files, report.undeclared_columns) == ({}, [], {})
    columns = "user_id, placement, published_at, product_ids, sources, arm, publication, _extra"
    assert shop.query(f"select {columns} from raw.recommendation_lists order by _line") == [
        (user, "customer", "2026-01-05 12:30:00.25", products, sources, None, "recomart-00000001", None)
        for user, products, sources in (
            ("none", r'["p2","a \"b\""]', '["model","model"]'),
            ("u2", "[]", "[]"),
        )
    ]
    assert shop.query(
        "select recommendation_id, session_id, product_ids, is_fallback, _extra from raw.served_lists"
    ) == [("0a", "s1", '["p1","p2"]', "false", None)]
    assert load(shop.settings).rows_loaded == 0


def test_log_without_lists_is_loaded(shop: Shop) -> None:
    """A publication that changed no list writes a file without rows."""
    shop.put("events/1.jsonl", EVENT)
    put_list_log(shop, "recomart-00000001", PUBLISHED_AT, {})
    for files_loaded in (1, 0):
        report = load(shop.settings)
        assert (report.rejected_files, report.undeclared_columns, report.unreadable_feeds) == ({}, {}, {})
        feed = report.feeds["recommendation_lists"]
        assert (feed.files_loaded, feed.rows_loaded) == (files_loaded, 0)


def test_shop_without_logs_has_none(shop: Shop) -> None:
    shop.put("events/1.jsonl", EVENT)
    assert set(load(shop.settings).feeds) == {"events", "purchases", "products"}


def test_shop_feeds_do_not_match_logs(shop: Shop) -> None:
    shop.declare(events=EVENTS_JSONL | {"files": "**/*.jsonl"})
    shop.put("events/1.jsonl", EVENT)
    shop.put("recommendation_log/served/1.jsonl", json.dumps(ANSWER) + "\n")
    feeds = read_sources(shop.settings.sources).feeds.values()
    files = {
        name: [file.path for file in feed_files] for name, feed_files in find_feed_files(feeds, shop.settings).items()
    }
    assert files == {
        "events": ["events/1.jsonl"],
        "recommendation_lists": [],
        "served_lists": ["recommendation_log/served/1.jsonl"],
    }
    assert list(draft_sources(shop.landing).feeds) == ["events"]


def test_damaged_log_stops_no_load(shop: Shop) -> None:
    """A damaged log is rejected, and a log without the usual names is loaded, without an error of the whole load."""
    shop.put("events/1.jsonl", EVENT)
    shop.put("recommendation_log/published/1.parquet", b"PAR1 and no more")
    shop.put("recommendation_log/served/1.jsonl", '{"answer": 1}\n{broken\n')
    report = load(shop.settings)
    assert list(report.rejected_files) == ["recommendation_log/published/1.parquet"]
    assert report.unreadable_feeds == {}
    assert (report.feeds["events"].rows_loaded, report.feeds["served_lists"].rows_rejected) == (1, 1)
