"""Row accounting of every feed: rows loaded, rejected, clean, duplicate, excluded and quarantined."""

from collections.abc import Mapping
from datetime import datetime

import duckdb
from pydantic import BaseModel, ConfigDict

from warehouse.database import open_ledger_reader
from warehouse.settings import Settings
from warehouse.sources.columns import LOG_KINDS


class FeedStatus(BaseModel):
    """Row accounting of a feed.

    `clean`, `duplicates`, `excluded` and `quarantined` are None before the first dbt build, and when files were loaded
    since.
    """

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    feed: str
    files: int
    lines: int
    loaded: int
    rejected: int
    clean: int | None
    duplicates: int | None
    excluded: int | None
    quarantined: int | None
    rejected_files: int
    last_loaded_at: datetime | None
    """When a file of the feed was last loaded (UTC)."""

    newest_row_at: datetime | None
    """Timestamp of the newest clean row (UTC); None before the first dbt build, or when rows have no timestamps."""

    reasons: dict[str, int]
    """Number of quarantined rows by reason, most frequent first; a row may have several reasons."""


LEDGER_QUERY = """
    select
        feeds.feed,
        count(files.path) as files,
        coalesce(sum(files.lines), 0) as lines,
        coalesce(sum(files.rows_loaded), 0) as loaded,
        coalesce(sum(files.rows_rejected), 0) as rejected,
        (select count(*) from raw.rejected_files as rejected where rejected.feed = feeds.feed) as rejected_files,
        max(files.loaded_at) as last_loaded_at,
    from raw.feeds as feeds
    left join raw.loaded_files as files on feeds.feed = files.feed
    group by feeds.feed, feeds.kind
    having not list_contains($log_kinds, feeds.kind) or files > 0 or rejected_files > 0
    order by feeds.feed
"""
"""Query of the files and lines of each feed; a log without files is left out."""

AUDIT_QUERY = "select feed, newest_row_at, clean, duplicates, excluded, quarantined from marts.audit_feeds"

OUTDATED_FEEDS_QUERY = """
    select distinct feed
    from (
        (select feed, path, loaded_at from raw.loaded_files except select feed, path, loaded_at from marts.audit_files)
        union all
        (select feed, path, loaded_at from marts.audit_files except select feed, path, loaded_at from raw.loaded_files)
    )
"""

QUARANTINE_REASONS_QUERY = """
    select feed, reason, sum(rows)
    from marts.audit_feed_day_reasons
    where outcome = 'quarantined'
    group by feed, reason
    order by sum(rows) desc, reason
"""


def read_feed_status(settings: Settings) -> list[FeedStatus]:
    """Return the row accounting of every declared feed, and of the logs of recommendations.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet, or nothing was loaded into it.
    """
    with open_ledger_reader(settings) as connection:
        ledger = connection.execute(LEDGER_QUERY, {"log_kinds": list(LOG_KINDS)}).fetchall()
        try:
            audit = {feed: values for feed, *values in connection.execute(AUDIT_QUERY).fetchall()}
            reasons = connection.execute(QUARANTINE_REASONS_QUERY).fetchall()
            outdated_feeds = find_outdated_feeds(connection)
        except duckdb.CatalogException:
            audit, reasons, outdated_feeds = {}, [], set()
    statuses = []
    for feed, files, lines, loaded, rejected, rejected_files, last_loaded_at in ledger:
        newest_row_at, *counts = audit.get(feed, [None] * 5)
        clean, duplicates, excluded, quarantined = [None] * 4 if feed in outdated_feeds else counts
        statuses.append(
            FeedStatus(
                feed=feed,
                files=files,
                lines=lines,
                loaded=loaded,
                rejected=rejected,
                clean=clean,
                duplicates=duplicates,
                excluded=excluded,
                quarantined=quarantined,
                rejected_files=rejected_files,
                last_loaded_at=last_loaded_at,
                newest_row_at=newest_row_at,
                reasons={reason: rows for name, reason, rows in reasons if name == feed and clean is not None},
            )
        )
    return statuses


def format_reasons(reasons: Mapping[str, int]) -> str:
    """Return the reasons with their counts as text."""
    return ", ".join(f"{reason} ({count:,})" for reason, count in reasons.items())


def find_outdated_feeds(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the feeds whose files were loaded, or removed from the ledger, since dbt built the audit marts."""
    return {feed for (feed,) in connection.execute(OUTDATED_FEEDS_QUERY).fetchall()}
