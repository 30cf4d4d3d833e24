"""Who is told when a run fails or a check does: a web hook, if one is set."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import dagster as dg
import requests
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from warehouse.settings import Settings

TIMEOUT_SECONDS = 10

MAX_ATTEMPTS = 3
"""How often an alert is sent to a web hook that does not answer, or answers that it cannot take it now."""

RETRY_DELAY_SECONDS = 0.5
"""Before the second attempt; twice as long before the third."""

WILL_RETRY_TAG = "dagster/will_retry"
"""Dagster's mark on a failed run that it will start again."""


def find_failed_checks(evaluations: Iterable[dg.AssetCheckEvaluation]) -> list[dict[str, Any]]:
    """Return the checks that did not pass the last time, worst first; evaluations come in the order of time."""
    newest = {(check.asset_key, check.check_name): check for check in evaluations}
    failed = [
        {
            "asset": check.asset_key.to_user_string(),
            "check": check.check_name,
            "severity": check.severity.value,
            "description": check.description,
        }
        for check in newest.values()
        if not check.passed
    ]
    return sorted(failed, key=lambda check: str(check["severity"]))


def build_alert(context: dg.RunStatusSensorContext) -> dict[str, Any] | None:
    """Return what there is to tell about a run that ended; None when all went well, or is tried again."""
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
        "message": _describe_failure(context) if has_failed else f"{len(checks)} checks did not pass",
        "checks": checks,
    }


def _describe_failure(context: dg.RunStatusSensorContext) -> str:
    """What the steps that failed say, or else Dagster's own words."""
    entries = context.instance.all_logs(context.dagster_run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    said = []
    for entry in entries:
        failure = entry.get_dagster_event().step_failure_data
        ours = failure.user_failure_data.description if failure.user_failure_data else None
        said.append(f"{entry.step_key}: {ours or (failure.error.message.strip() if failure.error else 'no message')}")
    return "; ".join(said) or context.dagster_event.message or "no message"


def _read_check_evaluations(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[dg.AssetCheckEvaluation]:
    """The check evaluations of a run, after those of the attempts before it: it did only what they had left."""
    try:
        _, attempts = instance.get_run_group(run.run_id) or (None, [])
    except dg.DagsterRunNotFoundError:
        # Somebody has deleted the first one.
        attempts = []
    others = [one.run_id for one in attempts if one.tags.get(WILL_RETRY_TAG) == "true"]
    entries = [
        entry
        for run_id in dict.fromkeys([*others, run.run_id])
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
    """Post an alert to the web hook; return what became of it.

    A hook that does not answer must not fail what it is told about.
    """
    if settings.alert_url is None:
        return "no web hook is set (RECOMART_ALERT_URL); not told to anybody"
    try:
        _post_alert(settings.alert_url.get_secret_value(), payload)
    except requests.RequestException as error:
        # The error's own text names the address, which may hold a secret.
        return f"the web hook did not take it: {type(error).__name__}"
    return "told to the web hook"


def _alert_on_run_end(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    told = build_alert(context)
    return dg.SkipReason("all went well" if told is None else f"{told['message']}: {send_alert(Settings(), told)}")


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.FAILURE, default_status=dg.DefaultSensorStatus.RUNNING)
def failed_run_alert_sensor(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    """Tell the web hook of a run that failed for good, with the checks that did not pass."""
    return _alert_on_run_end(context)


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.SUCCESS, default_status=dg.DefaultSensorStatus.RUNNING)
def failed_check_alert_sensor(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    """Tell the web hook of checks that did not pass in a run that succeeded."""
    return _alert_on_run_end(context)
