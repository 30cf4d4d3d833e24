"""Runs `dagster dev` over a warehouse in a new Dagster home: webserver and daemon, as `make dev` starts them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import requests
from dagster_graphql import DagsterGraphQLClient

from tests.free_port import find_free_port
from warehouse.settings import PROJECT_ROOT, Settings

STOP_SECONDS = 15
"""Dagster waits a minute before it kills its processes; tests need not wait that long."""


class DagsterServer:
    """A running Dagster: launch runs, and read runs, events and output."""

    def __init__(self, instance: dg.DagsterInstance, port: int, log: Path) -> None:
        self.instance = instance
        self._log = log
        self._url = f"http://127.0.0.1:{port}/graphql"
        self._client = DagsterGraphQLClient("127.0.0.1", port_number=port)

    def read_output(self) -> list[str]:
        """Return the printed lines."""
        return self._log.read_text(encoding="utf-8").splitlines()

    def launch(self, job: str, tags: dict[str, str] | None = None) -> str:
        """Launch a job as the Launchpad does; return the run's id."""
        return self._client.submit_job_execution(job, tags=tags)

    def query(self, query: str, **variables: object) -> dict[str, Any]:
        """Send a GraphQL query as the web pages do; return the data."""
        response = requests.post(self._url, json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in response, response["errors"]
        data: dict[str, Any] = response["data"]
        return data

    def get_repository(self) -> dict[str, str]:
        """Return the names by which Dagster finds the state of sensors and schedules."""
        query = "{repositoriesOrError {... on RepositoryConnection {nodes {name location {name}}}}}"
        (repository,) = self.query(query)["repositoriesOrError"]["nodes"]
        return {"repositoryName": repository["name"], "repositoryLocationName": repository["location"]["name"]}

    def start_sensor(self, name: str) -> None:
        """Switch a sensor on."""
        mutation = "mutation($sensor: SensorSelector!) {startSensor(sensorSelector: $sensor) {__typename}}"
        result = self.query(mutation, sensor={**self.get_repository(), "sensorName": name})
        assert result["startSensor"]["__typename"] == "Sensor"

    def launch_backfill(self, job: str, partitions: list[str]) -> str:
        """Launch a backfill of a job's assets as the job's page does; return the backfill's id."""
        query = "query($job: PipelineSelector!) {assetNodes(pipeline: $job) {assetKey {path} isMaterializable}}"
        nodes = self.query(query, job={**self.get_repository(), "pipelineName": job})["assetNodes"]
        mutation = """mutation($parameters: LaunchBackfillParams!) {
            launchPartitionBackfill(backfillParams: $parameters) {... on LaunchBackfillSuccess {backfillId}}
        }"""
        assets = [node["assetKey"] for node in nodes if node["isMaterializable"]]
        parameters = {"assetSelection": assets, "partitionNames": partitions}
        return str(self.query(mutation, parameters=parameters)["launchPartitionBackfill"]["backfillId"])

    def wait_for_backfill(self, backfill_id: str, timeout_seconds: float) -> list[dg.DagsterRun]:
        """Return the runs of a backfill, the last first, when it has succeeded."""

        def is_complete() -> bool:
            backfill = self.instance.get_backfill(backfill_id)
            return backfill is not None and backfill.status.value == "COMPLETED_SUCCESS"

        self.wait_until(f"the end of backfill {backfill_id}", is_complete, timeout_seconds)
        return list(self.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill_id})))

    def wait_until(self, description: str, condition: Callable[[], bool], timeout_seconds: float) -> None:
        """Return as soon as the condition is true."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout_seconds:.0f} s: {description}"
            time.sleep(0.5)

    def wait_for_run(self, run_id: str, timeout_seconds: float = 180) -> dg.DagsterRun:
        """Return a run when it has finished, successfully or not."""
        self.wait_until(f"the end of run {run_id}", lambda: self.get_run(run_id).is_finished, timeout_seconds)
        return self.get_run(run_id)

    def get_run(self, run_id: str) -> dg.DagsterRun:
        """Return the current state of a run."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def list_steps(self, run_id: str, kind: dg.DagsterEventType) -> list[str]:
        """Return the steps of a run that have an event of a kind, in order."""
        entries = self.instance.all_logs(run_id, of_type=kind)
        return [entry.step_key for entry in entries if entry.step_key]

    def list_sensor_runs(self) -> list[dg.DagsterRun]:
        """Return the runs that the landing sensor started, and their retries, newest first."""
        return list(self.instance.get_runs(dg.RunsFilter(tags={"dagster/sensor_name": "landing_files_sensor"})))

    def get_process_id(self, run_id: str) -> int:
        """Return the id of the process that executes a run."""
        entries = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        metadata = [entry.get_dagster_event().engine_event_data.metadata for entry in entries]
        return next(int(str(values["pid"].value)) for values in metadata if "pid" in values)


@contextmanager
def run_dagster_dev(settings: Settings, folder: Path, command: str = "dagster") -> Iterator[DagsterServer]:
    """Start `dagster dev`, or `dg dev`, in a copy of the project's folder; stop it on exit.

    The folder's .env sets DAGSTER_HOME to a new home with the project's dagster.yaml.
    """
    home = folder / "dagster_home"
    home.mkdir()
    shutil.copy(PROJECT_ROOT / "orchestration" / "dagster_home" / "dagster.yaml", home)
    (folder / ".env").write_text(f"DAGSTER_HOME={home}\n", encoding="utf-8")
    shutil.copy(PROJECT_ROOT / "pyproject.toml", folder)
    (folder / "orchestration").symlink_to(PROJECT_ROOT / "orchestration")
    port = find_free_port()
    executable = str(Path(sys.executable).with_name(command))
    output = folder / "dagster.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [executable, "dev", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env={
                **{name: value for name, value in settings.build_environment().items() if name != "DAGSTER_HOME"},
                # Dagster and dg record telemetry there, when it is enabled.
                "HOME": str(folder),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for_port(port, process, output)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield DagsterServer(instance, port, output)
    finally:
        _stop_process(process)


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for_port(port: int, process: subprocess.Popen[bytes], output: Path, timeout_seconds: float = 120) -> None:
    """Return when the webserver answers."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"Dagster has ended:\n{output.read_text(encoding='utf-8')[-3000:]}"
        with socket.socket() as client:
            client.settimeout(1)
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    raise AssertionError(f"Dagster does not answer:\n{output.read_text(encoding='utf-8')[-3000:]}")
