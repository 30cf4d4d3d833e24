"""Promotion and retraining: which model serves, and when a training is due."""

import gzip
import json
import shutil
from pathlib import Path

import duckdb
import pytest

from models_ml.config import TrainConfig
from models_ml.data.dataset_store import iter_dataset_hashes
from orchestration.batch_scoring import score_customers
from orchestration.config_files import read_policy
from orchestration.model_registry import find_next_serving_run, find_serving_run, is_waiting_to_serve, list_model_runs
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from orchestration.retraining import find_due_training
from orchestration.steps import build_marts
from orchestration.training_run import DATASETS_LOCK, TrainingSummary, train_model
from warehouse.database import open_reader, open_writer
from warehouse.errors import RecomartError, WarehouseBusyError
from warehouse.loading.loader import load
from warehouse.locks import exclusive_lock
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import Settings

POOR_CONFIG = TrainConfig(factors=1, max_epochs=1, graph_weights=())


@pytest.fixture(scope="module")
def poorly_trained_shop(
    demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, TrainingSummary]:
    """A copy of the demo shop with a poor model besides the serving one, to be copied, and the training's summary."""
    settings = Settings(warehouse=tmp_path_factory.mktemp("poorly_trained") / "warehouse", settle_seconds=0)
    shutil.copytree(demo_warehouse.warehouse, settings.warehouse, ignore=shutil.ignore_patterns("logs"))
    return settings, train_model(settings, POOR_CONFIG)


@pytest.fixture
def poor_summary(poorly_trained_shop: tuple[Settings, TrainingSummary]) -> TrainingSummary:
    """The summary of the training of the poor model."""
    return poorly_trained_shop[1]


@pytest.fixture
def poor_copy(poorly_trained_shop: tuple[Settings, TrainingSummary], tmp_path: Path) -> Settings:
    """A writable copy of the shop with a poor model."""
    settings = Settings(warehouse=tmp_path / "warehouse", settle_seconds=0)
    shutil.copytree(poorly_trained_shop[0].warehouse, settings.warehouse)
    return settings


def read_candidates(settings: Settings) -> list[tuple[object, ...]]:
    with open_reader(settings) as connection:
        return connection.execute("from ml.candidates order by all").fetchall()


def get_serving_run_id(settings: Settings) -> str | None:
    run = find_serving_run(list_model_runs(settings))
    return run.run_id if run else None


@pytest.mark.slow
def test_run_without_new_data_trains_nothing(demo_copy: Settings) -> None:
    serving_run_id, candidates = get_serving_run_id(demo_copy), read_candidates(demo_copy)
    report = run_pipeline(demo_copy, TrainConfig(), PipelineListener(), is_forced=True)
    assert report.training is None
    assert report.scoring is not None
    assert (report.scoring.run_id, report.scoring.is_newly_serving) == (serving_run_id, False)
    assert read_candidates(demo_copy) == candidates
    assert read_pointer(demo_copy).run_id == serving_run_id


def test_worse_model_is_rejected(demo_warehouse: Settings, poor_copy: Settings, poor_summary: TrainingSummary) -> None:
    serving_run_id, candidates = get_serving_run_id(demo_warehouse), read_candidates(demo_warehouse)
    assert poor_summary.rejection_reason is not None
    assert "in the serving model's test window" in poor_summary.rejection_reason
    rejected_run = list_model_runs(poor_copy)[0]
    assert (rejected_run.run_id, rejected_run.rejection_reason) == (poor_summary.run_id, poor_summary.rejection_reason)
    with open_reader(poor_copy) as connection:
        gates = connection.execute(
            "select gate, is_passed from ml.gate_results where run_id = ?", [poor_summary.run_id]
        )
        assert ("versus_serving_model", False) in gates.fetchall()
    scoring = score_customers(poor_copy)
    assert scoring is not None
    assert (scoring.run_id, scoring.is_newly_serving) == (serving_run_id, False)
    assert read_candidates(poor_copy) == candidates


def test_passed_model_serves_from_next_scoring(demo_copy: Settings) -> None:
    serving_run_id = get_serving_run_id(demo_copy)
    passed = train_model(demo_copy, TrainConfig(seed=1))
    assert passed.rejection_reason is None
    # The model waits until the next scoring, even if the process is killed here.
    assert get_serving_run_id(demo_copy) == serving_run_id
    assert find_next_serving_run(list_model_runs(demo_copy)) == list_model_runs(demo_copy)[0]
    assert find_due_training(demo_copy, TrainConfig()) is None
    scoring = score_customers(demo_copy)
    assert scoring is not None
    assert (scoring.run_id, scoring.is_newly_serving) == (passed.run_id, True)
    assert get_serving_run_id(demo_copy) == passed.run_id
    assert [run.promoted_at is not None for run in list_model_runs(demo_copy)] == [True, True]


def test_score_customers_promotes_any_run(poor_copy: Settings, poor_summary: TrainingSummary) -> None:
    serving_run_id, candidates = get_serving_run_id(poor_copy), read_candidates(poor_copy)
    assert serving_run_id is not None
    for run, is_new in ((poor_summary.run_id, True), (serving_run_id, True), (serving_run_id, False)):
        scoring = score_customers(poor_copy, run_id_prefix=run)
        assert scoring is not None
        assert (scoring.run_id, scoring.is_newly_serving, get_serving_run_id(poor_copy)) == (run, is_new, run)
    assert read_candidates(poor_copy) == candidates
    for prefix, message in (
        ("nothing", "no model has a run id"),
        ("2", "2 models have a run id that begins with '2'"),
        ("", "an empty run id names no model"),
    ):
        with pytest.raises(RecomartError, match=message):
            score_customers(poor_copy, run_id_prefix=prefix)


def test_promotion_rejects_waiting_models(demo_copy: Settings) -> None:
    serving_run_id = get_serving_run_id(demo_copy)
    waiting = train_model(demo_copy, TrainConfig(seed=1))
    newest = train_model(demo_copy, TrainConfig(seed=2))
    assert (waiting.rejection_reason, newest.rejection_reason) == (None, None)
    for run in (None, serving_run_id):
        assert score_customers(demo_copy, run_id_prefix=run) is not None
    assert get_serving_run_id(demo_copy) == serving_run_id
    scoring = score_customers(demo_copy)
    assert scoring is not None
    assert (scoring.run_id, get_serving_run_id(demo_copy)) == (serving_run_id, serving_run_id)
    states = {
        run.run_id: is_waiting_to_serve(run, find_serving_run(list_model_runs(demo_copy)))
        for run in list_model_runs(demo_copy)
    }
    assert not any(states.values())


@pytest.mark.slow
def test_clock_ahead_does_not_delay_later_models(demo_copy: Settings) -> None:
    """A model that was trained and promoted with the clock a year ahead is older than the next model."""
    with open_writer(demo_copy) as connection:
        connection.execute(
            "update ml.model_runs "
            "set trained_at = trained_at + interval 1 year, promoted_at = promoted_at + interval 1 year"
        )
    next_model = train_model(demo_copy, TrainConfig(seed=1))
    assert next_model.rejection_reason is None
    scoring = score_customers(demo_copy)
    assert scoring is not None
    assert (scoring.run_id, get_serving_run_id(demo_copy)) == (next_model.run_id, next_model.run_id)
    assert list_model_runs(demo_copy)[0].run_id == next_model.run_id


def test_earlier_warehouse_gets_run_numbers(demo_copy: Settings) -> None:
    """The numbers follow the times of trainings and promotions."""
    with duckdb.connect(str(demo_copy.database)) as connection:
        for column in ("run_number", "promotion_number", "gate_policy"):
            connection.execute(f"alter table ml.model_runs drop column {column}")
        connection.execute(
            "insert into ml.model_runs by name "
            "select * replace ('earlier' as run_id, trained_at - interval 1 day as trained_at, "
            "promoted_at - interval 1 hour as promoted_at, false as is_serving) from ml.model_runs"
        )
    numbers = [(run.run_id == "earlier", run.run_number, run.promotion_number) for run in list_model_runs(demo_copy)]
    assert [(is_earlier, run_number) for is_earlier, run_number, _ in numbers][1] == (True, 1)
    assert sorted(number for _, *pair in numbers for number in pair if number) == [1, 2, 3, 4]
    assert numbers[0][2] == 4


@pytest.mark.slow
def test_scoring_restarts_after_promotion(demo_copy: Settings) -> None:
    """A scoring starts again when another model is promoted while it runs."""
    serving_run_id = get_serving_run_id(demo_copy)
    poor = train_model(demo_copy, POOR_CONFIG)
    stages: list[str] = []

    def promote_poor_model(stage: str) -> None:
        stages.append(stage)
        if len(stages) == 1:
            score_customers(demo_copy, run_id_prefix=poor.run_id)

    scoring = score_customers(demo_copy, promote_poor_model)
    assert stages == [f"scoring with model {serving_run_id}", f"scoring with model {poor.run_id}"]
    assert scoring is not None
    assert (scoring.run_id, scoring.is_newly_serving, get_serving_run_id(demo_copy)) == (
        poor.run_id,
        False,
        poor.run_id,
    )
    assert {row[0] for row in read_candidates(demo_copy)} == {poor.run_id}


def test_damaged_serving_model_allows_training(demo_copy: Settings) -> None:
    (artifact,) = demo_copy.models_dir.iterdir()
    (artifact / "card.json").write_text("{}")
    messages: list[str] = []
    summary = train_model(demo_copy, TrainConfig(), messages.append)
    assert any("the serving model cannot be compared" in message for message in messages)
    assert summary.rejection_reason is None
    assert {gate.gate for gate in summary.gates} == {
        "versus_popularity",
        "versus_recent_popularity",
        "versus_item_item",
        "versus_user_item_graph",
        "versus_ease",
    }


@pytest.mark.slow
def test_next_run_replaces_damaged_model(demo_copy: Settings) -> None:
    (artifact,) = demo_copy.models_dir.iterdir()
    (artifact / "card.json").write_text("{}")
    due = find_due_training(demo_copy, TrainConfig())
    assert due is not None
    assert "card.json" in due.reason
    assert not due.is_warm_start
    report = run_pipeline(demo_copy, TrainConfig(), PipelineListener())
    assert report.scoring is not None
    assert report.scoring.is_newly_serving
    assert find_due_training(demo_copy, TrainConfig()) is None


def test_training_due_in_new_repeat_shop(demo_copy: Settings) -> None:
    with duckdb.connect(str(demo_copy.database)) as connection:
        connection.execute(
            "create table marts.changed as "
            "select * replace (case when has_purchased then 0.5 end as repeat_score) from marts.ml_interactions"
        )
        connection.execute("drop view marts.ml_interactions")
        connection.execute("alter table marts.changed rename to ml_interactions")
    due = find_due_training(demo_copy, TrainConfig())
    assert due is not None
    assert due.reason == "purchased products are recommended again since the model was trained"
    assert not due.is_warm_start


def test_rejected_training_is_not_repeated(
    demo_warehouse: Settings, poor_copy: Settings, poor_summary: TrainingSummary
) -> None:
    """A training is due again when its rows, the policy file or the serving model change."""
    serving_run_id = get_serving_run_id(poor_copy)
    assert find_due_training(demo_warehouse, POOR_CONFIG) is not None
    assert poor_summary.rejection_reason is not None
    assert find_due_training(poor_copy, POOR_CONFIG) is None
    with duckdb.connect(str(poor_copy.database)) as connection:
        connection.execute("update ml.model_runs set dataset_hash = 'of other rows' where not is_serving")
    assert find_due_training(poor_copy, POOR_CONFIG) is not None
    with duckdb.connect(str(poor_copy.database)) as connection:
        connection.execute(
            "update ml.model_runs set dataset_hash = ? where not is_serving", [poor_summary.dataset_hash]
        )
    assert find_due_training(poor_copy, POOR_CONFIG) is None
    poor_copy.policy_file.write_text('{"gates": {"min_coverage": 0.1}}')
    assert find_due_training(poor_copy, POOR_CONFIG) is not None
    poor_copy.policy_file.unlink()
    score_customers(poor_copy, run_id_prefix=poor_summary.run_id)
    score_customers(poor_copy, run_id_prefix=serving_run_id)
    assert find_due_training(poor_copy, POOR_CONFIG) is not None


def age_serving_model(settings: Settings, days: int) -> None:
    """Move the end of the models' training data back."""
    with open_writer(settings) as connection:
        connection.execute(f"update ml.model_runs set as_of = as_of - interval {days} day")


def test_age_or_changed_pairs_make_training_due(demo_copy: Settings) -> None:
    assert find_due_training(demo_copy, TrainConfig()) is None
    demo_copy.policy_file.write_text(json.dumps({"retrain": {"max_changed_share": 1, "min_lift": 0}}))
    age_serving_model(demo_copy, 6)
    assert find_due_training(demo_copy, TrainConfig()) is None
    age_serving_model(demo_copy, 1)
    due = find_due_training(demo_copy, TrainConfig())
    assert due is not None
    assert (due.reason, due.is_warm_start) == ("the data are 7.0 days newer than the model (policy: 7)", False)
    demo_copy.policy_file.write_text(json.dumps({"retrain": {"max_warm_start_days": 30}}))
    (version,) = iter_dataset_hashes(demo_copy.datasets_dir)
    file = demo_copy.datasets_dir / version / "interactions.parquet"
    for damage_file in (lambda: file.write_bytes(b"damaged"), file.unlink):
        damage_file()
        due = find_due_training(demo_copy, TrainConfig())
        assert due is not None
        assert due.is_warm_start
        assert "of all pairs are new or changed (policy: 1.0%)" in due.reason
    demo_copy.policy_file.write_text(json.dumps({"retrain": {"is_automatic": False}}))
    assert find_due_training(demo_copy, TrainConfig()) is None


@pytest.mark.slow
def test_late_or_removed_rows_make_training_due(demo_copy: Settings) -> None:
    first, *_ = sorted((demo_copy.landing_dir / "clickstream").iterdir())
    content = first.read_bytes()
    first.write_bytes(gzip.compress(b"") if first.suffix == ".gz" else b"")
    settings = demo_copy.model_copy(update={"settle_seconds": 0})
    load(settings)
    build_marts(settings)
    due = find_due_training(demo_copy, TrainConfig())
    assert due is not None
    assert "of all pairs are new or changed (policy: 1.0%)" in due.reason
    assert due.is_warm_start
    first.write_bytes(content)
    load(settings)
    build_marts(settings)
    assert find_due_training(demo_copy, TrainConfig()) is None


def test_changed_settings_need_cold_start(demo_copy: Settings) -> None:
    due = find_due_training(demo_copy, TrainConfig(factors=32))
    assert due is not None
    assert "factors was 256, is 32" in due.reason
    assert not due.is_warm_start
    assert find_due_training(demo_copy, TrainConfig(k_values=(5, 10))) is None


def set_event_weight(settings: Settings, event_type: str, weight: float) -> None:
    """Change the weight of an event type, as an analyst does in the seed."""
    with duckdb.connect(str(settings.database)) as connection:
        connection.execute("update seeds.event_weights set weight = ? where event_type = ?", [weight, event_type])


def test_changed_event_weights_need_cold_start(demo_copy: Settings) -> None:
    set_event_weight(demo_copy, "remove_from_cart", -1)
    assert find_due_training(demo_copy, TrainConfig()) is None, "the shop has no such events"
    set_event_weight(demo_copy, "purchase", 5)
    with duckdb.connect(str(demo_copy.database)) as connection:
        connection.execute("update ml.model_runs set dataset_hash = 'of other rows'")
        connection.execute("update ml.dataset_versions set dataset_hash = 'of other rows'")
    due = find_due_training(demo_copy, TrainConfig())
    assert due is not None
    assert due.reason == "event weights have changed since the model was trained: purchase, remove_from_cart"
    assert not due.is_warm_start


def test_training_is_due_without_model(demo_copy: Settings) -> None:
    with duckdb.connect(str(demo_copy.database)) as connection:
        connection.execute("delete from ml.model_runs")
    due = find_due_training(demo_copy, TrainConfig())
    assert due is not None
    assert (due.reason, due.is_warm_start) == ("no model serves yet", False)


def test_read_policy_names_unknown_setting(demo_copy: Settings) -> None:
    demo_copy.policy_file.write_text('{"gates": {"max_los": 1}}')
    with pytest.raises(
        RecomartError, match=r"policy.json: gates.max_los: .* docs/operations/retraining.md describes every setting"
    ):
        read_policy(demo_copy)


def test_unmeasured_k_fails_before_training(demo_copy: Settings) -> None:
    demo_copy.policy_file.write_text('{"gates": {"k": 15}}')
    stages: list[str] = []
    with pytest.raises(RecomartError, match=r"policy.json: gates.k: .* lists of 15\. .* \(5, 10, 20\)"):
        train_model(demo_copy, TrainConfig(), stages.append)
    assert stages == []


def test_unmeasured_k_fails_before_loading(demo_copy: Settings) -> None:
    """The run checks the policy first, even when it would train nothing."""
    demo_copy.policy_file.write_text('{"gates": {"k": 15}}')
    modified_ns = demo_copy.database.stat().st_mtime_ns
    with pytest.raises(RecomartError, match=r"policy.json: gates.k: "):
        run_pipeline(demo_copy, TrainConfig(), PipelineListener())
    assert demo_copy.database.stat().st_mtime_ns == modified_ns


def test_training_waits_for_datasets_lock(demo_copy: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """The wait ends after the settings' `wait_seconds`."""
    with (
        exclusive_lock(demo_copy.datasets_dir / DATASETS_LOCK, "writing of a dataset", timeout_seconds=0),
        pytest.raises(WarehouseBusyError, match=r"runs another writing of a dataset\. Wait until"),
    ):
        train_model(demo_copy.model_copy(update={"wait_seconds": 0.2}), POOR_CONFIG)
    assert "(waiting up to 0.2 s for it)" in caplog.text


def test_training_deletes_unregistered_models(demo_copy: Settings) -> None:
    """Folders of other warehouses stay."""
    (registered,) = demo_copy.models_dir.iterdir()
    unregistered, foreign = (demo_copy.models_dir / name for name in ("b", "c"))
    for folder in (
        unregistered,
        foreign,
        demo_copy.models_dir / ".a-x1",
        demo_copy.datasets_dir / ".hash-x1",
    ):
        folder.mkdir()
        (folder / "tensors.safetensors").touch()
    for name in (registered.name, unregistered.name):
        (demo_copy.models_dir / f"{name}.unregistered").touch()
    (version,) = iter_dataset_hashes(demo_copy.datasets_dir)
    new = train_model(demo_copy, POOR_CONFIG).run_id
    assert {path.name for path in demo_copy.models_dir.iterdir()} == {
        registered.name,
        foreign.name,
        new,
    }
    assert {path.name for path in demo_copy.datasets_dir.iterdir()} == {version, DATASETS_LOCK}
