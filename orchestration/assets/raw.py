"""Assets of the raw tables and the loader's ledger, which a load fills from the landing files."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from orchestration.assets.common import WAREHOUSE_POOL, as_dagster_failure, build_table_metadata, read_table_info
from orchestration.assets.dbt_graph import build_source_specs
from orchestration.assets.landing import build_landing_key, observe_landing
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.progress import describe_expiry, describe_fetch
from warehouse.erasure.retention import erase_expired_rows, has_retention
from warehouse.fetching.fetch_run import fetch_feeds
from warehouse.formatting import format_count
from warehouse.loading.loader import load
from warehouse.loading.reloading import parse_date_range, reload_files
from warehouse.loading.unreadable_feeds import check_feeds_readable
from warehouse.sources.columns import RAW_COLUMNS

SPECS = build_source_specs(
    "raw",
    {"duckdb"},
    # A table of rows depends on the files of its kind, the loader's ledger on all files.
    deps={kind: [build_landing_key(kind)] for kind in RAW_COLUMNS},
    default_deps=[build_landing_key(kind) for kind in RAW_COLUMNS],
)


class ReloadConfig(dg.Config):
    """Files to reload although they are loaded already; none by default."""

    files: str | None = Field(default=None, description="Glob of paths in the landing folder; * also matches /.")
    dates: str | None = Field(default=None, description="YYYY-MM-DD, or YYYY-MM-DD..YYYY-MM-DD.")


@dg.multi_asset(name="raw_tables", specs=SPECS, pool=WAREHOUSE_POOL)
def raw_tables(
    context: dg.AssetExecutionContext, config: ReloadConfig, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Fetch the feeds that are declared with an API, and load every new or changed file of the landing folder."""
    with as_dagster_failure():
        fetched = fetch_feeds(warehouse.settings)
        for observation in observe_landing(warehouse.settings):
            context.log_event(observation)
        if config.files or config.dates:
            dates = parse_date_range(config.dates) if config.dates else None
            reload_report = reload_files(warehouse.settings, config.files, dates)
            context.log.info(
                f"{format_count(reload_report.rows_loaded, 'row')} reloaded in {reload_report.seconds:.1f} s"
            )
        report = load(warehouse.settings)
        if has_retention(warehouse.settings):
            context.log.info(describe_expiry(erase_expired_rows(warehouse.settings)))
    if fetched.feeds:
        context.log.info(f"fetched {describe_fetch(fetched)}")
    context.log.info(f"{format_count(report.rows_loaded, 'row')} loaded in {report.seconds:.1f} s")
    for path, reason in report.rejected_files.items():
        context.log.warning(f"rejected file {path}: {reason}")
    for path in report.changing_files:
        context.log.info(f"changing, left for the next load: {path}")
    with as_dagster_failure():
        check_feeds_readable(report)
    table_info = read_table_info(context, warehouse.settings, {spec.key for spec in SPECS})
    loaded_by_feed = {name: vars(feed) for name, feed in report.feeds.items()}
    for spec in SPECS:
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                **build_table_metadata(table_info.get(spec.key), spec.metadata),
                "seconds": report.seconds,
                "loaded_by_feed": dg.MetadataValue.json(loaded_by_feed),
            },
        )
