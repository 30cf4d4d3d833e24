"""`recomart bench effect` on two small shops: the measured effects beside the planted ones."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.cli.commands import app


@pytest.mark.slow
def test_benchmark_measures_planted_effect(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = ["--work-dir", str(tmp_path / "work"), "--shops", "2", "--customers", "800", "--days", "7"]
    result = CliRunner().invoke(app, ["bench", "effect", *options, "--effect", "6", "--json", str(file)])
    assert result.exit_code == 0, result.output
    with_effect, without = (
        {metric["effect"]["metric"]: metric for metric in shop["metrics"]}
        for shop in json.loads(file.read_text(encoding="utf-8"))["shops"]
    )
    orders = with_effect["orders_per_customer"]
    assert orders["true_lift"] > 0.5
    assert orders["effect"]["verdict"] == "higher than in the control"
    assert 0 < orders["effect"]["min_lift"] < orders["true_lift"] < orders["effect"]["max_lift"]
    assert {metric["true_lift"] for metric in without.values()} == {0}
    assert without["conversion"]["effect"]["verdict"] == "no effect seen"
    assert "orders_per_customer" in result.output
