"""Whatever a user gets wrong ends in one line that says what, where and what to do, and in exit status 1."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.database_lock import hold_database
from tests.e2e.conftest import RecomartCli
from warehouse.settings import Settings


def assert_one_line_error(done: subprocess.CompletedProcess[str], *parts: str | Path) -> None:
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("recomart: ")
    assert "Traceback" not in done.stdout + done.stderr
    for part in parts:
        assert str(part) in lines[0]


def test_a_missing_landing_folder(recomart: RecomartCli, tmp_path: Path) -> None:
    done = recomart("run", "--landing", tmp_path / "nowhere", "--warehouse", tmp_path / "warehouse")
    assert_one_line_error(done, tmp_path / "nowhere", "no such landing folder", "--landing")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("feeds: {events: [", ("line 1, column", "no valid YAML")),
        (
            "feeds: {products: {files: '*', format: csv, columns: {product_id: id, colour: c}}}",
            ("feeds.products", "unknown column 'colour'", "popularity_score"),
        ),
        (
            "feeds: {products: {files: '*.csv', format: csv, columns: {product_id: id, brand: maker}}}",
            ("feeds.products.columns.brand", "no column 'maker' in a.csv", "they have id, name"),
        ),
    ],
    ids=["unreadable YAML", "a column of ours that does not exist", "a column of theirs that does not exist"],
)
def test_a_wrong_sources_file(recomart: RecomartCli, tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    sources, landing = tmp_path / "sources.yml", tmp_path / "landing"
    sources.write_text(text, encoding="utf-8")
    landing.mkdir()
    (landing / "a.csv").write_text("id,name\n1,x\n", encoding="utf-8")
    done = recomart("run", "--sources", sources, "--landing", landing, "--warehouse", tmp_path / "warehouse")
    assert_one_line_error(done, sources, *parts)


def test_an_explanation_of_a_product_that_does_not_exist(recomart: RecomartCli, demo_warehouse: Settings) -> None:
    done = recomart("explain", "--user", "nobody", "--product", "x1", "--warehouse", demo_warehouse.warehouse)
    assert_one_line_error(done, "unknown product 'x1'")


def test_a_warehouse_that_another_process_is_writing(
    recomart: RecomartCli, demo_warehouse: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMART_WAIT_SECONDS", "0")
    with hold_database(demo_warehouse.database) as holder:
        parts = (demo_warehouse.database, f"process {holder}", "running since", "is using the warehouse", "try again")
        for command in ("run", "status", "train", "publish"):
            assert_one_line_error(recomart(command, "--warehouse", demo_warehouse.warehouse), *parts)


def test_a_warehouse_that_is_not_there(recomart: RecomartCli, tmp_path: Path) -> None:
    assert_one_line_error(recomart("status", "--warehouse", tmp_path / "none"), tmp_path / "none", "recomart run")
    assert_one_line_error(
        recomart("recommend", "--user", "u", "--warehouse", tmp_path / "none"),
        "nothing is published yet",
        "recomart run",
    )


def test_an_audit_before_dbt_has_built(recomart: RecomartCli, tmp_path: Path) -> None:
    (tmp_path / "catalog/2026-01-01").mkdir(parents=True)
    (tmp_path / "catalog/2026-01-01/page-1.json").write_text('{"products": [{"product_id": "p1"}]}', encoding="utf-8")
    loaded = recomart("load", "--landing", tmp_path, "--warehouse", tmp_path / "warehouse")
    assert loaded.returncode == 0, loaded.stderr
    for command in ("audit", "quarantined"):
        assert_one_line_error(
            recomart(command, "--warehouse", tmp_path / "warehouse"), "the audit marts are not built", "dbt build"
        )


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("RECOMART_THREADS", "many", "valid integer"),
        ("RECOMART_SETTLE_SECONDS", "-1", "greater than or equal to 0"),
        ("RECOMART_MEMORY_LIMIT", "-1GB", "'-1GB' is no amount of memory such as 500MB or 4GB"),
    ],
)
def test_a_setting_in_the_environment_that_is_none(
    recomart: RecomartCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert_one_line_error(recomart("status", "--warehouse", tmp_path), f"recomart: {variable}: ", problem)


def test_a_database_that_is_none(recomart: RecomartCli, tmp_path: Path) -> None:
    (tmp_path / "recomart.duckdb").write_text("hello")
    assert_one_line_error(recomart("status", "--warehouse", tmp_path), tmp_path / "recomart.duckdb", "cannot be opened")


@pytest.mark.parametrize("command", ["run", "status", "published", "demo-data"])
@pytest.mark.parametrize("place", ["file", "file/x"])
def test_a_warehouse_that_is_a_file(recomart: RecomartCli, tmp_path: Path, command: str, place: str) -> None:
    (tmp_path / "file").touch()
    done = recomart(command, "--warehouse", tmp_path / place)
    assert_one_line_error(done, f"{tmp_path / 'file'} is a file; name a folder with --warehouse or RECOMART_WAREHOUSE")


def test_a_warehouse_where_no_folder_can_be_made(recomart: RecomartCli) -> None:
    assert_one_line_error(
        recomart("demo-data", "--warehouse", "/proc/nope"), "recomart: /proc/nope: No such file", "another"
    )


def test_a_memory_limit_that_is_too_small(
    recomart: RecomartCli, demo_warehouse: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMART_MEMORY_LIMIT", "1MB")
    for command in ("status", "customers", "publish"):
        done = recomart(command, "--warehouse", demo_warehouse.warehouse)
        assert_one_line_error(done, "memory limit is too small", "KiB used", "raise RECOMART_MEMORY_LIMIT")


def test_a_published_copy_that_is_cut_off_or_gone(
    recomart: RecomartCli, demo_warehouse: Settings, tmp_path: Path
) -> None:
    shutil.copytree(demo_warehouse.serving_dir, tmp_path / "serving")
    (copy,) = (tmp_path / "serving").glob("recomart-*.duckdb")
    os.truncate(copy, copy.stat().st_size // 2)
    assert_one_line_error(
        recomart("published", "--warehouse", tmp_path), copy, "cannot be opened", "`recomart publish`"
    )
    copy.unlink()
    assert_one_line_error(
        recomart("published", "--warehouse", tmp_path), copy, "cannot be opened", "`recomart publish`"
    )


@pytest.mark.parametrize(
    "command", [("recommend", "--user", ""), ("similar", ""), ("explain", "--user", "u", "--product", "")]
)
def test_an_empty_id(recomart: RecomartCli, command: tuple[str, ...]) -> None:
    done = recomart(*command)
    assert done.returncode == 2
    assert "an id must have at least one character" in done.stderr
