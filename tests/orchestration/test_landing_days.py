"""Partitions of the landing days, and the freshness of live feeds."""

from datetime import timedelta

import dagster as dg
import pytest

from orchestration.assets.landing import build_freshness_policy
from orchestration.assets.landing_days import LANDING_DAYS_KEY, landing_days
from orchestration.assets.raw import raw_tables
from orchestration.assets.warehouse_resource import WarehouseResource
from tests.three_feed_shop import EVENTS_JSONL, PURCHASES_CSV, Shop

EVENT = '{"user":"u1","item":"p1","type":"view","time":"2026-01-01"}\n'
RESOURCES = {"warehouse": WarehouseResource()}


def get_reported_days(run: dg.ExecuteInProcessResult) -> dict[str | None, object]:
    """Return the number of files of each landing day that a run reports."""
    return {
        event.partition: event.materialization.metadata["file_count"].value
        for event in run.get_asset_materialization_events()
        if event.asset_key == LANDING_DAYS_KEY and "file_count" in event.materialization.metadata
    }


@pytest.fixture
def daily_shop(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    for name, value in shop.settings.build_environment().items():
        monkeypatch.setenv(name, value)
    shop.put("events/2026-01-05.jsonl", EVENT)
    shop.put("purchases/2026-01-05.csv", "sku,when,who,qty\np1,2026-01-05,u1,1\n")
    return shop


def test_loads_add_partitions_in_order(daily_shop: Shop) -> None:
    """A day that is delivered late comes before later ones, so that ranges have the days between their ends."""
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.materialize([raw_tables], resources=RESOURCES, instance=instance)
        assert get_reported_days(first) == {"2026-01-05": 2}
        daily_shop.put("events/2026-01-03.jsonl", EVENT)
        daily_shop.put("events/2026-01-06.jsonl", EVENT)
        second = dg.materialize([raw_tables], resources=RESOURCES, instance=instance)
        assert get_reported_days(second) == {"2026-01-03": 1, "2026-01-06": 1}
        assert list(instance.get_dynamic_partitions("landing_days")) == ["2026-01-03", "2026-01-05", "2026-01-06"]


def test_materialized_day_is_loaded_again(daily_shop: Shop) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        daily_shop.put("events/2026-01-06.jsonl", EVENT)
        dg.materialize([raw_tables], resources=RESOURCES, instance=instance)
        load_ids = dict(daily_shop.query("select path, load_id from raw.loaded_files"))
        dg.materialize([landing_days], resources=RESOURCES, instance=instance, partition_key="2026-01-05")
    new_load_ids = dict(daily_shop.query("select path, load_id from raw.loaded_files"))
    reloaded_paths = {path for path in load_ids if load_ids[path] != new_load_ids[path]}
    assert reloaded_paths == {"events/2026-01-05.jsonl", "purchases/2026-01-05.csv"}


def test_live_feeds_have_freshness_policy(daily_shop: Shop) -> None:
    """Archives have none. A wrong sources file breaks the load and not Dagster's definitions."""
    daily_shop.declare(events=EVENTS_JSONL | {"expected_every": "6h"}, purchases=PURCHASES_CSV)
    policy = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=6), fail_window=timedelta(hours=12))
    assert build_freshness_policy(daily_shop.settings, "events") == policy
    assert build_freshness_policy(daily_shop.settings, "purchases") is None
    daily_shop.settings.sources.write_text("feeds: none", encoding="utf-8")
    assert build_freshness_policy(daily_shop.settings, "events") is None
