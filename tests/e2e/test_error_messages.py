"""User errors end with exit status 1 and one line that contains the reason and the remedy."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestration.dbt_runner import run_dbt
from tests.database_damage import damage_table
from tests.database_lock import hold_database
from tests.recomart_cli import RecomartCli
from warehouse.errors import RecomartError
from warehouse.settings import Settings


def assert_one_line_error(result: subprocess.CompletedProcess[str], *parts: str | Path) -> None:
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("recomart: ")
    assert "Traceback" not in result.stdout + result.stderr
    for part in parts:
        assert str(part) in lines[0]


def test_run_reports_missing_landing(cli: RecomartCli, tmp_path: Path) -> None:
    result = cli("run", "--landing", tmp_path / "nowhere", "--warehouse", tmp_path / "warehouse")
    assert_one_line_error(result, tmp_path / "nowhere", "no such landing folder", "--landing")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("feeds: {events: [", ("line 1, column", "not valid YAML")),
        (
            "feeds: {products: {files: '*', format: csv, columns: {product_id: id, colour: c}}}",
            ("feeds.products.columns.colour: unknown column", "popularity_score"),
        ),
        (
            "feeds: {products: {files: '*.csv', format: csv, columns: {product_id: id, brand: maker}}}",
            ("feeds.products.columns.brand", "no column 'maker' in a.csv", "they have id, name"),
        ),
    ],
    ids=["invalid YAML", "unknown target column", "missing source column"],
)
def test_wrong_sources_file(cli: RecomartCli, tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    sources, landing = tmp_path / "sources.yml", tmp_path / "landing"
    sources.write_text(text, encoding="utf-8")
    landing.mkdir()
    (landing / "a.csv").write_text("id,name\n1,x\n", encoding="utf-8")
    result = cli("run", "--sources", sources, "--landing", landing, "--warehouse", tmp_path / "warehouse")
    assert_one_line_error(result, sources, *parts)


@pytest.mark.slow
def test_explain_unknown_product(cli: RecomartCli, demo_warehouse: Settings) -> None:
    result = cli("explain", "--user", "unknown", "--product", "x1", "--warehouse", demo_warehouse.warehouse)
    assert_one_line_error(result, "unknown product 'x1'")


def test_command_reports_locking_process(
    cli: RecomartCli, demo_copy: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMART_WAIT_SECONDS", "0")
    with hold_database(demo_copy.database) as process_id:
        process = f"process {process_id}"
        parts = (demo_copy.database, process, "running since", "is using the warehouse", "try again")
        for command in ("run", "status", "train", "publish"):
            assert_one_line_error(cli(command, "--warehouse", demo_copy.warehouse), *parts)


def test_command_reports_missing_warehouse(cli: RecomartCli, tmp_path: Path) -> None:
    assert_one_line_error(cli("status", "--warehouse", tmp_path / "none"), tmp_path / "none", "recomart run")
    assert_one_line_error(
        cli("recommend", "--user", "u", "--warehouse", tmp_path / "none"),
        "nothing is published yet",
        "recomart run",
    )


@pytest.mark.slow
def test_audit_before_dbt_build(cli: RecomartCli, tmp_path: Path) -> None:
    (tmp_path / "catalog/2026-01-01").mkdir(parents=True)
    (tmp_path / "catalog/2026-01-01/page-1.json").write_text('{"products": [{"product_id": "p1"}]}', encoding="utf-8")
    loaded = cli("load", "--landing", tmp_path, "--warehouse", tmp_path / "warehouse")
    assert loaded.returncode == 0, loaded.stderr
    for command in ("audit", "quarantined"):
        assert_one_line_error(
            cli(command, "--warehouse", tmp_path / "warehouse"), "the audit marts are not built", "dbt build"
        )


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("RECOMART_THREADS", "many", "it must be a whole number"),
        ("RECOMART_SETTLE_SECONDS", "-1", "it must be at least 0"),
        ("RECOMART_MEMORY_LIMIT", "-1GB", "'-1GB' is not an amount of memory. Write it like 500MB or 4GB"),
    ],
)
def test_invalid_environment_setting(
    cli: RecomartCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert_one_line_error(cli("status", "--warehouse", tmp_path), f"recomart: {variable}: ", problem)


@pytest.mark.parametrize(
    "command",
    [
        ("customer",),
        pytest.param(("forget", "--check"), marks=pytest.mark.slow),
        pytest.param(("similar",), marks=pytest.mark.slow),
        pytest.param(("explain", "--basket", "p1", "--product"), marks=pytest.mark.slow),
        ("recommend", "--user"),
        pytest.param(("recommend", "--basket"), marks=pytest.mark.slow),
        pytest.param(("customers",), marks=pytest.mark.slow),
        pytest.param(("rejected", "--feed"), marks=pytest.mark.slow),
        pytest.param(("quarantined", "--reason"), marks=pytest.mark.slow),
        pytest.param(("promote",), marks=pytest.mark.slow),
        pytest.param(("datasets", "diff", "a"), marks=pytest.mark.slow),
        pytest.param(("keys", "add"), marks=pytest.mark.slow),
        pytest.param(("bench", "ranking", "--against"), marks=pytest.mark.slow),
    ],
)
def test_argument_must_be_utf8(recomart: RecomartCli, command: tuple[str, ...]) -> None:
    message = r"recomart: '\udcff\udcfe' is not valid UTF-8 text. Give the argument in UTF-8"
    assert recomart(*command, "\udcff\udcfe").stderr == f"{message}\n"


def test_path_need_not_be_utf8(recomart: RecomartCli, tmp_path: Path) -> None:
    result = recomart("status", "--warehouse", tmp_path / "\udcff")
    assert_one_line_error(result, "the warehouse does not exist")


@pytest.mark.slow
def test_command_reports_damaged_database(cli: RecomartCli, demo_warehouse: Settings, tmp_path: Path) -> None:
    """A file of another kind, a truncated file, and a file with one damaged block."""
    database = tmp_path / "recomart.duckdb"
    parts = (f"{database}: the database is damaged", "recomart restore", "docs/operations/restore.md")
    database.write_text("hello")
    assert_one_line_error(cli("status", "--warehouse", tmp_path), *parts)
    shutil.copy(demo_warehouse.database, database)
    damage_table(database, "marts.rec_top_n")
    assert_one_line_error(cli("publish", "--warehouse", tmp_path), *parts)
    os.truncate(database, database.stat().st_size // 2)
    for command in (["status"], ["publish"], ["load", "--landing", demo_warehouse.landing_dir]):
        assert_one_line_error(cli(*command, "--warehouse", tmp_path), *parts)


@pytest.mark.slow
def test_dbt_reports_damaged_block(demo_copy: Settings) -> None:
    damage_table(demo_copy.database, "marts.dim_users")
    with pytest.raises(RecomartError, match=r"the database is damaged: .* `recomart restore`"):
        run_dbt(demo_copy, "test", "--select", "dim_users")


@pytest.mark.parametrize("command", ["run", "status", "published", "demo-data"])
@pytest.mark.parametrize("path", ["file", "file/x"])
def test_warehouse_path_is_a_file(cli: RecomartCli, tmp_path: Path, command: str, path: str) -> None:
    (tmp_path / "file").touch()
    result = cli(command, "--warehouse", tmp_path / path)
    assert_one_line_error(
        result, f"{tmp_path / 'file'} is a file. Name a folder with --warehouse or RECOMART_WAREHOUSE"
    )


def test_warehouse_folder_cannot_be_created(cli: RecomartCli) -> None:
    assert_one_line_error(
        cli("demo-data", "--warehouse", "/proc/nope"), "recomart: /proc/nope: No such file", "another"
    )


@pytest.mark.slow
def test_memory_limit_is_too_small(cli: RecomartCli, demo_warehouse: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMART_MEMORY_LIMIT", "1MB")
    for command in ("status", "customers", "publish"):
        result = cli(command, "--warehouse", demo_warehouse.warehouse)
        assert_one_line_error(result, "memory limit is too small", "KiB used", "Raise RECOMART_MEMORY_LIMIT")


def test_damaged_or_missing_published_copy(cli: RecomartCli, demo_warehouse: Settings, tmp_path: Path) -> None:
    shutil.copytree(demo_warehouse.serving_dir, tmp_path / "serving")
    (copy,) = (tmp_path / "serving").glob("recomart-*.duckdb")
    # DuckDB opens a file that lacks only tables.
    os.truncate(copy, copy.stat().st_size // 2)
    assert_one_line_error(
        cli("recommend", "--user", "u1", "--warehouse", tmp_path), copy.name, "cannot be", "`recomart publish`"
    )
    os.truncate(copy, 10_000)
    assert_one_line_error(cli("published", "--warehouse", tmp_path), copy, "cannot be opened", "`recomart publish`")
    copy.unlink()
    assert_one_line_error(cli("published", "--warehouse", tmp_path), copy, "cannot be opened", "`recomart publish`")


@pytest.mark.parametrize(
    "command",
    [
        ("recommend", "--user", ""),
        pytest.param(("similar", ""), marks=pytest.mark.slow),
        pytest.param(("explain", "--user", "u", "--product", ""), marks=pytest.mark.slow),
    ],
)
def test_command_rejects_empty_id(cli: RecomartCli, command: tuple[str, ...]) -> None:
    result = cli(*command)
    assert result.returncode == 2
    assert "an id must have at least one character" in result.stderr
