"""A dbt command by hand on a warehouse that it cannot open."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from orchestration.dbt_runner import PROJECT_DIR, find_dbt_executable, run_dbt
from tests.database_lock import hold_database
from warehouse.errors import WarehouseBusyError
from warehouse.settings import Settings


def run_dbt_by_hand(folder: Path, *args: str, prefix: tuple[str, ...] = (), **variables: str) -> str:
    """Return the output of a dbt command that must fail, with its line breaks removed."""
    log_options = ("--log-path", str(folder / "logs"))
    result = subprocess.run(
        [*prefix, find_dbt_executable(), "--no-use-colors", *args, *log_options],
        cwd=PROJECT_DIR,
        env={**os.environ, "RECOMART_WAREHOUSE": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert result.returncode != 0
    assert "Traceback" not in result.stdout
    return " ".join(result.stdout.split())


@pytest.mark.parametrize("target", ["prod", "dev"])
def test_missing_warehouse_is_refused(tmp_path: Path, target: str) -> None:
    output = run_dbt_by_hand(tmp_path / "none", "debug", "--target", target)
    assert f"{tmp_path}/none/recomart.duckdb: the warehouse does not exist" in output
    assert "recomart load" in output


def test_wrong_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "recomart.duckdb").touch()
    output = run_dbt_by_hand(tmp_path, "debug", RECOMART_NIGHTLY_HOUR="25")
    assert "RECOMART_NIGHTLY_HOUR: it must be at most 23" in output
    assert "validation error" not in output


@pytest.mark.slow
def test_build_fails_once(tmp_path: Path, demo_copy: Settings) -> None:
    """A build opens twelve connections. None of them waits again after the first failure."""
    target = ("--target-path", str(tmp_path / "target"))
    output = run_dbt_by_hand(tmp_path / "none", "build", *target)
    assert f"{tmp_path}/none/recomart.duckdb: the warehouse does not exist" in output
    with hold_database(demo_copy.database) as process_id:
        start_seconds = time.monotonic()
        output = run_dbt_by_hand(demo_copy.warehouse, "build", *target, RECOMART_WAIT_SECONDS="5")
    assert f"process {process_id}" in output
    assert 5 < time.monotonic() - start_seconds < 50


def test_locked_warehouse_is_waited_for(tmp_path: Path, demo_warehouse: Settings) -> None:
    shutil.copy(demo_warehouse.database, tmp_path)
    with hold_database(tmp_path / "recomart.duckdb") as process_id:
        output = run_dbt_by_hand(tmp_path, "debug", RECOMART_WAIT_SECONDS="1")
    assert f"process {process_id}" in output
    assert "is using the warehouse" in output


def test_unreadable_warehouse_is_refused(tmp_path: Path, demo_warehouse: Settings) -> None:
    database = Path(shutil.copy(demo_warehouse.database, tmp_path))
    database.chmod(0o444)
    # Root may write read-only files, unless it gives up this right.
    as_other = ("setpriv", "--bounding-set", "-dac_override", "--inh-caps", "-dac_override")
    if os.geteuid() != 0 or shutil.which("setpriv"):
        output = run_dbt_by_hand(tmp_path, "debug", prefix=as_other if os.geteuid() == 0 else ())
        assert "Permission denied. Give this user the right to write the file" in output
    database.chmod(0o644)
    os.truncate(database, database.stat().st_size // 2)
    output = run_dbt_by_hand(tmp_path, "debug")
    assert f"{database}: the database is damaged" in output
    assert "recomart restore" in output


def test_run_dbt_reports_lock_as_busy(dbt_folder: Path, demo_warehouse: Settings) -> None:
    """Callers wait and try again after this error only."""
    settings = Settings(warehouse=dbt_folder / "warehouse", wait_seconds=0)
    settings.warehouse.mkdir(exist_ok=True)
    shutil.copy(demo_warehouse.database, settings.database)
    with (
        hold_database(settings.database) as process_id,
        pytest.raises(WarehouseBusyError, match=f"process {process_id}"),
    ):
        run_dbt(settings, "build", "--select", "dim_users")
