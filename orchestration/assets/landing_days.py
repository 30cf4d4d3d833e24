"""Asset of the landing days: its partitions are the days of the loaded files, and a backfill loads files again."""

import warnings
from datetime import date, datetime

import dagster as dg

from orchestration.assets.common import (
    WAREHOUSE_POOL,
    as_dagster_failure,
    build_docs_metadata,
    build_row_count_metadata,
)
from orchestration.assets.landing import LANDING_SPECS
from orchestration.assets.warehouse_resource import WarehouseResource
from warehouse.loading.reloading import DateRange, find_landing_days, reload_files
from warehouse.settings import Settings

# Dagster prints it at every start.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)

PARTITIONS_NAME = "landing_days"

LANDING_DAYS = dg.DynamicPartitionsDefinition(name=PARTITIONS_NAME)
"""One partition for each day of a loaded file; a load adds them."""

LANDING_DAYS_KEY = dg.AssetKey(["landing", "days"])


@dg.asset(
    key=LANDING_DAYS_KEY,
    deps=LANDING_SPECS,
    partitions_def=LANDING_DAYS,
    # One run loads the files of all days of a range: every run builds, trains and publishes afterwards.
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="landing",
    kinds={"file"},
    owners=["team:data_engineering"],
    metadata=build_docs_metadata("docs/operations/runs_and_schedules.md"),
    pool=WAREHOUSE_POOL,
)
def landing_days(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """The days of the loaded files. Materializing days loads their files again, and no other file.

    The day of a file is the date in its path; if the path has none, the dates of its rows in the last build count.
    """
    with as_dagster_failure():
        days = [date.fromisoformat(key) for key in context.partition_keys]
        report = reload_files(warehouse.settings, date_range=DateRange(min(days), max(days)))
    return dg.MaterializeResult(metadata={"reloaded_rows": report.rows_loaded, "seconds": report.seconds})


def report_landing_days(context: dg.AssetExecutionContext, settings: Settings, loaded_since: datetime) -> None:
    """Add the days of the loaded files as partitions, and report those of the files that were loaded since a time."""
    days = find_landing_days(settings)
    _add_partitions(context.instance, {str(day) for day in days})
    for day, landing_day in days.items():
        if landing_day.loaded_at >= loaded_since:
            metadata = {**build_row_count_metadata(landing_day.row_count), "file_count": landing_day.file_count}
            context.log_event(dg.AssetMaterialization(LANDING_DAYS_KEY, partition=str(day), metadata=metadata))


def _add_partitions(instance: dg.DagsterInstance, days: set[str]) -> None:
    """Add the missing days. Dagster lists days, and selects ranges, in the order in which they were added."""
    known_days = instance.get_dynamic_partitions(PARTITIONS_NAME)
    missing_days = days.difference(known_days)
    if not missing_days:
        return
    later_days = [day for day in known_days if day > min(missing_days)]
    for day in later_days:
        instance.delete_dynamic_partition(PARTITIONS_NAME, day)
    instance.add_dynamic_partitions(PARTITIONS_NAME, sorted(missing_days.union(later_days)))
