"""Which model serves: new ones that pass the gates, old ones that are called back, and none that is worse."""

import gzip
import json
import shutil
from pathlib import Path

import duckdb
import pytest

from models_ml.config import TrainConfig
from models_ml.data.dataset_store import stored_versions
from orchestration.batch_scoring import score
from orchestration.config_files import policy
from orchestration.model_registry import is_waiting, model_runs, next_to_serve, serving_run
from orchestration.pipeline import PipelineListener, build_marts, run_pipeline
from orchestration.retraining import training_due
from orchestration.training_run import DATASETS_LOCK, train
from warehouse.database import reader, writer
from warehouse.errors import RecomartError, WarehouseBusyError
from warehouse.loading.loader import load
from warehouse.locks import alone
from warehouse.publishing.live_copy import current
from warehouse.settings import Settings

POOR = TrainConfig(factors=1, max_sweeps=1)


@pytest.fixture
def shop(demo_warehouse: Settings, tmp_path: Path) -> Settings:
    """A copy of the demo shop to change."""
    shutil.copytree(demo_warehouse.warehouse, tmp_path / "shop")
    return Settings(warehouse=tmp_path / "shop")


def candidates(settings: Settings) -> list[tuple[object, ...]]:
    with reader(settings) as connection:
        return connection.execute("from ml.candidates order by all").fetchall()


def serving(settings: Settings) -> str | None:
    run = serving_run(model_runs(settings))
    return run.run_id if run else None


def test_a_run_with_nothing_new_trains_nothing_and_publishes_the_same_lists(shop: Settings) -> None:
    before, lists = serving(shop), candidates(shop)
    report = run_pipeline(shop, TrainConfig(), PipelineListener())
    assert report.training is None
    assert report.scoring is not None
    assert (report.scoring.run_id, report.scoring.began_to_serve) == (before, False)
    assert candidates(shop) == lists
    assert current(shop).run_id == before


def test_a_worse_model_is_held_back_with_the_reasons_and_the_old_one_goes_on(shop: Settings) -> None:
    before, lists = serving(shop), candidates(shop)
    summary = train(shop, POOR)
    assert summary.held_back_because is not None
    assert "in the serving model's test window" in summary.held_back_because
    held_back = model_runs(shop)[0]
    assert (held_back.run_id, held_back.held_back_because) == (summary.run_id, summary.held_back_because)
    with reader(shop) as connection:
        gates = connection.execute("select gate, is_passed from ml.gate_results where run_id = ?", [summary.run_id])
        assert ("beside_serving_model", False) in gates.fetchall()
    scoring = score(shop)
    assert scoring is not None
    assert (scoring.run_id, scoring.began_to_serve) == (before, False)
    assert candidates(shop) == lists


def test_a_model_that_passed_serves_from_the_next_scoring_on_whenever_that_is(shop: Settings) -> None:
    before = serving(shop)
    passed = train(shop, TrainConfig(seed=1))
    assert passed.held_back_because is None
    # A process that is killed here leaves a model that waits.
    assert serving(shop) == before
    assert next_to_serve(model_runs(shop)) == model_runs(shop)[0]
    assert training_due(shop, TrainConfig()) is None
    scoring = score(shop)
    assert scoring is not None
    assert (scoring.run_id, scoring.began_to_serve) == (passed.run_id, True)
    assert serving(shop) == passed.run_id
    assert [run.promoted_at is not None for run in model_runs(shop)] == [True, True]


def test_any_model_can_be_called_back_and_stays_until_a_newer_one_passes(shop: Settings) -> None:
    before, lists = serving(shop), candidates(shop)
    assert before is not None
    poor = train(shop, POOR)
    for run, is_new in ((poor.run_id, True), (before, True), (before, False)):
        scoring = score(shop, run=run)
        assert scoring is not None
        assert (scoring.run_id, scoring.began_to_serve, serving(shop)) == (run, is_new, run)
    assert candidates(shop) == lists
    for prefix, message in (
        ("nothing", "no model has a run id"),
        ("2", "2 models have a run id that begins with '2'"),
        ("", "an empty run id names no model"),
    ):
        with pytest.raises(RecomartError, match=message):
            score(shop, run=prefix)


def test_a_model_that_waited_when_an_older_one_was_called_back_serves_no_more(shop: Settings) -> None:
    before = serving(shop)
    waiting = train(shop, TrainConfig(seed=1))
    newest = train(shop, TrainConfig(seed=2))
    assert (waiting.held_back_because, newest.held_back_because) == (None, None)
    for run in (None, before):
        assert score(shop, run=run) is not None
    assert serving(shop) == before
    scoring = score(shop)
    assert scoring is not None
    assert (scoring.run_id, serving(shop)) == (before, before)
    states = {run.run_id: is_waiting(run, serving_run(model_runs(shop))) for run in model_runs(shop)}
    assert not any(states.values())


def test_a_model_that_is_called_back_while_another_is_scoring_serves_with_candidates_of_its_own(shop: Settings) -> None:
    before = serving(shop)
    poor = train(shop, POOR)
    stages: list[str] = []

    def call_back(stage: str) -> None:
        stages.append(stage)
        if len(stages) == 1:
            score(shop, run=poor.run_id)

    scoring = score(shop, call_back)
    assert stages == [f"scoring with model {before}", f"scoring with model {poor.run_id}"]
    assert scoring is not None
    assert (scoring.run_id, scoring.began_to_serve, serving(shop)) == (poor.run_id, False, poor.run_id)
    assert {row[0] for row in candidates(shop)} == {poor.run_id}


def test_a_damaged_model_cannot_serve_and_does_not_stop_a_new_one(shop: Settings) -> None:
    (artifact,) = shop.models_dir.iterdir()
    (artifact / "card.json").write_text("{}")
    said: list[str] = []
    summary = train(shop, TrainConfig(), said.append)
    assert any("nothing to compare with" in message for message in said)
    assert summary.held_back_because is None
    assert {gate.gate for gate in summary.gates} == {
        "beside_popularity",
        "beside_recent_popularity",
        "beside_item_item",
    }


def test_a_damaged_model_is_made_anew_by_the_next_run(shop: Settings) -> None:
    (artifact,) = shop.models_dir.iterdir()
    (artifact / "card.json").write_text("{}")
    due = training_due(shop, TrainConfig())
    assert due is not None
    assert "card.json" in due.reason
    assert not due.warm
    report = run_pipeline(shop, TrainConfig(), PipelineListener())
    assert report.scoring is not None
    assert report.scoring.began_to_serve
    assert training_due(shop, TrainConfig()) is None


def test_a_training_that_ended_in_a_model_held_back_is_not_done_again_while_all_is_the_same(shop: Settings) -> None:
    before = serving(shop)
    assert training_due(shop, POOR) is not None
    poor = train(shop, POOR)
    assert poor.held_back_because is not None
    assert training_due(shop, POOR) is None
    with duckdb.connect(str(shop.database)) as connection:
        connection.execute("update ml.model_runs set dataset_hash = 'of other rows' where not is_serving")
    assert training_due(shop, POOR) is not None
    with duckdb.connect(str(shop.database)) as connection:
        connection.execute("update ml.model_runs set dataset_hash = ? where not is_serving", [poor.dataset_hash])
    assert training_due(shop, POOR) is None
    shop.policy.write_text("{}")
    assert training_due(shop, POOR) is not None
    shop.policy.unlink()
    score(shop, run=poor.run_id)
    score(shop, run=before)
    assert training_due(shop, POOR) is not None


def older(settings: Settings, days: int) -> None:
    """Make the serving model older than it is."""
    with writer(settings) as connection:
        connection.execute(f"update ml.model_runs set as_of = as_of - interval {days} day")


def test_the_policy_asks_for_a_model_by_its_age_and_by_what_is_new(shop: Settings) -> None:
    assert training_due(shop, TrainConfig()) is None
    shop.policy.write_text(json.dumps({"retrain": {"new_interactions": 1, "least_lift": 0}}))
    older(shop, 6)
    assert training_due(shop, TrainConfig()) is None
    older(shop, 1)
    due = training_due(shop, TrainConfig())
    assert due is not None
    assert (due.reason, due.warm) == ("the model is 7.0 days of data old (policy: 7)", False)
    shop.policy.write_text(json.dumps({"retrain": {"cold_after_days": 30}}))
    (version,) = stored_versions(shop.datasets_dir)
    file = shop.datasets_dir / version / "interactions.parquet"
    for spoil in (lambda: file.write_bytes(b"damaged"), file.unlink):
        spoil()
        due = training_due(shop, TrainConfig())
        assert due is not None
        assert due.warm
        assert "of all pairs are new or changed (policy: 1.0%)" in due.reason
    shop.policy.write_text(json.dumps({"retrain": {"is_automatic": False}}))
    assert training_due(shop, TrainConfig()) is None


def test_days_that_are_delivered_late_or_taken_back_ask_for_a_model(shop: Settings) -> None:
    first, *_ = sorted((shop.landing_dir / "clickstream").iterdir())
    taken_back = first.read_bytes()
    first.write_bytes(gzip.compress(b"") if first.suffix == ".gz" else b"")
    settled = shop.model_copy(update={"settle_seconds": 0})
    load(settled)
    build_marts(settled)
    due = training_due(shop, TrainConfig())
    assert due is not None
    assert "of all pairs are new or changed (policy: 1.0%)" in due.reason
    assert due.warm
    first.write_bytes(taken_back)
    load(settled)
    build_marts(settled)
    assert training_due(shop, TrainConfig()) is None


def test_other_settings_ask_for_a_model_that_starts_from_nothing(shop: Settings) -> None:
    due = training_due(shop, TrainConfig(factors=32))
    assert due is not None
    assert "factors 256 there, 32 now" in due.reason
    assert not due.warm
    assert training_due(shop, TrainConfig(cutoffs=(5, 10))) is None


def weigh(settings: Settings, action: str, weight: float) -> None:
    """Change what an action counts, as an analyst does."""
    with duckdb.connect(str(settings.database)) as connection:
        connection.execute("update seeds.event_weights set weight = ? where event_type = ?", [weight, action])


def test_other_weights_of_actions_ask_for_a_model_that_starts_from_nothing(shop: Settings) -> None:
    weigh(shop, "remove_from_cart", -1)
    assert training_due(shop, TrainConfig()) is None, "nobody in this shop does that"
    weigh(shop, "purchase", 5)
    with duckdb.connect(str(shop.database)) as connection:
        connection.execute("update ml.model_runs set dataset_hash = 'of other rows'")
        connection.execute("update ml.dataset_versions set dataset_hash = 'of other rows'")
    due = training_due(shop, TrainConfig())
    assert due is not None
    assert due.reason == "actions have other weights than when the model was trained: purchase, remove_from_cart"
    assert not due.warm


def test_without_a_model_the_policy_asks_for_one(shop: Settings) -> None:
    with duckdb.connect(str(shop.database)) as connection:
        connection.execute("delete from ml.model_runs")
    due = training_due(shop, TrainConfig())
    assert due is not None
    assert (due.reason, due.warm) == ("no model serves yet", False)


def test_a_policy_that_means_nothing_is_named(shop: Settings) -> None:
    shop.policy.write_text('{"gates": {"most_los": 1}}')
    with pytest.raises(RecomartError, match=r"policy.json: gates.most_los: .*; every setting: docs/operations.md"):
        policy(shop)


def test_lists_of_a_length_that_is_not_measured_are_said_before_anything_is_trained(shop: Settings) -> None:
    shop.policy.write_text('{"gates": {"cutoff": 15}}')
    stages: list[str] = []
    with pytest.raises(RecomartError, match=r"policy.json: gates.cutoff: .* lists of 15; .* \(5, 10, 20\)"):
        train(shop, TrainConfig(), stages.append)
    assert stages == []


def test_a_policy_that_cannot_be_judged_by_stops_a_run_before_it_begins_though_it_would_train_nothing(
    shop: Settings,
) -> None:
    shop.policy.write_text('{"gates": {"cutoff": 15}}')
    loaded = shop.database.stat().st_mtime_ns
    with pytest.raises(RecomartError, match=r"policy.json: gates.cutoff: "):
        run_pipeline(shop, TrainConfig(), PipelineListener())
    assert shop.database.stat().st_mtime_ns == loaded


def test_a_training_says_for_whom_it_waits_and_no_longer_than_the_settings_allow(
    shop: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        alone(shop.datasets_dir / DATASETS_LOCK, "writing of a dataset", patience=0),
        pytest.raises(WarehouseBusyError, match="is at another writing of a dataset; wait until"),
    ):
        train(shop.model_copy(update={"wait_seconds": 0.2}), POOR)
    assert "(waiting up to 0.2 s for it)" in caplog.text


def test_what_a_killed_training_left_goes_with_the_next_and_what_is_no_training_s_stays(shop: Settings) -> None:
    (kept,) = shop.models_dir.iterdir()
    registered, unregistered, of_another_warehouse = (shop.models_dir / name for name in (kept.name, "b", "c"))
    for folder in (unregistered, of_another_warehouse, shop.models_dir / ".a-x1", shop.datasets_dir / ".hash-x1"):
        folder.mkdir()
        (folder / "tensors.safetensors").touch()
    for name in (registered.name, unregistered.name):
        (shop.models_dir / f"{name}.unregistered").touch()
    (version,) = stored_versions(shop.datasets_dir)
    new = train(shop, POOR).run_id
    assert {path.name for path in shop.models_dir.iterdir()} == {registered.name, of_another_warehouse.name, new}
    assert {path.name for path in shop.datasets_dir.iterdir()} == {version, DATASETS_LOCK}
