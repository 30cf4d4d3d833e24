"""Alerts about failed runs and failed checks, sent to a local web hook."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from orchestration.alerts import build_alert, failed_run_alert_sensor, send_alert
from tests.web_hook import WebHook
from warehouse.settings import Settings


@pytest.fixture
def web_hook() -> Iterator[WebHook]:
    """A web hook that accepts every alert."""
    hook = WebHook(200)
    yield hook
    hook.close()


@dg.asset
def succeeding_asset() -> None:
    """Succeeds."""


@dg.asset
def failing_asset() -> None:
    """Fails."""
    raise dg.Failure("the disk is full")


@dg.asset_check(asset=succeeding_asset)
def warning_check() -> dg.AssetCheckResult:
    """Warns."""
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description="3 customers have none")


@dg.asset_check(asset=succeeding_asset)
def passing_check() -> dg.AssetCheckResult:
    """Passes."""
    return dg.AssetCheckResult(passed=True)


@dg.asset_check(asset=succeeding_asset)
def feed_check() -> dg.AssetCheckResult:
    """Warns with the lines of FEED_WARNINGS. A check of dbt that passes has severity ERROR."""
    warnings = os.environ["FEED_WARNINGS"]
    severity = dg.AssetCheckSeverity.WARN if warnings else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(passed=not warnings, severity=severity, description=warnings)


@dg.asset_check(asset=succeeding_asset, blocking=True)
def gate_check() -> dg.AssetCheckResult:
    """Fails."""
    return dg.AssetCheckResult(passed=False, description="events of 2026-01-20: 400 lines where 40 are usual")


@dg.asset(deps=[succeeding_asset])
def asset_failing_first() -> None:
    """Fails unless SECOND_ATTEMPT is set."""
    if not os.environ["SECOND_ATTEMPT"]:
        raise dg.Failure("the warehouse is in use")


def build_job_failing_first() -> dg.JobDefinition:
    """Return a job over an asset whose check warns, and an asset whose first attempt fails."""
    job = dg.define_asset_job("all", "*", executor_def=dg.in_process_executor)
    assets = [succeeding_asset, asset_failing_first]
    return dg.Definitions(assets=assets, asset_checks=[warning_check], jobs=[job]).resolve_job_def("all")


def run_and_build_alert(
    instance: dg.DagsterInstance, assets: list[Any], checks: list[Any], tags: dict[str, str] | None = None
) -> dict[str, Any] | None:
    """Run the assets and checks; return the alert about the run."""
    defs = dg.Definitions(assets=assets, asset_checks=checks, jobs=[dg.define_asset_job("all", "*")])
    result = defs.resolve_job_def("all").execute_in_process(instance=instance, raise_on_error=False)
    kind = dg.DagsterEventType.RUN_SUCCESS if result.success else dg.DagsterEventType.RUN_FAILURE
    (event,) = [event for event in result.all_events if event.event_type == kind]
    instance.add_run_tags(result.run_id, tags or {})
    return build_alert_for_event(instance, event, result.run_id)


def build_alert_for_event(instance: dg.DagsterInstance, event: dg.DagsterEvent, run_id: str) -> dict[str, Any] | None:
    """Return the alert about a run that ended with an event."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return build_alert(dg.build_run_status_sensor_context("alert_sensor", event, instance, run))


def test_build_alert_skips_successful_run() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_and_build_alert(instance, [succeeding_asset], [passing_check]) is None


def test_build_alert_reports_failed_checks(web_hook: WebHook) -> None:
    settings = Settings(alert_url=SecretStr(web_hook.url))
    with dg.DagsterInstance.ephemeral() as instance:
        alert = run_and_build_alert(instance, [succeeding_asset], [passing_check, warning_check])
    assert alert is not None
    assert send_alert(settings, alert) == "alert sent"
    assert web_hook.payloads == [alert]
    assert (alert["job"], alert["status"]) == ("all", "SUCCESS")
    assert alert["message"] == "warning: warning_check: 3 customers have none"
    assert alert["checks"] == [
        {
            "asset": "succeeding_asset",
            "check": "warning_check",
            "severity": "WARN",
            "state": "warning",
            "description": "3 customers have none",
        }
    ]


def test_build_alert_reports_failed_run(web_hook: WebHook) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        alert = run_and_build_alert(instance, [failing_asset], [])
    assert alert is not None
    send_alert(Settings(alert_url=SecretStr(web_hook.url)), alert)
    assert (web_hook.payloads[0]["status"], web_hook.payloads[0]["checks"]) == ("FAILURE", [])
    assert web_hook.payloads[0]["message"] == "failing_asset: the disk is full"


def test_sensor_alerts_about_run_without_code_location(web_hook: WebHook, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dagster job execute` and `dg launch` start such runs."""
    monkeypatch.setenv("RECOMART_ALERT_URL", web_hook.url)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance, repository_name="__repository__")
        first_tick = failed_run_alert_sensor.evaluate_tick(context)
        assert run_and_build_alert(instance, [failing_asset], []) is not None
        context = dg.build_sensor_context(instance, first_tick.cursor, repository_name="__repository__")
        failed_run_alert_sensor.evaluate_tick(context)
    assert [alert["message"] for alert in web_hook.payloads] == ["failing_asset: the disk is full"]


def test_build_alert_reports_start_and_end_of_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lasting warning is in one alert, although its figures change, and its end in another."""
    purchases, events = "purchases: no delivery for {} days", "events: no delivery since 2026-01-{}"
    steps: list[tuple[list[str], list[tuple[str, str]]]] = [
        ([purchases.format(9)], [("warning", purchases.format(9))]),
        ([purchases.format(10)], []),
        ([purchases.format(11), events.format(20)], [("warning", events.format(20))]),
        (
            [events.format(21)],
            [("warning", events.format(21)), ("ended", f"{purchases.format(11)}\n{events.format(20)}")],
        ),
        ([], [("ended", events.format(21))]),
        ([], []),
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        for warnings, expected_news in steps:
            monkeypatch.setenv("FEED_WARNINGS", "\n".join(warnings))
            alert = run_and_build_alert(instance, [succeeding_asset], [feed_check, passing_check])
            assert [
                (check["state"], check["description"]) for check in (alert or {"checks": []})["checks"]
            ] == expected_news


def test_build_alert_of_late_tick_ignores_later_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sensor may tick after the next run."""
    defs = dg.Definitions([succeeding_asset], asset_checks=[feed_check], jobs=[dg.define_asset_job("all", "*")])
    with dg.DagsterInstance.ephemeral() as instance:
        results = []
        for warnings in ("purchases: late", ""):
            monkeypatch.setenv("FEED_WARNINGS", warnings)
            results.append(defs.resolve_job_def("all").execute_in_process(instance=instance))
        alerts = [build_alert_for_event(instance, result.all_events[-1], result.run_id) for result in results]
    assert [alert and alert["message"] for alert in alerts] == [
        "warning: feed_check: purchases: late",
        "ended: feed_check: purchases: late",
    ]


def test_build_alert_repeats_failed_gate() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        alerts = [run_and_build_alert(instance, [succeeding_asset], [gate_check]) for _ in range(2)]
    for alert in alerts:
        assert alert is not None
        assert [(check["state"], check["description"]) for check in alert["checks"]] == [
            ("failed", "events of 2026-01-20: 400 lines where 40 are usual")
        ]


def test_build_alert_skips_retried_run() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_and_build_alert(instance, [failing_asset], [], {"dagster/will_retry": "true"}) is None
        assert run_and_build_alert(instance, [failing_asset], [], {"dagster/will_retry": "false"}) is not None


def test_build_alert_includes_earlier_attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry alerts about checks that warned in the first attempt."""
    monkeypatch.setenv("SECOND_ATTEMPT", "")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        first = dg.execute_job(dg.reconstructable(build_job_failing_first), instance)
        instance.add_run_tags(first.run_id, {"dagster/will_retry": "true"})
        monkeypatch.setenv("SECOND_ATTEMPT", "yes")
        retry = dg.ReexecutionOptions.from_failure(first.run_id, instance)
        second = dg.execute_job(dg.reconstructable(build_job_failing_first), instance, reexecution_options=retry)
        (failed,) = first.filter_events(lambda event: event.event_type == dg.DagsterEventType.RUN_FAILURE)
        (succeeded,) = second.filter_events(lambda event: event.event_type == dg.DagsterEventType.RUN_SUCCESS)
        assert build_alert_for_event(instance, failed, first.run_id) is None
        alert = build_alert_for_event(instance, succeeded, second.run_id)
    assert alert is not None
    assert [check["check"] for check in alert["checks"]] == ["warning_check"]


def test_send_alert_retries_busy_hook() -> None:
    busy_hook = WebHook(503, 200)
    assert send_alert(Settings(alert_url=SecretStr(busy_hook.url)), {"run_id": "a"}) == "alert sent"
    busy_hook.close()
    assert busy_hook.payloads == [{"run_id": "a"}] * 2


def test_send_alert_hides_hook_address() -> None:
    """The outcome names the error's type: its text would contain the address."""
    refusing_hook = WebHook(403)
    settings = Settings(alert_url=SecretStr(refusing_hook.url))
    outcome = send_alert(settings, {})
    refusing_hook.close()
    assert len(refusing_hook.payloads) == 1
    assert outcome == "alert not sent: the web hook failed with HTTPError"
    assert send_alert(settings, {}) == "alert not sent: the web hook failed with ConnectionError"
    assert "alert not sent: no web hook is set" in send_alert(Settings(), {})
