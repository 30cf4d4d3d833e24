"""A run without anything new ends after the load; every change is a reason to run."""

import shutil
from collections.abc import Callable

import pytest

from models_ml.config import TrainConfig
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from orchestration.run_state import RunState, begin_run, complete_run, find_reasons_to_run
from orchestration.steps import publish_copy
from tests.table_changes import execute_statements
from warehouse.loading.loader import load
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import Settings


def test_run_without_changes_ends_after_load(demo_copy: Settings) -> None:
    # The copied files have new change times, which a load records.
    load(demo_copy)
    complete_run(demo_copy, RunState.model_validate_json(demo_copy.run_state_file.read_bytes()).run_id)
    live_copy = read_pointer(demo_copy)
    report = run_pipeline(demo_copy, TrainConfig(), PipelineListener())
    assert report.reasons == []
    assert report.load.rows_loaded == 0
    assert (report.marts, report.scoring, report.published) == (None, None, None)
    assert read_pointer(demo_copy) == live_copy


def put_served_log(settings: Settings, name: str) -> None:
    file = settings.landing_dir / "recommendation_log" / "served" / f"{name}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"recommendation_id": "a", "served_at": "2026-01-05T10:00:00Z", "product_ids": []}\n')


@pytest.mark.slow
def test_loaded_logs_are_no_reason_to_run(demo_copy: Settings) -> None:
    """A run loads the logs; the next delivery of the shop brings them into the tables."""
    load(demo_copy)
    complete_run(demo_copy, RunState.model_validate_json(demo_copy.run_state_file.read_bytes()).run_id)
    for name in ("a", "b"):
        put_served_log(demo_copy, name)
        report = run_pipeline(demo_copy, TrainConfig(), PipelineListener())
        assert (report.reasons, report.load.rows_loaded) == ([], 1)
    change_table(demo_copy)
    put_served_log(demo_copy, "c")
    assert run_pipeline(demo_copy, TrainConfig(), PipelineListener()).reasons == ["the tables were changed"]


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
def test_change_is_reason_to_run(demo_copy: Settings, change: Callable[[Settings], object], reasons: list[str]) -> None:
    change(demo_copy)
    assert find_reasons_to_run(demo_copy, TrainConfig()) == reasons


def test_changed_training_settings_are_reason(demo_copy: Settings) -> None:
    assert find_reasons_to_run(demo_copy, TrainConfig(seed=1)) == ["the policy or the training settings were changed"]


@pytest.mark.slow
def test_run_without_training_is_not_complete(demo_copy: Settings) -> None:
    """After a run that was not allowed to train, the next run decides anew whether to train."""
    change_policy(demo_copy)
    run_pipeline(demo_copy, TrainConfig(), PipelineListener(), is_training_requested=False)
    assert find_reasons_to_run(demo_copy, TrainConfig()) != []


def test_load_during_run_is_reason(demo_copy: Settings) -> None:
    """A load by another process after the build of a run is not lost, although the run completes later."""
    begin_run(demo_copy, TrainConfig(), "a run")
    load_repeated_file(demo_copy)
    complete_run(demo_copy, "a run")
    assert find_reasons_to_run(demo_copy, TrainConfig()) == ["files were loaded, or their declaration was changed"]


def test_run_does_not_complete_another(demo_copy: Settings) -> None:
    begin_run(demo_copy, TrainConfig(), "a run")
    begin_run(demo_copy, TrainConfig(), "a later run")
    complete_run(demo_copy, "a run")
    assert find_reasons_to_run(demo_copy, TrainConfig()) == ["the last run did not complete"]
