"""Summary of ranking benchmarks, from results of a real run on a small split."""

import json
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from apps.benchmarks.ranking_benchmark import RankingBenchmarkResult, run_ranking_benchmark
from apps.benchmarks.ranking_results import SplitSource
from apps.benchmarks.ranking_summary import RankingSummary, summarize_results
from apps.cli.commands import app
from models_ml.config import TrainConfig
from warehouse.errors import RecomartError

SEARCH = {
    "trials_per_minute": 12.5,
    "seconds": 600.4,
    "ndcg_by_seconds": {"60": 0.19, "120": 0.196, "300": 0.198, "600": 0.2},
    "ndcg": 0.2,
}
"""Progress of a search of ten minutes: too long for a test."""


@pytest.fixture(scope="module")
def small_result(split_files: dict[str, Path]) -> RankingBenchmarkResult:
    """A result with a search, ablations and the library."""
    config = TrainConfig(k_values=(10,), selection_k=10, factors=16, device="cpu")
    return run_ranking_benchmark(SplitSource(**split_files, folds=1), config, 1, ("implicit",), ablate=True)


@pytest.fixture
def write_result(small_result: RankingBenchmarkResult, tmp_path: Path) -> Callable[..., Path]:
    """Writes the result to a file, after a change of its JSON."""

    def write(name: str, change: Callable[[dict[str, Any]], None] = lambda _: None) -> Path:
        figures = json.loads(small_result.model_dump_json())
        change(figures)
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(figures))
        return file

    return write


def get_target_values(summary: RankingSummary) -> dict[str, float | None]:
    return {target.name: target.value for target in summary.targets}


@pytest.mark.slow
def test_summary_has_figures_of_result(small_result: RankingBenchmarkResult, write_result: Callable[..., Path]) -> None:
    summary = summarize_results([write_result("small")])
    (dataset,) = summary.datasets
    results = {result.method: result for result in small_result.results}
    differences = {difference.method: difference for difference in small_result.differences}
    baselines = ("popularity", "item_item", "user_item_graph", "ease")
    best = max(baselines, key=lambda name: results[name].ndcg)
    assert (summary.k, dataset.name, dataset.user_count) == (10, "small", 120)
    assert (dataset.tuned_ndcg, dataset.library_ndcg) == (results["als"].ndcg, results["implicit"].ndcg)
    assert dataset.default_ndcg == results["als, default settings"].ndcg
    assert (dataset.target_values.best_baseline, dataset.baseline_ndcg) == (best, results[best].ndcg)
    assert dataset.library_difference == differences["implicit"]
    assert dataset.baseline_difference == differences[best]
    assert dataset.ablation_ndcgs == {
        name: results[name].ndcg / results["als"].ndcg for name in ("als without neighbors", "als without factors")
    }
    # With one data set, the values are those of the benchmark itself.
    values = [target.value for target in small_result.targets]
    assert [target.value for target in summary.targets] == [
        *(pytest.approx(value) for value in (values[0], *values)),
        None,
    ]
    assert dataset.search is not None
    assert dataset.search.trials_per_minute > 0
    assert (dataset.search.ndcg_shares, dataset.search.has_min_seconds) == ({}, False)


@pytest.mark.slow
def test_summary_targets_of_several_datasets(write_result: Callable[..., Path]) -> None:
    def change_library(figures: dict[str, Any]) -> None:
        figures["comparisons"][0] |= {"ndcg_gain": 0.5, "seconds_to_equal_ndcg": 1.0, "training_seconds_share": 0.1}
        figures["results"][0]["search"] = SEARCH

    def remove_library(figures: dict[str, Any]) -> None:
        del figures["comparisons"][0], figures["results"][-1], figures["results"][0]["search"]
        figures["results"] = [row for row in figures["results"] if row["method"] != "als, default settings"]

    def miss_library(figures: dict[str, Any]) -> None:
        figures["comparisons"][0] |= {"ndcg_gain": -0.2, "seconds_to_equal_ndcg": None, "training_seconds_share": None}

    long, plain, missed = (
        write_result(name, change)
        for name, change in (("long", change_library), ("plain", remove_library), ("missed", miss_library))
    )
    values = get_target_values(summarize_results([long, plain]))
    assert values["mean NDCG relative to implicit"] == values["lowest NDCG relative to implicit"] == 1.5
    assert values["largest share of implicit's seconds to its best NDCG"] == 0.1
    assert values["lowest share of the final validation NDCG after 120 s"] == pytest.approx(0.98)
    summary = summarize_results([long, plain, missed])
    values = get_target_values(summary)
    assert values["mean NDCG relative to implicit"] == pytest.approx((1.5 + 0.8) / 2)
    assert values["lowest NDCG relative to implicit"] == pytest.approx(0.8)
    assert values["largest share of implicit's seconds to its best NDCG"] == inf
    assert [target.is_met for target in summary.targets if target.name.startswith("largest")] == [False]
    search = summary.datasets[0].search
    assert search is not None
    assert search.ndcg_shares == pytest.approx({60: 0.95, 120: 0.98, 300: 0.99})


@pytest.mark.slow
def test_summary_command_prints_tables(write_result: Callable[..., Path], tmp_path: Path) -> None:
    files = [str(write_result(name)) for name in ("shop_a", "shop_b")]
    file = tmp_path / "summary.json"
    result = CliRunner().invoke(app, ["bench", "ranking-summary", *files, "--json", str(file)])
    assert result.exit_code == 0, result.exception
    assert "Ranking benchmark, NDCG@10" in result.stdout
    assert "NDCG without a part of the model, relative to als" in result.stdout
    assert "lowest NDCG relative to the best baseline" in result.stdout
    assert result.stdout.count("shop_b") == 2
    assert [row["name"] for row in json.loads(file.read_text())["datasets"]] == ["shop_a", "shop_b"]


@pytest.mark.slow
def test_summary_refuses_other_k(write_result: Callable[..., Path]) -> None:
    def change_k(figures: dict[str, Any]) -> None:
        for row in figures["results"]:
            row["k"] = 20

    first, other = write_result("first"), write_result("other", change_k)
    with pytest.raises(RecomartError, match=r"other\.json: its lists have 20 products, those of .*first\.json 10\."):
        summarize_results([first, other])
    with pytest.raises(RecomartError, match=r"first\.json: another file has the name first\."):
        summarize_results([first, first])


@pytest.mark.parametrize("text", ["", "[]", '{"split": {}}', "\xff"])
def test_summary_refuses_other_files(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(RecomartError, match="not a result of the ranking benchmark") as error:
        summarize_results([file])
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)
