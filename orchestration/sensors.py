"""What starts runs without a human: files that land, and the clock."""

from typing import NamedTuple

import dagster as dg

from orchestration.jobs import full_pipeline
from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.loading.landing_files import LandingFile, find_files
from warehouse.settings import Settings
from warehouse.sources.yaml_file import read_sources

UNFINISHED_STATUSES = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class Delivery(NamedTuple):
    """Landing files that no run was started for."""

    files: list[LandingFile]
    """Those that have lain still for the settle time, the earliest first."""

    is_complete: bool
    """Whether nothing has changed for a while, or the first file has waited long enough for that."""


def find_delivery(settings: Settings, changed_after_ns: int) -> Delivery:
    """Return what landed or changed after `instant_ns` (since 1970).

    Raises:
        RecomartError: The sources file or the landing folder is missing or wrong.
    """
    feeds = read_sources(settings.sources).feeds.values()
    found = [file for feed in feeds for file in find_files(feed, settings.landing_dir)]
    new = sorted((file for file in found if file.changed_ns > changed_after_ns), key=lambda file: file.changed_ns)
    settled = [file for file in new if _get_age_seconds(file) >= settings.settle_seconds]
    has_ended = bool(settled) and (
        _get_age_seconds(new[-1]) >= max(settings.delivery_gap_seconds, settings.settle_seconds)
        or _get_age_seconds(new[0]) >= settings.max_delivery_wait_seconds
    )
    return Delivery(settled, has_ended)


def _get_age_seconds(file: LandingFile) -> float:
    return (file.listed_ns - file.changed_ns) / 1e9


def _is_run_active(instance: dg.DagsterInstance) -> bool:
    """Whether a run is on or waits for its turn, or the newest one failed and will be started again."""
    return bool(instance.get_runs(dg.RunsFilter(statuses=UNFINISHED_STATUSES), limit=1)) or any(
        run.is_complete_and_waiting_to_retry for run in instance.get_runs(limit=1)
    )


@dg.sensor(job=full_pipeline, minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def landing_files_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Start one run over everything when a delivery of files has ended; while a run is on, it waits."""
    try:
        delivery = find_delivery(Settings(), int(context.cursor or 0))
    except RecomartError as error:
        return dg.SkipReason(str(error))
    new = delivery.files
    if not new:
        return dg.SkipReason("no file is new or changed")
    if not delivery.is_complete:
        return dg.SkipReason(f"{format_count(len(new), 'new or changed file')}; more may be on their way")
    if _is_run_active(context.instance):
        return dg.SkipReason(f"until the run that is on has ended: {format_count(len(new), 'new or changed file')}")
    tags = {"recomart/new_files": f"{len(new):,}", "recomart/newest_file": new[-1].path[-200:]}
    return dg.SensorResult(run_requests=[dg.RunRequest(tags=tags)], cursor=str(new[-1].changed_ns))
