"""Sensors that send failed runs and failed checks to a web hook."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import dagster as dg
import requests
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from warehouse.formatting import format_count
from warehouse.settings import Settings

TIMEOUT_SECONDS = 10

MAX_ATTEMPTS = 3
"""Attempts to send an alert when the web hook does not answer or reports a temporary failure."""

RETRY_DELAY_SECONDS = 0.5
"""Delay before the second attempt; the delay before the third is twice as long."""

WILL_RETRY_TAG = "dagster/will_retry"
"""Dagster's tag on a failed run that it will retry."""


def find_failed_checks(evaluations: Iterable[dg.AssetCheckEvaluation]) -> list[dict[str, Any]]:
    """Return the checks whose last evaluation failed, errors before warnings; evaluations are in order of time."""
    latest_by_check = {(check.asset_key, check.check_name): check for check in evaluations}
    failed_checks = [
        {
            "asset": check.asset_key.to_user_string(),
            "check": check.check_name,
            "severity": check.severity.value,
            "description": check.description,
        }
        for check in latest_by_check.values()
        if not check.passed
    ]
    return sorted(failed_checks, key=lambda check: str(check["severity"]))


def build_alert(context: dg.RunStatusSensorContext) -> dict[str, Any] | None:
    """Return the alert about a finished run; None when the run and its checks succeeded, or Dagster retries the run."""
    run = context.dagster_run
    if run.tags.get(WILL_RETRY_TAG) == "true":
        return None
    checks = find_failed_checks(_read_check_evaluations(context.instance, run))
    has_failed = run.status == dg.DagsterRunStatus.FAILURE
    if not has_failed and not checks:
        return None
    return {
        "run_id": run.run_id,
        "job": run.job_name,
        "status": run.status.value,
        "message": _describe_failure(context) if has_failed else f"{format_count(len(checks), 'check')} failed",
        "checks": checks,
    }


def _describe_failure(context: dg.RunStatusSensorContext) -> str:
    """Return the messages of the failed steps, or Dagster's message about the run when no step failed."""
    entries = context.instance.all_logs(context.dagster_run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    messages = []
    for entry in entries:
        failure = entry.get_dagster_event().step_failure_data
        description = failure.user_failure_data.description if failure.user_failure_data else None
        error = failure.error.message.strip() if failure.error else "no message"
        messages.append(f"{entry.step_key}: {description or error}")
    return "; ".join(messages) or context.dagster_event.message or "no message"


def _read_check_evaluations(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[dg.AssetCheckEvaluation]:
    """Return the check evaluations of a run and of its earlier attempts: a retry repeats only the unfinished steps."""
    try:
        _, attempts = instance.get_run_group(run.run_id) or (None, [])
    except dg.DagsterRunNotFoundError:
        # A user has deleted the first attempt.
        attempts = []
    retried_ids = [attempt.run_id for attempt in attempts if attempt.tags.get(WILL_RETRY_TAG) == "true"]
    entries = [
        entry
        for run_id in dict.fromkeys([*retried_ids, run.run_id])
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    entries.sort(key=lambda entry: entry.timestamp)
    return [entry.dagster_event.asset_check_evaluation_data for entry in entries if entry.dagster_event]


def _is_retryable(error: BaseException) -> bool:
    if isinstance(error, requests.HTTPError):
        return error.response.status_code == HTTPStatus.TOO_MANY_REQUESTS or error.response.status_code >= 500
    return isinstance(error, requests.ConnectionError | requests.Timeout)


@retry(
    retry=retry_if_exception(_is_retryable),
    stop=stop_after_attempt(MAX_ATTEMPTS),
    wait=wait_exponential(multiplier=RETRY_DELAY_SECONDS),
    reraise=True,
)
def _post_alert(url: str, payload: dict[str, Any]) -> None:
    requests.post(url, json=payload, timeout=TIMEOUT_SECONDS).raise_for_status()


def send_alert(settings: Settings, payload: dict[str, Any]) -> str:
    """Post an alert to the web hook and return the outcome; a web hook that fails raises no error."""
    if settings.alert_url is None:
        return "alert not sent: no web hook is set. Set RECOMART_ALERT_URL"
    try:
        _post_alert(settings.alert_url.get_secret_value(), payload)
    except requests.RequestException as error:
        # The error's text contains the address, which may contain a secret.
        return f"alert not sent: the web hook failed with {type(error).__name__}"
    return "alert sent"


def _alert_on_run_end(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    alert = build_alert(context)
    if alert is None:
        return dg.SkipReason("no alert: the run and its checks succeeded, or Dagster retries the run")
    return dg.SkipReason(f"{alert['message']}: {send_alert(Settings(), alert)}")


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.FAILURE, default_status=dg.DefaultSensorStatus.RUNNING)
def failed_run_alert_sensor(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    """Send an alert for every run that failed its last attempt, with the checks that failed."""
    return _alert_on_run_end(context)


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.SUCCESS, default_status=dg.DefaultSensorStatus.RUNNING)
def failed_check_alert_sensor(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    """Send an alert for every run that succeeded although checks failed or warned."""
    return _alert_on_run_end(context)
