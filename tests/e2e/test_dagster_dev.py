"""`dagster dev` starts without warnings, retries a killed run, and reloads the files that a backfill names."""

import os
import re
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from tests.conftest import SMALL_SHOP_CONFIG
from tests.dagster_dev import DagsterServer, run_dagster_dev
from warehouse.database import open_reader
from warehouse.demo.generator import generate_shop
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import Settings

RESTART_TIMEOUT_SECONDS = 240
"""Time for run monitoring to detect the killed run, for the retry to start, and for the pool's slot to become free."""


@pytest.fixture(scope="module")
def landed_shop_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A demo shop whose files have landed and are not loaded yet."""
    settings = Settings(warehouse=tmp_path_factory.mktemp("shop"))
    generate_shop(SMALL_SHOP_CONFIG, settings.landing_dir, settings.demo_truth_dir)
    return settings


@pytest.fixture(scope="module")
def dagster_server(landed_shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterServer]:
    """Dagster over the shop; its sensor starts the first run."""
    with run_dagster_dev(landed_shop_settings, tmp_path_factory.mktemp("dagster")) as dagster:
        yield dagster


def read_load_times(settings: Settings) -> dict[str, datetime]:
    """Return when each file was loaded."""
    with open_reader(settings) as connection:
        return dict(connection.execute("select path, loaded_at from raw.loaded_files").fetchall())


def find_warnings(dagster: DagsterServer) -> list[str]:
    """Return the warnings up to the sensor's first tick, without two that Dagster itself always prints."""
    dagster.wait_until(
        "the sensor's first tick", lambda: any("landing_files_sensor" in line for line in dagster.read_output()), 120
    )
    lines = [line for line in dagster.read_output() if re.search("warning", line, re.IGNORECASE)]
    return [line for line in lines if not re.search("SupersessionWarning|No cursor for event type", line)]


@pytest.mark.slow
def test_dagster_dev_starts_without_warnings(dagster_server: DagsterServer) -> None:
    assert find_warnings(dagster_server) == []


@pytest.mark.slow
def test_killed_run_is_retried_from_its_step(dagster_server: DagsterServer, landed_shop_settings: Settings) -> None:
    dagster_server.wait_until("a run for the files", lambda: len(dagster_server.list_sensor_runs()) == 1, 120)
    (killed,) = dagster_server.list_sensor_runs()
    dagster_server.wait_until(
        "the dbt step", lambda: "marts" in dagster_server.list_steps(killed.run_id, dg.DagsterEventType.STEP_START), 120
    )
    os.kill(dagster_server.get_process_id(killed.run_id), signal.SIGKILL)
    assert dagster_server.wait_for_run(killed.run_id).status == dg.DagsterRunStatus.FAILURE
    dagster_server.wait_until("a retry", lambda: len(dagster_server.list_sensor_runs()) > 1, RESTART_TIMEOUT_SECONDS)
    retry, *_ = dagster_server.list_sensor_runs()
    assert retry.parent_run_id == killed.run_id
    assert dagster_server.wait_for_run(retry.run_id, RESTART_TIMEOUT_SECONDS).status == dg.DagsterRunStatus.SUCCESS
    assert dagster_server.list_steps(retry.run_id, dg.DagsterEventType.STEP_START)[0] == "marts"
    assert read_pointer(landed_shop_settings).run_id is not None
    assert len(dagster_server.list_sensor_runs()) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "expected_pattern"),
    [
        ({"dates": "2026-01-03..2026-01-04"}, r".*2026-01-0[34].*"),
        ({"files": "clickstream/*2026-01-0[12]*"}, r"clickstream/.*2026-01-0[12].*"),
    ],
)
def test_backfill_reloads_only_named_files(
    dagster_server: DagsterServer, landed_shop_settings: Settings, config: dict[str, str], expected_pattern: str
) -> None:
    previous_load_times = read_load_times(landed_shop_settings)
    previous_copy = read_pointer(landed_shop_settings)
    run_id = dagster_server.launch("backfill", {"ops": {"raw_tables": {"config": config}}})
    assert dagster_server.wait_for_run(run_id).status == dg.DagsterRunStatus.SUCCESS
    load_times = read_load_times(landed_shop_settings)
    reloaded_paths = {path for path in load_times if load_times[path] != previous_load_times[path]}
    assert reloaded_paths == {path for path in previous_load_times if re.fullmatch(expected_pattern, path)} != set()
    assert read_pointer(landed_shop_settings).file != previous_copy.file


@pytest.mark.slow
def test_dg_dev_starts_without_warnings(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path / "shop")
    settings.landing_dir.mkdir(parents=True)
    with run_dagster_dev(settings, tmp_path, command="dg") as dagster:
        assert find_warnings(dagster) == []
