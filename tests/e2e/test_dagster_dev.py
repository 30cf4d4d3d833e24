"""A real Dagster starts quietly, starts a run again whose process is gone, and loads again what a backfill names."""

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
"""Noticed at the next look of run monitoring, started again, and let in as soon as the dead run's place is free."""


@pytest.fixture(scope="module")
def landed_shop_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A demo shop that has landed and gone no further."""
    settings = Settings(warehouse=tmp_path_factory.mktemp("shop"))
    generate_shop(SMALL_SHOP_CONFIG, settings.landing_dir, settings.demo_truth_dir)
    return settings


@pytest.fixture(scope="module")
def dagster_server(landed_shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterServer]:
    """Dagster over the shop; its sensor starts the first run."""
    with run_dagster_dev(landed_shop_settings, tmp_path_factory.mktemp("dagster")) as dagster:
        yield dagster


def read_load_times(settings: Settings) -> dict[str, datetime]:
    """When each file was loaded."""
    with open_reader(settings) as connection:
        return dict(connection.execute("select path, loaded_at from raw.loaded_files").fetchall())


def find_warnings(dagster: DagsterServer) -> list[str]:
    """What it warns of until it has looked at landing, without what Dagster always says."""
    dagster.wait_until(
        "a look at landing", lambda: any("landing_files_sensor" in line for line in dagster.read_output()), 120
    )
    lines = [line for line in dagster.read_output() if re.search("warning", line, re.IGNORECASE)]
    return [line for line in lines if not re.search("SupersessionWarning|No cursor for event type", line)]


@pytest.mark.slow
def test_dagster_dev_starts_without_warnings(dagster_server: DagsterServer) -> None:
    assert find_warnings(dagster_server) == []


@pytest.mark.slow
def test_killed_run_is_retried_from_its_step(
    dagster_server: DagsterServer, landed_shop_settings: Settings
) -> None:
    dagster_server.wait_until("a run for what has landed", lambda: len(dagster_server.list_sensor_runs()) == 1, 120)
    (killed,) = dagster_server.list_sensor_runs()
    dagster_server.wait_until(
        "dbt at work", lambda: "marts" in dagster_server.list_steps(killed.run_id, dg.DagsterEventType.STEP_START), 120
    )
    os.kill(dagster_server.get_process_id(killed.run_id), signal.SIGKILL)
    assert dagster_server.wait_for_run(killed.run_id).status == dg.DagsterRunStatus.FAILURE
    dagster_server.wait_until(
        "a second run", lambda: len(dagster_server.list_sensor_runs()) > 1, RESTART_TIMEOUT_SECONDS
    )
    again, *_ = dagster_server.list_sensor_runs()
    assert again.parent_run_id == killed.run_id
    assert dagster_server.wait_for_run(again.run_id, RESTART_TIMEOUT_SECONDS).status == dg.DagsterRunStatus.SUCCESS
    assert dagster_server.list_steps(again.run_id, dg.DagsterEventType.STEP_START)[0] == "marts"
    assert read_pointer(landed_shop_settings).run_id is not None
    assert len(dagster_server.list_sensor_runs()) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({"dates": "2026-01-03..2026-01-04"}, r".*2026-01-0[34].*"),
        ({"files": "clickstream/*2026-01-0[12]*"}, r"clickstream/.*2026-01-0[12].*"),
    ],
)
def test_backfill_reloads_only_named_files(
    dagster_server: DagsterServer, landed_shop_settings: Settings, asked: dict[str, str], meant: str
) -> None:
    before = read_load_times(landed_shop_settings)
    published = read_pointer(landed_shop_settings)
    run = dagster_server.launch("backfill", {"ops": {"raw_tables": {"config": asked}}})
    assert dagster_server.wait_for_run(run).status == dg.DagsterRunStatus.SUCCESS
    after = read_load_times(landed_shop_settings)
    again = {path for path in after if after[path] != before[path]}
    assert again == {path for path in before if re.fullmatch(meant, path)} != set()
    assert read_pointer(landed_shop_settings).file != published.file


@pytest.mark.slow
def test_dg_dev_starts_without_warnings(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path / "shop")
    settings.landing_dir.mkdir(parents=True)
    with run_dagster_dev(settings, tmp_path, command="dg") as dagster:
        assert find_warnings(dagster) == []
