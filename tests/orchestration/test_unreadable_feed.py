"""A run ends after the load when no line of a feed could be read."""

import dagster as dg
import pytest

from models_ml.config import TrainConfig
from orchestration.assets.raw import raw_tables
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from tests.three_feed_shop import Shop
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


def test_dagster_stops_before_the_build(unreadable_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in unreadable_shop.settings.build_environment().items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize(
            [raw_tables], resources={"warehouse": WarehouseResource()}, instance=instance, raise_on_error=False
        )
        assert not run.success
        (failure,) = run.get_step_failure_events()
        assert MESSAGE in str(failure.event_specific_data)
