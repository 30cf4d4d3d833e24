"""Restore of a lost warehouse from its landing folder, and of its models from the dataset versions."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from orchestration.batch_scoring import score_customers
from orchestration.dbt_manifest import load_manifest
from orchestration.model_registry import list_model_runs
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from orchestration.steps import build_recommendations, publish_copy
from orchestration.training_run import train_model
from tests.crash_recovery import RUN_DEPENDENT_COLUMNS, count_differences, deliver, make_deliveries, read_logged_lists
from tests.e2e.pending_days_shop import COMPARED_SCHEMAS, SHOP_CONFIG, count_differences_between, read_serving_checksums
from warehouse.settings import Settings


@pytest.fixture(scope="module")
def lost_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A shop with new, late and changed files, several runs, and warm-started models."""
    folder = tmp_path_factory.mktemp("lost")
    settings = Settings(warehouse=folder / "shop", settle_seconds=0)
    days = make_deliveries(folder / "source", 5, SHOP_CONFIG)
    for deliveries in (days[:14], days[14:17], days[17:]):
        for delivery in deliveries:
            deliver(delivery, settings)
        run_pipeline(settings, TrainConfig(), PipelineListener())
    return settings


def restore_warehouse(lost_settings: Settings, warehouse: Path, *folders: str) -> Settings:
    """Create a warehouse with copies of some folders of the lost one; return its settings."""
    for folder in folders:
        shutil.copytree(lost_settings.warehouse / folder, warehouse / folder)
    return Settings(warehouse=warehouse, settle_seconds=0)


def find_model_output_tables(settings: Settings) -> set[str]:
    """Return the tables that dbt builds from the model's output, with their schemas."""
    manifest = load_manifest(settings)
    names = {name for name in manifest["sources"] if manifest["sources"][name]["schema"] == "ml"}
    queue = list(names)
    while queue:
        children = set(manifest["child_map"][queue.pop()]) - names
        names |= children
        queue += children
    nodes = (manifest["nodes"].get(name) for name in names)
    return {f"{node['schema']}.{node['alias']}" for node in nodes if node and node["resource_type"] == "model"}


@pytest.mark.slow
def test_restore_from_landing_folder(lost_settings: Settings, tmp_path: Path) -> None:
    """All tables equal the lost ones, except the tables that depend on the model."""
    restored_settings = restore_warehouse(lost_settings, tmp_path / "restored", "landing")
    run_pipeline(restored_settings, TrainConfig(), PipelineListener())
    model_tables = find_model_output_tables(restored_settings)
    differences = count_differences(
        lost_settings.database, restored_settings.database, COMPARED_SCHEMAS, RUN_DEPENDENT_COLUMNS
    )
    assert {table for table in differences if not table.startswith("ml.")} <= model_tables
    # The comparison covers most tables of the warehouse.
    assert not model_tables & {"marts.dim_product_history", "marts.ml_interactions", "marts.rec_user_timeline"}
    assert "marts.rec_top_n" in model_tables
    # The restored warehouse has logged a publication of its own.
    assert not Counter(read_logged_lists(lost_settings)) - Counter(read_logged_lists(restored_settings))
    (new,) = list_model_runs(restored_settings)
    assert new.dataset_hash == list_model_runs(lost_settings)[0].dataset_hash


@pytest.mark.slow
def test_restore_with_dataset_versions(lost_settings: Settings, tmp_path: Path) -> None:
    """The models equal the lost ones byte for byte."""
    restored_settings = restore_warehouse(lost_settings, tmp_path / "restored", "landing", "datasets")
    run_pipeline(restored_settings, TrainConfig(), PipelineListener(), is_training_requested=False)
    runs = sorted(list_model_runs(lost_settings), key=lambda run: run.run_number)
    assert runs[-1].warm_from is not None
    for run in runs:
        train_model(
            restored_settings, TrainConfig(), hash_prefix=run.dataset_hash[:12], is_warm_start=run.warm_from is not None
        )
        score_customers(restored_settings)
    build_recommendations(restored_settings)
    publish_copy(restored_settings)
    assert read_serving_checksums(restored_settings) == read_serving_checksums(lost_settings)
    assert count_differences_between(lost_settings, restored_settings) == {}
