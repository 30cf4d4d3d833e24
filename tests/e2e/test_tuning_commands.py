"""The commands tune, trade-offs and train: adopted settings, warm starts, and invalid settings."""

import json
import shutil
from pathlib import Path

import pytest

from models_ml.inference.recommender import Recommender
from orchestration.config_files import read_train_config
from tests.recomart_cli import RecomartCli
from warehouse.settings import Settings


@pytest.fixture(scope="module")
def tuning_settings(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A writable copy of the demo shop's warehouse."""
    folder = tmp_path_factory.mktemp("tuned") / "warehouse"
    shutil.copytree(demo_warehouse.warehouse, folder)
    return Settings(warehouse=folder)


@pytest.mark.slow
def test_tune_writes_and_adopts_settings(tuning_settings: Settings, recomart: RecomartCli) -> None:
    options = ("--warehouse", tuning_settings.warehouse)
    report = recomart.run_json("tune", "--seconds", 60, "--trials", 4, *options)
    folder = Path(report["folder"])
    second = recomart("tune", "--seconds", 60, "--trials", 4, *options)
    assert f"recomart train --config {folder / 'config.json'} --warehouse {tuning_settings.warehouse}" in second.stdout
    file_names = {"journal.log", "tuning.lock", "trials.csv", "trials.png", "config.json"}
    assert {file.name for file in folder.iterdir()} == file_names
    assert (len(report["trials"]), report["is_adopted"]) == (4, False)
    assert not tuning_settings.train_config_file.exists()
    assert report["ndcg"] >= report["initial_ndcg"] > 0

    adopting = recomart("tune", "--seconds", 60, "--trials", 5, "--adopt", *options)
    assert adopting.returncode == 0, adopting.stderr
    assert "every training of this warehouse now uses the best settings" in adopting.stdout
    assert len((folder / "trials.csv").read_text().splitlines()) == 1 + 5
    adopted = json.loads((folder / "config.json").read_text())
    assert read_train_config(tuning_settings).model_dump(mode="json", include=adopted.keys()) == adopted


@pytest.mark.slow
def test_trade_offs_of_demo_shop(tuning_settings: Settings, recomart: RecomartCli) -> None:
    """A weak damping costs little NDCG and reduces the concentration; a calibrated list has a smaller error."""
    options = ("--warehouse", tuning_settings.warehouse)
    report = recomart.run_json("trade-offs", *options)
    undamped, weak, *_ = report["trade_offs"]
    assert (report["k"], undamped["popularity_damping"], weak["popularity_damping"]) == (10, 0, 0.05)
    assert weak["ndcg_change"] > -0.02
    assert weak["top_ten_share"] < undamped["top_ten_share"]
    assert weak["coverage"] > undamped["coverage"]
    calibrated = [row["calibration_error"] for row in report["trade_offs"] if row["rerank_method"] == "calibrated"]
    assert calibrated == sorted(calibrated, reverse=True)
    printed = recomart("trade-offs", *options).stdout
    assert "Popularity damping, top 10, validation window" in printed
    assert "Re-ranking, top 10, validation window" in printed


@pytest.mark.slow
def test_warm_start_continues_serving_model(tuning_settings: Settings, recomart: RecomartCli) -> None:
    options = ("--warehouse", tuning_settings.warehouse)
    tuning_settings.train_config_file.unlink(missing_ok=True)
    (cold_id,) = (folder.name for folder in tuning_settings.models_dir.iterdir())
    report = recomart.run_json("train", "--warm-start", *options)
    cold, warm = (Recommender.load(tuning_settings.models_dir / run_id) for run_id in (cold_id, report["run_id"]))
    assert warm.card.warm_from == cold.card.run_id
    assert (warm.card.epochs, warm.card.trend_power) == (cold.card.epochs, cold.card.trend_power)
    assert (report["epochs"], warm.card.trained_epochs) == (2, 2)
    assert report["epochs_reason"] == f"the setting warm_epochs: a warm start from run {cold_id}"
    evaluation = recomart("evaluate", *options).stdout
    assert f"Ranking metrics of the published model {cold_id}, top 10" in evaluation
    assert f"The serving model is {report['run_id']}, which is not published yet. `recomart publish`" in evaluation
    # The warm start trains the same rows for a few more epochs: the lists are nearly the same.
    users = cold.users.ids.to_pylist()[:50]
    lists = [
        [{item.product_id for item in model.recommend(user_id=user).items} for user in users] for model in (cold, warm)
    ]
    shared_counts = [len(cold_list & warm_list) for cold_list, warm_list in zip(*lists, strict=True)]
    assert sum(shared_counts) / len(shared_counts) > 7


@pytest.mark.slow
def test_invalid_settings_are_named(tuning_settings: Settings, recomart: RecomartCli, tmp_path: Path) -> None:
    options = ("--warehouse", tuning_settings.warehouse)
    file = tmp_path / "config.json"
    file.write_text('{"factors": 0}')
    result = recomart("train", "--config", file, *options)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"{file}: factors: it must be at least 1" in result.stderr
    file.write_text('{"factor": 8}')
    assert "factor: unknown setting. Known: factors, " in recomart("tune", "--config", file, *options).stderr
    assert "cannot be read" in recomart("train", "--config", tmp_path / "none.json", *options).stderr
    file.write_text('{"factors": 8}')
    result = recomart("train", "--warm-start", "--config", file, *options)
    assert result.returncode == 1
    assert "(factors was 256, is 8). Train without --warm-start" in result.stderr
