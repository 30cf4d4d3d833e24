"""`recomart bench scoring` on a small shop: equal lists and error messages, not speed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.benchmarks import optional_libraries
from apps.cli.commands import app
from warehouse.errors import RecomartError


@pytest.mark.slow
def test_recomart_and_implicit_lists_are_equal(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    sizes = {"--customers": 900, "--products": 700, "--factors": 16, "--history-length": 5, "-n": 30, "--json": file}
    arguments = [str(word) for option in sizes.items() for word in option]
    result = CliRunner().invoke(app, ["bench", "scoring", *arguments])
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert (figures["shop"]["customers"], figures["different_score_count"]) == (900, 0)
    assert figures["same_product_share"] > 0.999
    assert [row["contender"] for row in figures["contenders"]] == [
        *("matrix product", "recomart", "recomart with neighbors", "implicit")
    ]
    assert all(row["seconds"] > 0 for row in figures["contenders"])
    assert list(figures["memory_mib"]) == ["225", "900"]
    assert [target["max_value"] for target in figures["targets"]] == [1.0, 1.7, 1.7, 1.05]
    assert "relative to the matrix product" in result.output


def test_too_few_products_is_an_error() -> None:
    result = CliRunner().invoke(app, ["bench", "scoring", "--products", "100", "-n", "90"])
    assert result.exit_code == 2


def test_missing_library_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional_libraries, "find_spec", lambda _: None)
    result = CliRunner().invoke(app, ["bench", "scoring"])
    assert isinstance(result.exception, RecomartError)
    assert "implicit is not installed. Run `pip install -c constraints.txt -e '.[bench]'`" in str(result.exception)
