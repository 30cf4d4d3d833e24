"""`dagster dev` and `dg dev`: their start, retries, backfills and alerts."""

import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from tests.conftest import SMALL_SHOP_CONFIG
from tests.dagster_dev import DagsterServer, run_dagster_dev
from tests.web_hook import WebHook
from warehouse.database import open_reader
from warehouse.demo.generator import generate_shop
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import Settings

SENSOR_INTERVAL_SECONDS = 30
"""Twice the interval of the landing sensor."""

RESTART_TIMEOUT_SECONDS = 240
"""Time for run monitoring to detect the killed run, for the retry to start, and for the pool's slot to become free."""


@pytest.fixture(scope="module")
def landed_shop_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A demo shop whose files have landed and are not loaded yet."""
    settings = Settings(warehouse=tmp_path_factory.mktemp("shop"))
    generate_shop(SMALL_SHOP_CONFIG, settings.landing_dir, settings.demo_truth_dir)
    return settings


@pytest.fixture(scope="module")
def web_hook() -> Iterator[WebHook]:
    """The web hook of the alerts."""
    hook = WebHook(200)
    yield hook
    hook.close()


@pytest.fixture(scope="module")
def dagster_server(
    landed_shop_settings: Settings, web_hook: WebHook, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DagsterServer]:
    """Dagster over the shop."""
    settings = landed_shop_settings.model_copy(update={"alert_url": SecretStr(web_hook.url)})
    with run_dagster_dev(settings, tmp_path_factory.mktemp("dagster")) as dagster:
        yield dagster


def read_load_times(settings: Settings) -> dict[str, datetime]:
    """Return when each file was loaded."""
    with open_reader(settings) as connection:
        return dict(connection.execute("select path, loaded_at from raw.loaded_files").fetchall())


def find_warnings(dagster: DagsterServer) -> list[str]:
    """Return the warnings up to the first tick of a sensor, without two that Dagster itself always prints."""
    dagster.wait_until("a sensor's tick", lambda: any("alert_sensor" in line for line in dagster.read_output()), 120)
    lines = [line for line in dagster.read_output() if re.search("warning", line, re.IGNORECASE)]
    return [line for line in lines if not re.search("SupersessionWarning|No cursor for event type", line)]


@pytest.mark.slow
def test_first_start_runs_nothing(dagster_server: DagsterServer) -> None:
    """Dagster starts without warnings, and starts no run before a user has switched a sensor or the schedule on."""
    assert find_warnings(dagster_server) == []
    time.sleep(SENSOR_INTERVAL_SECONDS)
    assert list(dagster_server.instance.get_runs()) == []


@pytest.mark.slow
def test_killed_run_is_retried_from_its_step(dagster_server: DagsterServer, landed_shop_settings: Settings) -> None:
    dagster_server.start_sensor("landing_files_sensor")
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
def test_published_copy_is_fresh(dagster_server: DagsterServer) -> None:
    """Dagster measures the freshness of the copy that the retried run has published."""
    query = """{assetNodeOrError(assetKey: {path: ["serving", "published_copy"]}) {
        ... on AssetNode {freshnessStatusInfo {freshnessStatus}}
    }}"""

    def is_fresh() -> bool:
        info = dagster_server.query(query)["assetNodeOrError"]["freshnessStatusInfo"]
        return bool(info["freshnessStatus"] == "HEALTHY")

    dagster_server.wait_until("a fresh copy", is_fresh, 90)


@pytest.mark.slow
def test_backfill_reloads_days(dagster_server: DagsterServer, landed_shop_settings: Settings) -> None:
    """One run loads the files of a range of days, and later runs build and publish."""
    previous_load_times, previous_copy = read_load_times(landed_shop_settings), read_pointer(landed_shop_settings)
    backfill_id = dagster_server.launch_backfill("backfill", ["2026-01-03", "2026-01-04"])
    runs = dagster_server.wait_for_backfill(backfill_id, 300)
    steps = [dagster_server.list_steps(run.run_id, dg.DagsterEventType.STEP_START) for run in runs]
    assert steps.count(["landing__days"]) == 1
    for step in ("landing__days", "raw_tables", "model_tables", "serving__published_copy"):
        assert sum(step in run_steps for run_steps in steps) == 1
    assert_reloaded(landed_shop_settings, previous_load_times, r".*2026-01-0[34].*")
    assert read_pointer(landed_shop_settings).file != previous_copy.file


@pytest.mark.slow
def test_run_of_one_day_reloads_it(dagster_server: DagsterServer, landed_shop_settings: Settings) -> None:
    """For one day, the job's page launches one run of the job."""
    previous_load_times, previous_copy = read_load_times(landed_shop_settings), read_pointer(landed_shop_settings)
    run_id = dagster_server.launch("backfill", {"dagster/partition": "2026-01-02"})
    assert dagster_server.wait_for_run(run_id).status == dg.DagsterRunStatus.SUCCESS
    assert_reloaded(landed_shop_settings, previous_load_times, r".*2026-01-02.*")
    assert read_pointer(landed_shop_settings).file != previous_copy.file


def assert_reloaded(settings: Settings, previous_load_times: dict[str, datetime], pattern: str) -> None:
    """Check that the files whose paths match a pattern were loaded again, and no others."""
    load_times = read_load_times(settings)
    reloaded_paths = {path for path in load_times if load_times[path] != previous_load_times[path]}
    assert reloaded_paths == {path for path in previous_load_times if re.fullmatch(pattern, path)} != set()


@pytest.mark.slow
def test_failed_step_is_not_retried(
    dagster_server: DagsterServer, landed_shop_settings: Settings, web_hook: WebHook
) -> None:
    """The alert comes with the first failure, because the error would come back."""
    landed_shop_settings.policy_file.write_text('{"gates": {"max_loss": "much"}}', encoding="utf-8")
    run_id = dagster_server.launch("model_only")
    run = dagster_server.wait_for_run(run_id)
    landed_shop_settings.policy_file.unlink()
    assert (run.status, run.tags["dagster/will_retry"]) == (dg.DagsterRunStatus.FAILURE, "false")
    dagster_server.wait_until("an alert", lambda: run_id in [alert["run_id"] for alert in web_hook.payloads], 60)
    (alert,) = [alert for alert in web_hook.payloads if alert["run_id"] == run_id]
    assert re.match(r"model_tables: .*policy.json: gates.max_loss", alert["message"])
    assert dagster_server.list_steps(run_id, dg.DagsterEventType.STEP_UP_FOR_RETRY) == []


@pytest.mark.slow
def test_dg_dev_is_equivalent(dagster_server: DagsterServer, tmp_path: Path) -> None:
    """`dg dev` starts without warnings, records no telemetry, and finds the cursors and switches of `dagster dev`."""
    settings = Settings(warehouse=tmp_path / "shop")
    settings.landing_dir.mkdir(parents=True)
    with run_dagster_dev(settings, tmp_path, command="dg") as dagster:
        assert find_warnings(dagster) == []
        assert dagster.get_repository() == dagster_server.get_repository()
    assert [line for line in dagster.read_output() if "elemetry" in line] == []
    assert not (tmp_path / ".dagster").exists()
