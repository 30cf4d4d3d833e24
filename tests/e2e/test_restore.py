"""A warehouse that was lost is made again from its landing folder, and with the dataset versions so is its model."""

import shutil
from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from orchestration.batch_scoring import score_customers
from orchestration.dbt_manifest import load_manifest
from orchestration.model_registry import list_model_runs
from orchestration.pipeline import PipelineListener, build_recommendations, publish_copy, run_pipeline
from orchestration.training_run import train_model
from tests.crash_recovery import RUN_DEPENDENT_COLUMNS, deliver, find_differences, make_deliveries
from tests.e2e.pending_days_shop import COMPARED_SCHEMAS, SHOP_CONFIG, find_differences_between, read_serving_checksums
from warehouse.settings import Settings


@pytest.fixture(scope="module")
def lost_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A shop whose files came new, late and changed, with a run after every few days, and models from one another."""
    folder = tmp_path_factory.mktemp("lost")
    settings = Settings(warehouse=folder / "shop", settle_seconds=0)
    days = make_deliveries(folder / "source", 5, SHOP_CONFIG)
    for some in (days[:14], days[14:17], days[17:]):
        for delivery in some:
            deliver(delivery, settings)
        run_pipeline(settings, TrainConfig(), PipelineListener())
    return settings


def restore_warehouse(lost_settings: Settings, warehouse: Path, *folders: str) -> Settings:
    """A warehouse that has these folders of the lost one and nothing else."""
    for folder in folders:
        shutil.copytree(lost_settings.warehouse / folder, warehouse / folder)
    return Settings(warehouse=warehouse, settle_seconds=0)


def find_model_output_tables(settings: Settings) -> set[str]:
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
def test_restore_from_landing_folder(lost_settings: Settings, tmp_path: Path) -> None:
    """All tables equal the lost ones, except those that depend on the model."""
    again = restore_warehouse(lost_settings, tmp_path / "again", "landing")
    run_pipeline(again, TrainConfig(), PipelineListener())
    made_from_it = find_model_output_tables(again)
    found = find_differences(lost_settings.database, again.database, COMPARED_SCHEMAS, RUN_DEPENDENT_COLUMNS)
    assert {table for table in found if not table.startswith("ml.")} <= made_from_it
    # What is compared is most of the house.
    assert not made_from_it & {"marts.dim_product_history", "marts.ml_interactions", "marts.rec_user_timeline"}
    assert "marts.rec_top_n" in made_from_it
    (new,) = list_model_runs(again)
    assert new.dataset_hash == list_model_runs(lost_settings)[0].dataset_hash


@pytest.mark.slow
def test_restore_with_dataset_versions(
    lost_settings: Settings, tmp_path: Path
) -> None:
    """The models equal the lost ones byte for byte."""
    again = restore_warehouse(lost_settings, tmp_path / "again", "landing", "datasets")
    run_pipeline(again, TrainConfig(), PipelineListener(), is_training_requested=False)
    runs = sorted(list_model_runs(lost_settings), key=lambda run: run.trained_at)
    assert runs[-1].warm_from is not None
    for run in runs:
        train_model(again, TrainConfig(), dataset=run.dataset_hash[:12], is_warm_start=run.warm_from is not None)
        score_customers(again)
    build_recommendations(again)
    publish_copy(again)
    assert read_serving_checksums(again) == read_serving_checksums(lost_settings)
    assert find_differences_between(lost_settings, again) == {}
