"""`recomart bench scoring` on a shop so small that its seconds mean nothing; that the lists agree does."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.benchmarks import optional_libraries
from apps.cli.commands import app
from warehouse.errors import RecomartError


def test_ours_and_implicit_rank_alike_and_all_figures_are_written(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    sizes = {"--customers": 900, "--products": 700, "--factors": 16, "--history-length": 5, "-n": 30, "--json": file}
    arguments = [str(word) for option in sizes.items() for word in option]
    done = CliRunner().invoke(app, ["bench", "scoring", *arguments])
    assert done.exit_code == 0, done.output
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert (figures["shop"]["customers"], figures["different_score_count"]) == (900, 0)
    assert figures["same_product_share"] > 0.999
    assert [row["contender"] for row in figures["contenders"]] == ["bare matrix product", "recomart", "implicit"]
    assert all(row["seconds"] > 0 for row in figures["contenders"])
    assert list(figures["memory_mib"]) == ["225", "900"]
    assert [target["max_value"] for target in figures["targets"]] == [1.0, 1.7, 1.05]
    assert "times the bare matrix product" in done.output


def test_a_catalog_too_small_for_the_lists_is_refused() -> None:
    done = CliRunner().invoke(app, ["bench", "scoring", "--products", "100", "-n", "90"])
    assert done.exit_code == 2


def test_without_the_library_the_benchmark_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional_libraries, "find_spec", lambda _: None)
    done = CliRunner().invoke(app, ["bench", "scoring"])
    assert isinstance(done.exception, RecomartError)
    assert "implicit is not installed; `pip install -c constraints.txt -e '.[bench]'` brings it" in str(done.exception)
