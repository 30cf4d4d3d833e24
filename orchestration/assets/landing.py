"""External assets of the landing files; every load reports them."""

from datetime import timedelta
from typing import Any

import dagster as dg

from orchestration.assets.common import build_docs_metadata
from warehouse.errors import RecomartError
from warehouse.loading.landing_files import find_feed_files
from warehouse.loading.reports import LoadReport
from warehouse.settings import Settings
from warehouse.sources.columns import LOG_KINDS, RAW_COLUMNS, FeedKind
from warehouse.sources.yaml_file import read_sources


def build_landing_key(kind: FeedKind) -> dg.AssetKey:
    """Return the asset key of the landing files that a raw table is loaded from."""
    return dg.AssetKey(["landing", kind])


def build_freshness_policy(settings: Settings, kind: FeedKind) -> dg.FreshnessPolicy | None:
    """Return the policy of a kind with live feeds: it warns after the shortest `expected_every`."""
    try:
        feeds = read_sources(settings.sources).feeds.values()
    except RecomartError:
        # A load reports the wrong sources file.
        return None
    hours = [feed.expected_hours for feed in feeds if feed.kind == kind and feed.expected_hours]
    if not hours:
        return None
    interval = timedelta(hours=min(hours))
    return dg.FreshnessPolicy.time_window(warn_window=interval, fail_window=2 * interval)


LANDING_SPECS = [
    dg.AssetSpec(
        build_landing_key(kind),
        group_name="landing",
        kinds={"file"},
        owners=["team:data_engineering"],
        metadata=build_docs_metadata("docs/loading.md"),
        freshness_policy=build_freshness_policy(Settings(), kind),
        description=(
            f"Files of {kind}, which RecoMart writes into the landing folder."
            if kind in LOG_KINDS
            else f"Files of {kind} as the shop delivered them. The sources file declares the feeds and their files."
        ),
    )
    for kind in RAW_COLUMNS
]


def report_landing(context: dg.AssetExecutionContext, settings: Settings, report: LoadReport) -> None:
    """Report the landing files after a load: a kind with new files as materialized, another as observed.

    So Dagster measures the freshness of a kind from its last delivery.
    """
    feeds = read_sources(settings.sources).feeds.values()
    for kind in RAW_COLUMNS:
        kind_files = find_feed_files((feed for feed in feeds if feed.kind == kind), settings)
        files = [file for feed_files in kind_files.values() for file in feed_files]
        metadata: dict[str, dg.MetadataValue[Any] | str | int] = {
            "file_count": len(files),
            "size_bytes": sum(file.size_bytes for file in files),
            "folder": dg.MetadataValue.path(str(settings.landing_dir)),
        }
        if files:
            newest = max(files, key=lambda file: (file.changed_ns, file.path))
            metadata["newest_file"] = newest.path
            metadata["newest_file_changed_at"] = dg.MetadataValue.timestamp(newest.changed_ns / 1e9)
        has_delivered = any(report.feeds[feed].files_loaded for feed in kind_files if feed in report.feeds)
        event_type = dg.AssetMaterialization if has_delivered else dg.AssetObservation
        context.log_event(event_type(build_landing_key(kind), metadata=metadata))
