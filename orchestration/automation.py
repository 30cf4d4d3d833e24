"""What starts runs without a human: files that land, and the clock."""

import dagster as dg

from orchestration.jobs import everything
from warehouse.errors import RecomartError
from warehouse.loading.files import LandingFile, find_files
from warehouse.settings import Settings
from warehouse.sources import read_sources

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def landed_after(settings: Settings, instant_ns: int) -> list[LandingFile]:
    """Return the finished landing files that changed after `instant_ns` (since 1970), the earliest first.

    One that is younger than the settle time may still be written, and is left for another look.

    Raises:
        RecomartError: The sources file or the landing folder is missing or wrong.
    """
    feeds = read_sources(settings.sources).feeds.values()
    files = [file for feed in feeds for file in find_files(feed, settings.landing_dir)]
    settled = [file for file in files if file.changed_ns + settings.settle_seconds * 1e9 <= file.listed_ns]
    return sorted((file for file in settled if file.changed_ns > instant_ns), key=lambda file: file.changed_ns)


@dg.sensor(job=everything, minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def landing_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Start one run over everything when files are new or changed, however many; while a run is on, they wait."""
    try:
        new = landed_after(Settings(), int(context.cursor or 0))
    except RecomartError as error:
        return dg.SkipReason(str(error))
    if not new:
        return dg.SkipReason("no file is new or changed")
    if context.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED), limit=1):
        return dg.SkipReason(f"{len(new):,} files are new or changed and wait for the end of the run that is on")
    tags = {"recomart/new_files": f"{len(new):,}", "recomart/newest_file": new[-1].path[-200:]}
    return dg.SensorResult(run_requests=[dg.RunRequest(tags=tags)], cursor=str(new[-1].changed_ns))


nightly = dg.ScheduleDefinition(
    name="nightly",
    job=everything,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Fetches what comes from web services, and lets the policy look at the model's age.",
)
