"""`recomart bench pipeline` on a small shop: equal tables and error messages, not speed."""

import json
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from apps.benchmarks.measurement import measure_contender
from apps.benchmarks.pipeline_benchmark import build_shop_config
from apps.benchmarks.table_equality import COMPARED_TABLES, compute_statistics, find_differences, open_tables
from apps.cli.commands import app
from tests.recomart_cli import RecomartCli
from warehouse.demo import generate_shop
from warehouse.errors import RecomartError
from warehouse.settings import Settings


def test_scripts_make_equal_tables(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    generate_shop(build_shop_config(events=5_000, days=20), landing, tmp_path / "truth")
    for contender in ("duckdb_script", "pandas_script", "polars_script"):
        usage = measure_contender(contender, Settings(warehouse=tmp_path / contender, landing=landing))
        assert list(usage.step_seconds) == ["read", "features", "products and customers"]
        assert 0 < usage.max_process_mib <= usage.max_total_mib
    paths = (tmp_path / "duckdb_script" / "recomart.duckdb", tmp_path / "pandas_script", tmp_path / "polars_script")
    statistics = []
    for path in paths:
        with closing(open_tables(path)) as tables:
            statistics.append(compute_statistics(tables))
    assert all(statistics[0][table]["rows"] for table in COMPARED_TABLES)
    assert find_differences(statistics[0], statistics[1]) == find_differences(statistics[0], statistics[2]) == []


def test_failed_contender_is_named_with_reason(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path / "pandas", landing=tmp_path / "missing")
    with pytest.raises(
        RecomartError, match=r"pandas_script: ValueError: No objects to concatenate\. See .*contender\.log"
    ):
        measure_contender("pandas_script", settings)


def test_invalid_step_output_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = tmp_path / "executable"
    executable.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\necho no step\nexec sleep 600\n", encoding="utf-8")
    executable.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(executable))
    with pytest.raises(ValueError, match="Expecting value"):
        measure_contender("recomart", Settings(warehouse=tmp_path / "warehouse"))
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text(encoding="utf-8")))


def test_unknown_part_is_an_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["bench", "pipeline", "--work-dir", str(tmp_path / "work"), "--parts", "recomart,spark"]
    )
    assert isinstance(result.exception, RecomartError)
    assert "unknown part: --parts spark. Choose from recomart, duckdb" in str(result.exception)


@pytest.mark.slow
def test_full_benchmark_run(recomart: RecomartCli, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    result = recomart("bench", "pipeline", "--work-dir", "work", "--events", 5_000, "--days", 20, "--json", file)
    assert result.returncode == 0, result.stderr
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert {outcome["part"]: outcome["differences"] for outcome in figures["results"]} == {
        "recomart": None, "duckdb": [], "pandas": [], "polars": [], "small-memory": [],
    }  # fmt: skip
    increments = figures["increments"]
    assert (increments["early"]["days_before"], increments["late"]["days_before"]) == (6, 19)
    assert all(target["value"] is not None for target in figures["targets"])
    # The limits hold for ten million events, but those of the demo shop for its one size.
    assert [target["name"] for target in figures["targets"] if target["is_met"] is not None] == [
        "demo shop, seconds for nothing new",
        "demo shop, seconds for one more day",
    ]
    assert figures["demo_shop"]["nothing_new"] < figures["demo_shop"]["one_more_day"]
    assert "One more day" in result.stdout
    assert "recomart run, demo shop" in result.stdout
