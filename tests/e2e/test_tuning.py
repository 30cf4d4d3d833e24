"""Searching for settings, training by them, and going on from the serving model: the commands as a user types them."""

import json
import shutil
from pathlib import Path

import pytest

from models_ml.inference.recommender import Recommender
from orchestration.config_files import read_train_config
from tests.e2e.conftest import RecomartCli
from warehouse.settings import Settings


@pytest.fixture(scope="module")
def tuning_settings(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the demo shop's warehouse, to be written to."""
    copied = tmp_path_factory.mktemp("tuned") / "warehouse"
    shutil.copytree(demo_warehouse.warehouse, copied)
    return Settings(warehouse=copied)


def test_a_search_is_kept_and_what_it_found_is_trained_by_when_adopted(
    tuning_settings: Settings, recomart: RecomartCli
) -> None:
    where = ("--warehouse", tuning_settings.warehouse)
    found = recomart.run_json("tune", "--seconds", 60, "--trials", 4, *where)
    folder = Path(found["folder"])
    again = recomart("tune", "--seconds", 60, "--trials", 4, *where)
    assert f"recomart train --config {folder / 'config.json'} --warehouse {tuning_settings.warehouse}" in again.stdout
    assert {file.name for file in folder.iterdir()} == {"journal.log", "trials.csv", "trials.png", "config.json"}
    assert (len(found["trials"]), found["is_adopted"], tuning_settings.train_config_file.exists()) == (4, False, False)
    assert found["ndcg"] >= found["default_ndcg"] > 0

    printed = recomart("tune", "--seconds", 60, "--trials", 5, "--adopt", *where)
    assert printed.returncode == 0, printed.stderr
    assert "now uses the best settings" in printed.stdout
    assert len((folder / "trials.csv").read_text().splitlines()) == 1 + 5
    adopted = json.loads((folder / "config.json").read_text())
    assert read_train_config(tuning_settings).model_dump(mode="json", include=adopted.keys()) == adopted


def test_a_warm_training_goes_on_from_the_serving_model(tuning_settings: Settings, recomart: RecomartCli) -> None:
    where = ("--warehouse", tuning_settings.warehouse)
    tuning_settings.train_config_file.unlink(missing_ok=True)
    (cold,) = (folder.name for folder in tuning_settings.models_dir.iterdir())
    warm = recomart.run_json("train", "--warm-start", *where)
    first, then = (Recommender.load(tuning_settings.models_dir / run_id) for run_id in (cold, warm["run_id"]))
    assert then.card.warm_from == first.card.run_id
    assert (then.card.epochs, then.card.trend_power) == (first.card.epochs, first.card.trend_power)
    assert warm["epochs_reason"] == f"taken from run {cold} (warm start)"
    # The same rows a little further trained: nearly the same lists.
    users = first.users.ids.to_pylist()[:50]
    lists = [
        [{item.product_id for item in model.recommend(user_id=user).items} for user in users] for model in (first, then)
    ]
    shared = [len(one & other) for one, other in zip(*lists, strict=True)]
    assert sum(shared) / len(shared) > 7


def test_settings_that_do_not_fit_are_named(tuning_settings: Settings, recomart: RecomartCli, tmp_path: Path) -> None:
    where = ("--warehouse", tuning_settings.warehouse)
    file = tmp_path / "mine.json"
    file.write_text('{"factors": 0}')
    done = recomart("train", "--config", file, *where)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{file}: factors: Input should be greater than or equal to 1" in done.stderr
    file.write_text('{"factor": 8}')
    assert "factor: Extra inputs are not permitted" in recomart("tune", "--config", file, *where).stderr
    assert "cannot be read" in recomart("train", "--config", tmp_path / "none.json", *where).stderr
    file.write_text('{"factors": 8}')
    done = recomart("train", "--warm-start", "--config", file, *where)
    assert done.returncode == 1
    assert "(factors was 256, is 8). Train without --warm-start" in done.stderr
