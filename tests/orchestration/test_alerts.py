"""A failed run and a failed check are told to a real web hook; all that goes well is not."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from orchestration.alerts import build_alert, send_alert
from warehouse.settings import Settings


class WebHook:
    """A web hook that remembers what it was told, and answers with one status after the other, then with the last."""

    def __init__(self, *statuses: int) -> None:
        told: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(statuses[min(len(told), len(statuses)) - 1])
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.payloads = told
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/secret"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def web_hook() -> Iterator[WebHook]:
    """A web hook that takes what it is told."""
    hook = WebHook(200)
    yield hook
    hook.close()


@dg.asset
def list_asset() -> None:
    """Succeeds."""


@dg.asset
def failing_asset() -> None:
    """Fails."""
    raise dg.Failure("the disk is full")


@dg.asset_check(asset=list_asset)
def warning_check() -> dg.AssetCheckResult:
    """Warns."""
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description="3 customers have none")


@dg.asset_check(asset=list_asset)
def passing_check() -> dg.AssetCheckResult:
    """Passes."""
    return dg.AssetCheckResult(passed=True)


@dg.asset(deps=[list_asset])
def asset_failing_first() -> None:
    """Fails until the environment says that this is the second attempt."""
    if not os.environ["SECOND_ATTEMPT"]:
        raise dg.Failure("the warehouse is in use")


def build_job_failing_first() -> dg.JobDefinition:
    """Job over an asset whose check warns, and one that fails at first."""
    job = dg.define_asset_job("all", "*", executor_def=dg.in_process_executor)
    assets = [list_asset, asset_failing_first]
    return dg.Definitions(assets=assets, asset_checks=[warning_check], jobs=[job]).resolve_job_def("all")


def run_and_build_alert(
    instance: dg.DagsterInstance, assets: list[Any], checks: list[Any], tags: dict[str, str] | None = None
) -> dict[str, Any] | None:
    """Return what there is to tell of a run over the assets."""
    defs = dg.Definitions(assets=assets, asset_checks=checks, jobs=[dg.define_asset_job("all", "*")])
    result = defs.resolve_job_def("all").execute_in_process(instance=instance, raise_on_error=False)
    kind = dg.DagsterEventType.RUN_SUCCESS if result.success else dg.DagsterEventType.RUN_FAILURE
    (event,) = [event for event in result.all_events if event.event_type == kind]
    instance.add_run_tags(result.run_id, tags or {})
    return build_alert_for_event(instance, event, result.run_id)


def build_alert_for_event(instance: dg.DagsterInstance, event: dg.DagsterEvent, run_id: str) -> dict[str, Any] | None:
    """Return what there is to tell when an event ends a run."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return build_alert(dg.build_run_status_sensor_context("tell", event, instance, run))


def test_build_alert_skips_successful_run() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_and_build_alert(instance, [list_asset], [passing_check]) is None


def test_build_alert_reports_failed_checks(web_hook: WebHook) -> None:
    settings = Settings(alert_url=SecretStr(web_hook.url))
    with dg.DagsterInstance.ephemeral() as instance:
        told = run_and_build_alert(instance, [list_asset], [passing_check, warning_check])
    assert told is not None
    assert send_alert(settings, told) == "told to the web hook"
    assert web_hook.payloads == [told]
    assert (told["job"], told["status"], told["message"]) == ("all", "SUCCESS", "1 checks did not pass")
    assert told["checks"] == [
        {
            "asset": "list_asset",
            "check": "warning_check",
            "severity": "WARN",
            "description": "3 customers have none",
        }
    ]


def test_build_alert_reports_failed_run(web_hook: WebHook) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        told = run_and_build_alert(instance, [failing_asset], [])
    assert told is not None
    send_alert(Settings(alert_url=SecretStr(web_hook.url)), told)
    assert (web_hook.payloads[0]["status"], web_hook.payloads[0]["checks"]) == ("FAILURE", [])
    assert web_hook.payloads[0]["message"] == "failing_asset: the disk is full"


def test_build_alert_skips_retried_run() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_and_build_alert(instance, [failing_asset], [], {"dagster/will_retry": "true"}) is None
        assert run_and_build_alert(instance, [failing_asset], [], {"dagster/will_retry": "false"}) is not None


def test_build_alert_includes_earlier_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry alerts about checks that warned in the first attempt."""
    monkeypatch.setenv("SECOND_ATTEMPT", "")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        first = dg.execute_job(dg.reconstructable(build_job_failing_first), instance)
        instance.add_run_tags(first.run_id, {"dagster/will_retry": "true"})
        monkeypatch.setenv("SECOND_ATTEMPT", "yes")
        again = dg.ReexecutionOptions.from_failure(first.run_id, instance)
        second = dg.execute_job(dg.reconstructable(build_job_failing_first), instance, reexecution_options=again)
        (failed,) = first.filter_events(lambda event: event.event_type == dg.DagsterEventType.RUN_FAILURE)
        (succeeded,) = second.filter_events(lambda event: event.event_type == dg.DagsterEventType.RUN_SUCCESS)
        assert build_alert_for_event(instance, failed, first.run_id) is None
        told = build_alert_for_event(instance, succeeded, second.run_id)
    assert told is not None
    assert [check["check"] for check in told["checks"]] == ["warning_check"]


def test_send_alert_retries_busy_hook() -> None:
    busy = WebHook(503, 200)
    assert send_alert(Settings(alert_url=SecretStr(busy.url)), {"run_id": "a"}) == "told to the web hook"
    busy.close()
    assert busy.payloads == [{"run_id": "a"}] * 2


def test_send_alert_hides_hook_address() -> None:
    """The outcome names the error's type: its text would contain the address."""
    refusing = WebHook(403)
    said = send_alert(Settings(alert_url=SecretStr(refusing.url)), {})
    refusing.close()
    assert len(refusing.payloads) == 1
    assert said == "the web hook did not take it: HTTPError"
    assert (
        send_alert(Settings(alert_url=SecretStr(refusing.url)), {}) == "the web hook did not take it: ConnectionError"
    )
    assert "not told to anybody" in send_alert(Settings(), {})
