"""Warnings about unusual days, and outdated audits and feed counts."""

import duckdb

from apps.cli.audit_reports import read_audit
from orchestration.dbt_runner import run_dbt
from orchestration.feed_accounting import read_feed_status
from tests.recomart_cli import RecomartCli
from warehouse.settings import Settings
from warehouse.sources.columns import LOG_KINDS

AUDIT_TEST = "warn_feed_day_unusual"


def test_unusual_day_warns_with_feed_and_count(demo_copy: Settings) -> None:
    """Only the newest days warn."""
    with duckdb.connect(str(demo_copy.database)) as connection:
        ((newest, old_warnings),) = connection.execute(
            "select max(delivery_day), count(warning) from marts.audit_feed_days"
        ).fetchall()
        assert old_warnings > 0
        connection.execute(
            "update marts.audit_feed_days set warning = '3 lines where 900 are usual' "
            "where feed = 'purchases' and delivery_day = ?",
            [newest],
        )
    assert run_dbt(demo_copy, "test", "--select", AUDIT_TEST).warnings == [
        f"{AUDIT_TEST}: purchases of {newest}: 3 lines where 900 are usual"
    ]


def test_audit_is_outdated_after_load(demo_copy: Settings, cli: RecomartCli) -> None:
    assert cli.run_json("audit", "--warehouse", demo_copy.warehouse)["is_up_to_date"] is True
    with duckdb.connect(str(demo_copy.database)) as connection:
        connection.execute(
            "update raw.loaded_files set loaded_at = loaded_at + interval 1 hour where feed = 'products'"
        )
    assert cli.run_json("audit", "--warehouse", demo_copy.warehouse)["is_up_to_date"] is False
    assert "files were loaded after the last dbt build" in cli("audit", "--warehouse", demo_copy.warehouse).stdout


def test_status_is_unknown_after_reload(demo_copy: Settings) -> None:
    """Counts of a feed are None when its files were replaced, even with equal row counts."""
    feeds = {feed.feed: feed for feed in read_feed_status(demo_copy)}
    assert all(feed.clean is not None for feed in feeds.values() if feed.feed not in LOG_KINDS)
    with duckdb.connect(str(demo_copy.database)) as connection:
        connection.execute(
            "update raw.loaded_files set loaded_at = loaded_at + interval 1 hour where feed = 'products'"
        )
    feeds = {feed.feed: feed for feed in read_feed_status(demo_copy)}
    assert (feeds["products"].clean, feeds["products"].duplicates, feeds["products"].quarantined) == (None, None, None)
    assert feeds["products"].reasons == {}
    assert feeds["events"].clean


def test_audit_is_outdated_after_deletion(demo_copy: Settings) -> None:
    with duckdb.connect(str(demo_copy.database)) as connection:
        connection.execute("delete from raw.loaded_files where feed = 'purchases' and path ilike '%1%'")
    assert {feed.feed for feed in read_feed_status(demo_copy) if feed.clean is None} - {*LOG_KINDS} == {"purchases"}
    assert not read_audit(demo_copy, days=7).is_up_to_date
