"""Who is told when a run fails or a check does: a web hook, if one is set."""

from collections.abc import Iterable
from typing import Any

import dagster as dg
import requests

from warehouse.settings import Settings

TIMEOUT_SECONDS = 10

WILL_RETRY_TAG = "dagster/will_retry"
"""Dagster's mark on a failed run that it will start again."""


def failed_checks(events: Iterable[dg.EventLogEntry]) -> list[dict[str, Any]]:
    """Return the checks of a run that did not pass, worst first."""
    checks = [entry.dagster_event.asset_check_evaluation_data for entry in events if entry.dagster_event]
    failed = [
        {
            "asset": check.asset_key.to_user_string(),
            "check": check.check_name,
            "severity": check.severity.value,
            "description": check.description,
        }
        for check in checks
        if not check.passed
    ]
    return sorted(failed, key=lambda check: str(check["severity"]))


def alert(context: dg.RunStatusSensorContext) -> dict[str, Any] | None:
    """Return what there is to tell about a run that ended; None when all went well, or is tried again."""
    run = context.dagster_run
    if run.tags.get(WILL_RETRY_TAG) == "true":
        return None
    logs = context.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    checks = failed_checks(logs)
    has_failed = run.status == dg.DagsterRunStatus.FAILURE
    if not has_failed and not checks:
        return None
    return {
        "run_id": run.run_id,
        "job": run.job_name,
        "status": run.status.value,
        "message": context.dagster_event.message if has_failed else f"{len(checks)} checks did not pass",
        "checks": checks,
    }


def send(settings: Settings, told: dict[str, Any]) -> str:
    """Post an alert to the web hook; return what became of it.

    A hook that does not answer must not fail what it is told about.
    """
    if settings.alert_url is None:
        return "no web hook is set (RECOMART_ALERT_URL); not told to anybody"
    try:
        answer = requests.post(settings.alert_url.get_secret_value(), json=told, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        # The error's own text names the address, which may hold a secret.
        return f"the web hook did not take it: {type(error).__name__}"
    return "told to the web hook"


def _tell(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    told = alert(context)
    return dg.SkipReason("all went well" if told is None else f"{told['message']}: {send(Settings(), told)}")


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.FAILURE, default_status=dg.DefaultSensorStatus.RUNNING)
def tell_of_failed_runs(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    """Tell the web hook of a run that failed for good, with the checks that did not pass."""
    return _tell(context)


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.SUCCESS, default_status=dg.DefaultSensorStatus.RUNNING)
def tell_of_failed_checks(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    """Tell the web hook of checks that did not pass in a run that succeeded."""
    return _tell(context)
