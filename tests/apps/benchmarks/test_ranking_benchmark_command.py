"""`recomart bench ranking` on files and on a dataset version."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.cli.commands import app
from models_ml.data.dataset_store import iter_dataset_hashes
from models_ml.errors import ModelError
from tests.recomart_cli import RecomartCli
from warehouse.errors import RecomartError
from warehouse.settings import Settings


@pytest.mark.slow
def test_ranking_on_files(split_files: dict[str, Path], recomart: RecomartCli, tmp_path: Path) -> None:
    options = [word for name, file in split_files.items() for word in (f"--{name}", file)]
    options += ["-k", 10, "--tune-seconds", 1, "--ablate", "--json", tmp_path / "figures.json"]
    result = recomart("bench", "ranking", *options)
    assert result.returncode == 0, result.stderr
    assert "Top 10" in result.stdout
    assert "als, train: factors " in result.stdout
    assert "Warning" not in result.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["split"]["fold_customers"][0] == 120
    assert figures["split"]["origin"] == (
        f"3 folds, because the first has only 120 customers: the file {split_files['valid']}, and parts of "
        f"{split_files['train']} of the same size, holdout random (the file has no timestamps)"
    )
    recomart_result, *baselines, default, no_neighbors, no_factors = figures["results"]
    assert (recomart_result["method"], recomart_result["k"], recomart_result["user_count"]) == ("als", 10, 120)
    assert [row["method"] for row in baselines] == ["popularity", "item_item", "user_item_graph", "ease"]
    assert recomart_result["ndcg"] > baselines[0]["ndcg"]
    assert 0 < recomart_result["precision"] < recomart_result["recall"] < recomart_result["hit_rate"] <= 1
    assert recomart_result["fit_seconds"] > 0
    assert recomart_result["tune_seconds"] > 0
    assert recomart_result["peak_memory_mib"] > 100
    assert recomart_result["config"]["train"]["k_values"] == [10]
    assert default["method"] == "als, default settings"
    assert (no_neighbors["method"], no_factors["method"]) == ("als without neighbors", "als without factors")
    assert min(default["ndcg"], no_neighbors["ndcg"], no_factors["ndcg"]) > baselines[0]["ndcg"]
    differences = {row["method"]: row for row in figures["differences"]}
    assert list(differences) == [row["method"] for row in figures["results"][1:]]
    assert differences["popularity"]["lower_bound"] > 0
    assert "NDCG@10 of als minus that of other methods, with 95 % intervals" in result.stdout
    assert "NDCG relative to the best baseline" in result.stdout


@pytest.mark.slow
def test_ranking_names_ignored_columns(recomart: RecomartCli, tmp_path: Path) -> None:
    rows = [f"u{user},i{item},{user % 5 + 1},x" for user in range(12) for item in range(user, user + 8)]
    for name, part in (("train", rows[::2]), ("test", rows[1::2])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["user_id,item_id,rating,shop", *part]), encoding="utf-8")
    options = ("--train", tmp_path / "train.csv", "--test", tmp_path / "test.csv", "-k", 3, "--folds", 2)
    result = recomart("bench", "ranking", *options)
    assert result.returncode == 0, result.stderr
    assert "train.csv: ignored columns: rating, shop." in result.stdout
    assert "test.csv: ignored columns: rating, shop." in result.stdout
    assert "Validation: 2 folds: 10% of " in result.stdout
    assert "holdout random (the file has no timestamps)" in " ".join(result.stdout.split())


@pytest.mark.slow
def test_ranking_on_dataset_version(demo_warehouse: Settings, recomart: RecomartCli, tmp_path: Path) -> None:
    (version,) = iter_dataset_hashes(demo_warehouse.datasets_dir)
    file = tmp_path / "figures.json"
    warehouse_option = ("--warehouse", demo_warehouse.warehouse)
    result = recomart("bench", "ranking", "--dataset", version[:12], "--ablate", "--json", file, *warehouse_option)
    assert result.returncode == 0, result.stderr
    figures = json.loads(file.read_text())["results"]
    methods = [row["method"] for row in figures]
    warm = {row["method"]: row["recall_by_product_group"]["warm"] for row in figures}
    assert warm["als"] > warm["popularity"] > 0
    assert methods[-5:] == [
        *("als without neighbors", "als without content", "als without trends", "als without both"),
        "als without factors",
    ]


@pytest.mark.slow
def test_invalid_options(split_files: dict[str, Path], tmp_path: Path) -> None:
    files = ["--train", split_files["train"], "--test", split_files["test"]]
    for arguments, message in (
        (["--train", split_files["train"]], "give either --train and --test (and optionally --valid), or --dataset"),
        (["--train", split_files["train"], "--dataset", "8aa"], "(and optionally --valid), or --dataset"),
        (["--dataset", ""], "an empty hash names no dataset version"),
        (
            ["--train", split_files["train"], "--test", split_files["test"], "--against", "magic"],
            "unknown library: --against magic",
        ),
        (
            [*files, "--valid", split_files["valid"], "--holdout", "last"],
            "--holdout last failed: --valid already has the validation part",
        ),
        (["--dataset", "8aa", "--holdout", "last"], "--holdout last failed: --dataset already has"),
        (["--dataset", "8aa", "--folds", "2"], "--folds 2 failed: --dataset has one validation window"),
        ([*files, "--holdout", "time"], "train.csv has no timestamps. Add the column timestamp"),
        (["--train", tmp_path / "none.csv", "--test", split_files["test"]], "none.csv: there is no such file"),
    ):
        result = CliRunner().invoke(app, ["bench", "ranking", *map(str, arguments)])
        assert isinstance(result.exception, RecomartError | ModelError)
        assert message in str(result.exception)


@pytest.mark.slow
def test_ranking_compared_with_implicit(split_files: dict[str, Path], recomart: RecomartCli, tmp_path: Path) -> None:
    options = [word for name, file in split_files.items() for word in (f"--{name}", file)]
    result = recomart(
        "bench", "ranking", *options, "--folds", 2, "--against", "implicit", "--json", tmp_path / "figures.json"
    )
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "figures.json").read_text())
    assert report["results"][-1]["method"] == report["comparisons"][0]["method"] == "implicit"
    assert 8 <= report["results"][-1]["config"]["factors"] <= 1024
    assert "implicit: with 64 factors, best validation NDCG" in result.stderr
