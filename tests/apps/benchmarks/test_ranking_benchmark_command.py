"""The door of the ranking benchmark, on files and on a dataset version."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from apps.cli.commands import app
from models_ml.data.dataset_store import iter_dataset_hashes
from models_ml.errors import ModelError
from tests.e2e.conftest import RecomartCli
from warehouse.errors import RecomartError
from warehouse.settings import Settings


@pytest.fixture(scope="module")
def split_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Customers who take either even or odd items, popular ones more often; train, valid and test."""
    folder = tmp_path_factory.mktemp("split")
    rng = np.random.default_rng(0)
    rows: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for user in range(120):
        liked = np.arange(user % 2, 60, 2)
        chosen = rng.choice(liked, 14, replace=False, p=(odds := 1 / (1 + np.arange(30))) / odds.sum())
        for name, items in (("train", chosen[:8]), ("valid", chosen[8:11]), ("test", chosen[11:])):
            rows[name] += [f"u {user},item {item} 🍵" for item in items]
    paths = {name: folder / f"{name}.csv" for name in rows}
    for name, lines in rows.items():
        paths[name].write_text("\n".join(["user_id,item_id", *lines]) + "\n", encoding="utf-8")
    return paths


def test_files_are_tuned_on_trained_on_and_measured_beside_the_baselines(
    split_files: dict[str, Path], recomart: RecomartCli, tmp_path: Path
) -> None:
    options = [word for name, file in split_files.items() for word in (f"--{name}", file)]
    done = recomart("bench", "ranking", *options, "-k", 10, "--tune-seconds", 1, "--json", tmp_path / "figures.json")
    assert done.returncode == 0, done.stderr
    assert "Top 10" in done.stdout
    assert "als, train: factors " in done.stdout
    assert "Warning" not in done.stderr
    ours, *baselines = json.loads((tmp_path / "figures.json").read_text())["results"]
    assert (ours["method"], ours["k"], ours["users"]) == ("als", 10, 120)
    assert [row["method"] for row in baselines] == ["popularity", "item_item"]
    assert ours["ndcg"] > baselines[0]["ndcg"]
    assert 0 < ours["precision"] < ours["recall"] < ours["hit_rate"] <= 1
    assert ours["fit_seconds"] > 0
    assert ours["tune_seconds"] > 0
    assert ours["peak_memory_mib"] > 100
    assert ours["config"]["train"]["k_values"] == [10]


def test_a_dataset_version_is_measured_with_its_trends_and_content(
    demo_warehouse: Settings, recomart: RecomartCli, tmp_path: Path
) -> None:
    (version,) = iter_dataset_hashes(demo_warehouse.datasets_dir)
    file = tmp_path / "figures.json"
    where = ("--warehouse", demo_warehouse.warehouse)
    done = recomart("bench", "ranking", "--dataset", version[:12], "--ablate", "--json", file, *where)
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())["results"]
    methods = [row["method"] for row in figures]
    warm = {row["method"]: row["recall_by_product_group"]["warm"] for row in figures}
    assert warm["als"] > warm["popularity"] > 0
    assert methods[-3:] == ["als without content", "als without trends", "als without both"]


def test_what_is_asked_wrongly_is_said(split_files: dict[str, Path], tmp_path: Path) -> None:
    for arguments, message in (
        (["--train", split_files["train"]], "give --train and --test (and --valid), or --dataset"),
        (["--train", split_files["train"], "--dataset", "8aa"], "or --dataset and none of them"),
        (["--dataset", ""], "an empty hash names no dataset version"),
        (
            ["--train", split_files["train"], "--test", split_files["test"], "--against", "magic"],
            "there is no such library",
        ),
        (["--train", tmp_path / "none.csv", "--test", split_files["test"]], "none.csv: there is no such file"),
    ):
        done = CliRunner().invoke(app, ["bench", "ranking", *map(str, arguments)])
        assert isinstance(done.exception, RecomartError | ModelError)
        assert message in str(done.exception)


@pytest.mark.slow
def test_the_implicit_library_stands_beside_ours(
    split_files: dict[str, Path], recomart: RecomartCli, tmp_path: Path
) -> None:
    options = [word for name, file in split_files.items() for word in (f"--{name}", file)]
    done = recomart("bench", "ranking", *options, "--against", "implicit", "--json", tmp_path / "figures.json")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "figures.json").read_text())
    assert result["results"][-1]["method"] == result["comparisons"][0]["method"] == "implicit"
    assert result["results"][-1]["config"]["factors"] in (64, 128, 256, 512)
