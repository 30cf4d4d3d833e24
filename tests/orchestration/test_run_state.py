"""A run without anything new ends after the load; every change is a reason to run."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from orchestration.run_state import begin_run, complete_run, find_reasons_to_run
from orchestration.steps import publish_copy
from tests.table_changes import execute_statements
from warehouse.loading.loader import load
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import Settings


@pytest.fixture
def finished_settings(demo_warehouse: Settings, tmp_path: Path) -> Settings:
    """A writable copy of the demo shop after a complete run."""
    settings = Settings(warehouse=tmp_path / "shop", settle_seconds=0)
    shutil.copytree(demo_warehouse.warehouse, settings.warehouse)
    return settings


def test_run_without_changes_ends_after_load(finished_settings: Settings) -> None:
    live_copy = read_pointer(finished_settings)
    report = run_pipeline(finished_settings, TrainConfig(), PipelineListener())
    assert report.reasons == []
    assert report.load.rows_loaded == 0
    assert (report.marts, report.scoring, report.published) == (None, None, None)
    assert read_pointer(finished_settings) == live_copy


def load_repeated_file(settings: Settings) -> None:
    newest_file = max((settings.landing_dir / "clickstream").glob("*.jsonl*"))
    shutil.copyfile(newest_file, newest_file.with_name(f"again-{newest_file.name}"))
    load(settings)


def change_table(settings: Settings) -> None:
    execute_statements(settings, "delete from marts.rec_top_n where rank = 1")


def change_policy(settings: Settings) -> None:
    settings.policy_file.write_text('{"retrain": {"max_age_days": 3}}', encoding="utf-8")


def damage_model(settings: Settings) -> None:
    next(settings.models_dir.glob("*/*.safetensors")).write_bytes(b"damaged")


def delete_run_state(settings: Settings) -> None:
    settings.run_state_file.unlink()


def delete_live_copy(settings: Settings) -> None:
    (settings.serving_dir / read_pointer(settings).file).unlink()


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (load_repeated_file, ["files were loaded, or their declaration was changed", "the tables were changed"]),
        (change_table, ["the tables were changed"]),
        (change_policy, ["the policy or the training settings were changed"]),
        (damage_model, ["the files of a model were changed"]),
        (publish_copy, ["another copy is live"]),
        (delete_live_copy, ["another copy is live"]),
        (delete_run_state, ["there was no complete run"]),
    ],
)
def test_change_is_reason_to_run(
    finished_settings: Settings, change: Callable[[Settings], object], reasons: list[str]
) -> None:
    change(finished_settings)
    assert find_reasons_to_run(finished_settings, TrainConfig()) == reasons


def test_changed_training_settings_are_reason(finished_settings: Settings) -> None:
    assert find_reasons_to_run(finished_settings, TrainConfig(seed=1)) == [
        "the policy or the training settings were changed"
    ]


def test_run_without_training_is_not_complete(finished_settings: Settings) -> None:
    """After a run that was not allowed to train, the next run decides anew whether to train."""
    change_policy(finished_settings)
    run_pipeline(finished_settings, TrainConfig(), PipelineListener(), is_training_requested=False)
    assert find_reasons_to_run(finished_settings, TrainConfig()) != []


def test_load_during_run_is_reason(finished_settings: Settings) -> None:
    """A load by another process after the build of a run is not lost, although the run completes later."""
    begin_run(finished_settings, TrainConfig(), "a run")
    load_repeated_file(finished_settings)
    complete_run(finished_settings, "a run")
    assert find_reasons_to_run(finished_settings, TrainConfig()) == [
        "files were loaded, or their declaration was changed"
    ]


def test_run_does_not_complete_another(finished_settings: Settings) -> None:
    begin_run(finished_settings, TrainConfig(), "a run")
    begin_run(finished_settings, TrainConfig(), "a later run")
    complete_run(finished_settings, "a run")
    assert find_reasons_to_run(finished_settings, TrainConfig()) == ["the last run did not complete"]
