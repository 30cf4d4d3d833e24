"""Assets of the raw tables and the loader's ledger, which a load fills from the landing files."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from orchestration.assets.common import (
    WAREHOUSE_POOL,
    as_dagster_failure,
    build_table_metadata,
    read_table_info,
    report_tables,
)
from orchestration.assets.dbt_graph import build_source_specs
from orchestration.assets.landing import build_landing_key, report_landing
from orchestration.assets.landing_days import LANDING_DAYS_KEY, report_landing_days
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.progress import PipelineListener, StepTimer, describe_expiry, describe_fetch
from orchestration.steps import load_landing
from warehouse.fetching.fetch_run import fetch_feeds
from warehouse.formatting import format_count
from warehouse.loading.reports import LoadReport
from warehouse.settings import Settings
from warehouse.sources.columns import RAW_COLUMNS

SPECS = build_source_specs(
    "raw",
    {"duckdb"},
    # A table of rows depends on the files of its kind, the loader's ledger on all files.
    deps={kind: [build_landing_key(kind), LANDING_DAYS_KEY] for kind in RAW_COLUMNS},
    default_deps=[LANDING_DAYS_KEY, *(build_landing_key(kind) for kind in RAW_COLUMNS)],
)


class _LandingReporter(PipelineListener):
    """Reports the landing files of a load, also of one with a feed that cannot be read."""

    def __init__(self, context: dg.AssetExecutionContext, settings: Settings) -> None:
        self._context = context
        self._settings = settings
        self._started_at = datetime.now(UTC)

    def on_load_done(self, report: LoadReport) -> None:
        report_landing(self._context, self._settings, report)
        report_landing_days(self._context, self._settings, self._started_at)
        log = self._context.log
        log.info(f"{format_count(report.rows_loaded, 'row')} loaded in {report.seconds:.1f} s")
        for path, reason in report.rejected_files.items():
            log.warning(f"rejected file {path}: {reason}")
        for path in report.changing_files:
            log.info(f"changing, left for the next load: {path}")


@dg.multi_asset(name="raw_tables", specs=SPECS, can_subset=True, pool=WAREHOUSE_POOL)
def raw_tables(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[None]]:
    """Fetch the feeds that are declared with an API, and load every new or changed file of the landing folder."""
    with as_dagster_failure():
        fetched = fetch_feeds(warehouse.settings)
        if fetched.feeds:
            context.log.info(f"fetched {describe_fetch(fetched)}")
        report, expired = load_landing(warehouse.settings, StepTimer(_LandingReporter(context, warehouse.settings)))
        if expired is not None:
            context.log.info(describe_expiry(expired))
    table_info = read_table_info(context, warehouse.settings, {spec.key for spec in SPECS})
    loaded_by_feed = {name: vars(feed) for name, feed in report.feeds.items()}
    metadata = {
        spec.key: {
            **build_table_metadata(table_info.get(spec.key), spec.metadata),
            "seconds": report.seconds,
            "loaded_by_feed": dg.MetadataValue.json(loaded_by_feed),
        }
        for spec in SPECS
    }
    yield from report_tables(context, metadata)
