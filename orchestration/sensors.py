"""Dagster sensor that starts a run when a delivery of landing files is complete."""

from typing import NamedTuple

import dagster as dg

from orchestration.jobs import full_pipeline
from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.loading.landing_files import LandingFile, find_feed_files
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
    """Landing files for which no run was started yet."""

    files: list[LandingFile]
    """Files that have not changed for the settle time, in order of their change times."""

    is_complete: bool
    """Whether no file has changed for the delivery gap, or the first file has waited for the maximum time."""


def find_delivery(settings: Settings, changed_after_ns: int) -> Delivery:
    """Return the files of the shop that landed or changed after `changed_after_ns` (nanoseconds since 1970).

    The logs of recommendations, which RecoMart writes itself, are loaded with the shop's next delivery.

    Raises:
        RecomartError: The sources file or the landing folder is missing or wrong.
    """
    feeds = read_sources(settings.sources).shop_feeds.values()
    files = [file for feed_files in find_feed_files(feeds, settings).values() for file in feed_files]
    new_files = sorted((file for file in files if file.changed_ns > changed_after_ns), key=lambda file: file.changed_ns)
    settled_files = [file for file in new_files if _get_age_seconds(file) >= settings.settle_seconds]
    is_complete = bool(settled_files) and (
        _get_age_seconds(new_files[-1]) >= max(settings.delivery_gap_seconds, settings.settle_seconds)
        or _get_age_seconds(new_files[0]) >= settings.max_delivery_wait_seconds
    )
    return Delivery(settled_files, is_complete)


def _get_age_seconds(file: LandingFile) -> float:
    return (file.listed_ns - file.changed_ns) / 1e9


def _is_run_active(instance: dg.DagsterInstance) -> bool:
    """Return whether a run is queued or running, or the newest run failed and Dagster will retry it."""
    return bool(instance.get_runs(dg.RunsFilter(statuses=UNFINISHED_STATUSES), limit=1)) or any(
        run.is_complete_and_waiting_to_retry for run in instance.get_runs(limit=1)
    )


@dg.sensor(
    job=full_pipeline,
    minimum_interval_seconds=15,
    description="Starts one run of the full pipeline when a delivery of files is complete and no other run is active.",
)
def landing_files_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Start one run of the full pipeline when a delivery of files is complete and no other run is active."""
    try:
        delivery = find_delivery(Settings(), int(context.cursor or 0))
    except RecomartError as error:
        return dg.SkipReason(str(error))
    files = delivery.files
    if not files:
        return dg.SkipReason("no file is new or changed")
    new_files = format_count(len(files), "new or changed file")
    if not delivery.is_complete:
        return dg.SkipReason(f"{new_files}: waiting for the end of the delivery")
    if _is_run_active(context.instance):
        return dg.SkipReason(f"{new_files}: waiting for the end of the active run")
    tags = {"recomart/new_files": f"{len(files):,}", "recomart/newest_file": files[-1].path[-200:]}
    return dg.SensorResult(run_requests=[dg.RunRequest(tags=tags)], cursor=str(files[-1].changed_ns))
