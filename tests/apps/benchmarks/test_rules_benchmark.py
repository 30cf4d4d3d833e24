"""`recomart bench rules` on the demo shop."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.benchmarks.rules_benchmark import PREVIEW, STOP_BY_COMMAND, STOP_IN_APP, SUBMIT, run_rules_benchmark
from apps.cli.commands import app
from tests.apps.merchandiser.browser import needs_browser
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import read_pointer
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings

pytestmark = needs_browser


@pytest.mark.slow
def test_rules_benchmark_measures_steps(demo_warehouse: Settings, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    before = (read_pointer(demo_warehouse), RuleStore(demo_warehouse).read_history())
    folders = ["--warehouse", str(demo_warehouse.warehouse), "--work-dir", str(tmp_path / "work")]
    result = CliRunner().invoke(app, ["bench", "rules", *folders, "--repetitions", "1", "--json", str(file)])
    # A busy machine can miss a target.
    assert "Targets" in result.output, result.output
    figures = json.loads(file.read_text(encoding="utf-8"))
    seconds = {step["step"]: step["slowest_seconds"] for step in figures["steps"]}
    assert {PREVIEW, SUBMIT, STOP_IN_APP, STOP_BY_COMMAND} <= seconds.keys()
    assert all(0 < value < 300 for value in seconds.values())
    assert figures["boosts"]["customers"] > 100
    assert (read_pointer(demo_warehouse), RuleStore(demo_warehouse).read_history()) == before
    changes = RuleStore(Settings(warehouse=tmp_path / "work" / "warehouse")).read_history()
    assert len(changes) == 3


def test_rules_benchmark_keeps_an_earlier_copy(demo_warehouse: Settings, tmp_path: Path) -> None:
    (tmp_path / "warehouse").mkdir()
    with pytest.raises(RecomartError, match="Name another folder with --work-dir"):
        run_rules_benchmark(demo_warehouse, tmp_path)
