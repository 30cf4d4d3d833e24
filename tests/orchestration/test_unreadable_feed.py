"""A run ends after the load when no line of a feed could be read."""

from datetime import UTC, datetime

import dagster as dg
import duckdb
import pytest

from models_ml.config import TrainConfig
from orchestration.assets.landing import build_landing_key
from orchestration.assets.raw import raw_tables
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from tests.three_feed_shop import EVENTS_JSONL, PURCHASES_CSV, Shop
from warehouse.errors import RecomartError

MESSAGE = "feed purchases: none of its 1 line could be read: purchases/a, line 2: 1 fields where the header has 4"


class StepListener(PipelineListener):
    """Records the steps that start."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def on_step(self, name: str) -> None:
        self.steps.append(name)


@pytest.fixture
def unreadable_shop(shop: Shop) -> Shop:
    shop.put("events/a", '{"user":"u1","item":"p1","type":"view","time":"2026-01-01"}\n')
    shop.put("purchases/a", "sku,when,who,qty\np1\n")
    return shop


def test_run_stops_before_the_build(unreadable_shop: Shop) -> None:
    listener = StepListener()
    with pytest.raises(RecomartError, match=MESSAGE):
        run_pipeline(unreadable_shop.settings, TrainConfig(), listener)
    assert listener.steps == ["load"]


def run_raw_tables(shop: Shop, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> str:
    """Run the asset of the raw tables, which fails; return its message."""
    for name, value in shop.settings.build_environment().items():
        monkeypatch.setenv(name, value)
    run = dg.materialize(
        [raw_tables], resources={"warehouse": WarehouseResource()}, instance=instance, raise_on_error=False
    )
    (failure,) = run.get_step_failure_events()
    return str(failure.event_specific_data)


def test_dagster_stops_before_the_build(unreadable_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The landing files are reported, and nothing is erased."""
    unreadable_shop.declare(events={**EVENTS_JSONL, "keep_days": 30}, purchases=PURCHASES_CSV)
    old_file = unreadable_shop.landing / "events" / "a"
    old_rows = old_file.read_text(encoding="utf-8")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    unreadable_shop.put("events/b", old_rows.replace("2026-01-01", today))
    unreadable_shop.settings.warehouse.mkdir(exist_ok=True)
    with dg.DagsterInstance.ephemeral() as instance:
        assert MESSAGE in run_raw_tables(unreadable_shop, monkeypatch, instance)
        with duckdb.connect(str(unreadable_shop.settings.database)) as connection:
            connection.execute("create schema staging")
            connection.execute(
                "create view staging.stg_shop__events as "
                "select * replace (event_at::timestamp as event_at) from raw.events"
            )
        assert MESSAGE in run_raw_tables(unreadable_shop, monkeypatch, instance)
        assert instance.get_latest_materialization_event(build_landing_key("events")) is not None
    assert old_file.read_text(encoding="utf-8") == old_rows
