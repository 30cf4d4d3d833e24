"""A warehouse that was lost is made again from its landing folder, and with the dataset versions so is its model."""

import shutil
from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from orchestration.batch_scoring import score
from orchestration.dbt_manifest import load_manifest
from orchestration.model_registry import model_runs
from orchestration.pipeline import PipelineListener, build_recommendations, publish_copy, run_pipeline
from orchestration.training_run import train
from tests.e2e.two_days_later import COMPARED, SHOP, serving_model, what_differs
from tests.kills import TOLD_BY_THE_RUN, deliver, deliveries, differences
from warehouse.settings import Settings


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A shop whose files came new, late and changed, with a run after every few days, and models from one another."""
    folder = tmp_path_factory.mktemp("lost")
    settings = Settings(warehouse=folder / "shop", settle_seconds=0)
    days = deliveries(folder / "source", 5, SHOP)
    for some in (days[:14], days[14:17], days[17:]):
        for delivery in some:
            deliver(delivery, settings)
        run_pipeline(settings, TrainConfig(), PipelineListener())
    return settings


def restored(lost: Settings, warehouse: Path, *folders: str) -> Settings:
    """A warehouse that has these folders of the lost one and nothing else."""
    for folder in folders:
        shutil.copytree(lost.warehouse / folder, warehouse / folder)
    return Settings(warehouse=warehouse, settle_seconds=0)


def made_from_the_model(settings: Settings) -> set[str]:
    """Tables that dbt makes from what the model wrote, with their schemas."""
    manifest = load_manifest(settings)
    found = {name for name in manifest["sources"] if manifest["sources"][name]["schema"] == "ml"}
    waiting = list(found)
    while waiting:
        more = set(manifest["child_map"][waiting.pop()]) - found
        found |= more
        waiting += more
    nodes = (manifest["nodes"].get(name) for name in found)
    return {f"{node['schema']}.{node['alias']}" for node in nodes if node and node["resource_type"] == "model"}


@pytest.mark.slow
def test_from_landing_alone_every_table_but_the_model_s_is_as_it_was(lost: Settings, tmp_path: Path) -> None:
    again = restored(lost, tmp_path / "again", "landing")
    run_pipeline(again, TrainConfig(), PipelineListener())
    made_from_it = made_from_the_model(again)
    found = differences(lost.database, again.database, COMPARED, TOLD_BY_THE_RUN)
    assert {table for table in found if not table.startswith("ml.")} <= made_from_it
    # What is compared is most of the house.
    assert not made_from_it & {"marts.dim_product_history", "marts.ml_interactions", "marts.rec_user_timeline"}
    assert "marts.rec_top_n" in made_from_it
    (new,) = model_runs(again)
    assert new.dataset_hash == model_runs(lost)[0].dataset_hash


@pytest.mark.slow
def test_with_the_dataset_versions_the_models_are_as_they_were_bit_for_bit(lost: Settings, tmp_path: Path) -> None:
    again = restored(lost, tmp_path / "again", "landing", "datasets")
    run_pipeline(again, TrainConfig(), PipelineListener(), train_anew=False)
    runs = sorted(model_runs(lost), key=lambda run: run.trained_at)
    assert runs[-1].warm_from is not None
    for run in runs:
        train(again, TrainConfig(), dataset=run.dataset_hash[:12], warm=run.warm_from is not None)
        score(again)
    build_recommendations(again)
    publish_copy(again)
    assert serving_model(again) == serving_model(lost)
    assert what_differs(lost, again) == {}
