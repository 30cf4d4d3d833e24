"""Sensors that send failed runs, failed checks, and the starts and ends of warnings to a web hook."""

import re
from http import HTTPStatus
from itertools import dropwhile
from typing import Any

import dagster as dg
import requests
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from warehouse.settings import Settings

TIMEOUT_SECONDS = 10

MAX_ATTEMPTS = 3
"""Attempts to send an alert when the web hook does not answer or reports a temporary failure."""

RETRY_DELAY_SECONDS = 0.5
"""Delay before the second attempt; the delay before the third is twice as long."""

MAX_READ_EVALUATIONS = 10
"""Records of a check that are searched for the last one before a run. The run's attempts and later runs come first."""

FIGURE_PATTERN = r"(?<![\w-])\d+(?:[.,]\d+)*(?![\w-])"
"""A number in a message, but not a date or a part of an id."""

STATES = ("failed", "warning", "ended")
"""States of a check in an alert, in their order there."""

WILL_RETRY_TAG = "dagster/will_retry"
"""Dagster's tag on a failed run that it will retry."""


def build_alert(context: dg.RunStatusSensorContext) -> dict[str, Any] | None:
    """Return the alert about a finished run; None when it has no news, or Dagster retries the run.

    A run has news when it failed, a check of severity ERROR failed, or a warning started or ended.
    """
    run = context.dagster_run
    if run.tags.get(WILL_RETRY_TAG) == "true":
        return None
    failures = _describe_failed_steps(context) if run.status == dg.DagsterRunStatus.FAILURE else []
    checks = find_check_news(context.instance, run)
    if not failures and not checks:
        return None
    # The message of a failed step has those of its failed checks.
    described_checks = [check for check in checks if not (failures and check["state"] == "failed")]
    check_messages = [
        f"{check['state']}: {check['check']}: {'; '.join(check['description'].splitlines())}"
        for check in described_checks
    ]
    return {
        "run_id": run.run_id,
        "job": run.job_name,
        "status": run.status.value,
        "message": "; ".join([*failures, *check_messages]),
        "checks": checks,
    }


def find_check_news(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[dict[str, Any]]:
    """Return the checks that failed in a run, and the warnings that have started or ended since the run before it.

    The warnings of a check are the lines of its description. A line that differs only in its figures, such as the days
    without a delivery, is the same warning. A failure of severity ERROR is always new.
    """
    run_ids = _list_attempts(instance, run)
    news = []
    for check in _read_last_evaluations(instance, run_ids):
        previous_check = _read_previous_evaluation(instance, check, run_ids)
        lines, previous_lines = _get_problem_lines(check), _get_problem_lines(previous_check)
        is_error = check.severity == dg.AssetCheckSeverity.ERROR
        started_lines = [line for problem, line in lines.items() if is_error or problem not in previous_lines]
        ended_lines = [line for problem, line in previous_lines.items() if problem not in lines]
        if started_lines:
            news.append(_describe_check(check, "failed" if is_error else "warning", started_lines))
        if previous_check and ended_lines:
            news.append(_describe_check(previous_check, "ended", ended_lines))
    return sorted(news, key=lambda entry: STATES.index(entry["state"]))


def _describe_check(check: dg.AssetCheckEvaluation, state: str, lines: list[str]) -> dict[str, Any]:
    return {
        "asset": check.asset_key.to_user_string(),
        "check": check.check_name,
        "severity": check.severity.value,
        "state": state,
        "description": "\n".join(lines),
    }


def _get_problem_lines(check: dg.AssetCheckEvaluation | None) -> dict[str, str]:
    """Return the lines of a failed check by their text without figures; dates stay."""
    if check is None or check.passed:
        return {}
    lines = (check.description or "the check did not pass").splitlines()
    return {re.sub(FIGURE_PATTERN, "#", line): line for line in lines}


def _list_attempts(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """Return the ids of a run and of its earlier attempts: a retry repeats only the unfinished steps."""
    try:
        _, attempts = instance.get_run_group(run.run_id) or (None, [])
    except dg.DagsterRunNotFoundError:
        # A user has deleted the first attempt.
        attempts = []
    retried_ids = [attempt.run_id for attempt in attempts if attempt.tags.get(WILL_RETRY_TAG) == "true"]
    return list(dict.fromkeys([*retried_ids, run.run_id]))


def _read_last_evaluations(instance: dg.DagsterInstance, run_ids: list[str]) -> list[dg.AssetCheckEvaluation]:
    """Return the last evaluation of every check in the attempts of a run."""
    entries = [
        entry
        for run_id in run_ids
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    entries.sort(key=lambda entry: entry.timestamp)
    evaluations = [entry.dagster_event.asset_check_evaluation_data for entry in entries if entry.dagster_event]
    return list({(check.asset_key, check.check_name): check for check in evaluations}.values())


def _read_previous_evaluation(
    instance: dg.DagsterInstance, check: dg.AssetCheckEvaluation, run_ids: list[str]
) -> dg.AssetCheckEvaluation | None:
    """Return the check's last evaluation before a run's, given the ids of the run's attempts."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(check.asset_key, check.check_name), limit=MAX_READ_EVALUATIONS
    )
    # The newest are first. Runs that have started since this one come before it.
    earlier_records = list(dropwhile(lambda record: record.run_id not in run_ids, records))
    evaluations = [record.evaluation for record in earlier_records if record.run_id not in run_ids]
    # A record of a check that was planned and did not run has another event.
    return next((evaluation for evaluation in evaluations if isinstance(evaluation, dg.AssetCheckEvaluation)), None)


def _describe_failed_steps(context: dg.RunStatusSensorContext) -> list[str]:
    """Return the messages of the failed steps, or Dagster's message about the run when no step failed."""
    entries = context.instance.all_logs(context.dagster_run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    messages = []
    for entry in entries:
        failure = entry.get_dagster_event().step_failure_data
        description = failure.user_failure_data.description if failure.user_failure_data else None
        error = failure.error.message.strip() if failure.error else "no message"
        messages.append(f"{entry.step_key}: {description or error}")
    return messages or [context.dagster_event.message or "no message"]


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
        return dg.SkipReason("no alert: the run has no news, or Dagster retries it")
    return dg.SkipReason(f"{alert['message']}: {send_alert(Settings(), alert)}")


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.FAILURE,
    description="Sends an alert about every run that failed and is not retried.",
    # Runs of `dagster job execute` and `dg launch` belong to no code location.
    monitor_all_code_locations=True,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def failed_run_alert_sensor(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    """Send an alert about every run that failed and is not retried."""
    return _alert_on_run_end(context)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    description="Sends an alert about every successful run in which a check failed, or a warning started or ended.",
    # Runs of `dagster job execute` and `dg launch` belong to no code location.
    monitor_all_code_locations=True,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def failed_check_alert_sensor(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    """Send an alert about every run that succeeded and in which a check failed, or a warning started or ended."""
    return _alert_on_run_end(context)
