"""`recomart bench pipeline` on a shop so small that its seconds mean nothing; that the tables agree does."""

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
from tests.e2e.conftest import RecomartCli
from warehouse.demo import generate_shop
from warehouse.errors import RecomartError
from warehouse.settings import Settings


@pytest.fixture
def recomart(tmp_path: Path) -> RecomartCli:
    return RecomartCli(tmp_path)


def test_the_scripts_make_equal_tables(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    generate_shop(build_shop_config(events=5_000, days=20), landing, tmp_path / "truth")
    for contender in ("duckdb_script", "pandas_script", "polars_script"):
        measured = measure_contender(contender, Settings(warehouse=tmp_path / contender, landing=landing))
        assert list(measured.step_seconds) == ["read", "features", "products and customers"]
        assert 0 < measured.max_process_mib <= measured.max_total_mib
    places = (tmp_path / "duckdb_script" / "recomart.duckdb", tmp_path / "pandas_script", tmp_path / "polars_script")
    figures = []
    for place in places:
        with closing(open_tables(place)) as tables:
            figures.append(compute_statistics(tables))
    assert all(figures[0][table]["rows"] for table in COMPARED_TABLES)
    assert find_differences(figures[0], figures[1]) == find_differences(figures[0], figures[2]) == []


def test_a_contender_that_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    nothing = Settings(warehouse=tmp_path / "pandas", landing=tmp_path / "nothing")
    with pytest.raises(
        RecomartError, match=r"pandas_script: ValueError: No objects to concatenate; see .*contender\.log"
    ):
        measure_contender("pandas_script", nothing)


def test_a_contender_that_says_what_is_no_step_leaves_no_process_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talker = tmp_path / "talker"
    talker.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/number\necho no step\nexec sleep 600\n", encoding="utf-8")
    talker.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(talker))
    with pytest.raises(ValueError, match="Expecting value"):
        measure_contender("recomart", Settings(warehouse=tmp_path / "warehouse"))
    assert not psutil.pid_exists(int((tmp_path / "number").read_text(encoding="utf-8")))


def test_a_part_that_is_none_is_refused_with_those_that_are(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["bench", "pipeline", "--work-dir", str(tmp_path / "work"), "--parts", "recomart,spark"]
    )
    assert isinstance(done.exception, RecomartError)
    assert "--parts spark: there is no such part; choose among recomart, duckdb" in str(done.exception)


@pytest.mark.slow
def test_everyone_makes_our_tables_in_one_run_and_days_are_added(recomart: RecomartCli, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = recomart("bench", "pipeline", "--work-dir", "work", "--events", 5_000, "--days", 20, "--json", file)
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert {outcome["part"]: outcome["differences"] for outcome in figures["results"]} == {
        "recomart": None, "duckdb": [], "pandas": [], "polars": [], "small-memory": [],
    }  # fmt: skip
    increments = figures["increments"]
    assert (increments["early"]["days_before"], increments["late"]["days_before"]) == (6, 19)
    assert all(target["is_met"] is not None for target in figures["targets"])
    assert "one more day" in done.stdout
