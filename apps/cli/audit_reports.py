"""Reports from the audit marts: the daily figures of each feed, and the quarantined rows with their reasons."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict

from orchestration.feed_accounting import find_outdated_feeds
from warehouse.database import open_reader
from warehouse.errors import RecomartError
from warehouse.settings import Settings
from warehouse.sources.columns import LOG_KINDS


class FeedDay(BaseModel):
    """The rows of a feed on one delivery day.

    lines = loaded + rejected, and loaded = clean + duplicates + excluded + quarantined.
    """

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    feed: str
    delivery_day: date
    files: int
    rejected_files: int
    lines: int
    usual_lines: float | None
    """Median of the same weekday in the four weeks before; None in the feed's first week."""
    loaded: int
    rejected: int
    rejected_by_reason: dict[str, int]
    """Rejected lines by error, the most frequent error first."""
    clean: int
    duplicates: int
    excluded: int
    quarantined: int
    quarantined_by_reason: dict[str, int]
    """Quarantined rows by reason, the most frequent reason first; a row may have several reasons."""
    bad_share: float | None
    """Rejected and quarantined rows as a share of the lines; None without lines."""
    usual_bad_share: float | None
    newest_row_at: datetime | None
    last_loaded_at: datetime | None
    hours_to_load: float | None
    warning: str | None
    """Why the day is unusual; None on a usual day."""


class UnreadValue(BaseModel):
    """A value of the files that was not understood, so that its column is empty."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    feed: str
    column: str
    value: str | None
    """None for all less frequent values of the column together."""
    rows: int


class AuditReport(BaseModel):
    """The newest days of every feed, and the values that were not understood."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    is_up_to_date: bool
    """False when files were loaded after the last dbt build."""
    warnings: list[str]
    """Warnings of all days, the newest day first."""
    days: list[FeedDay]
    """The newest day first, including days without a delivery."""
    unread_values: list[UnreadValue]
    """Of all days; the values of each feed and column from the most frequent one down."""


class QuarantinedRow(BaseModel):
    """A quarantined row with its raw values."""

    model_config = ConfigDict(frozen=True)

    feed: str
    file: str
    line: int
    reasons: list[str]
    raw_row: dict[str, Any] | None


class QuarantineReason(BaseModel):
    """The meaning of a quarantine reason and its remedy."""

    model_config = ConfigDict(frozen=True)

    meaning: str
    what_to_do: str


class QuarantineReport(BaseModel):
    """Quarantined rows and their reasons."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    row_count: int
    """Number of all rows that match the request, shown or not."""
    rows: list[QuarantinedRow]
    """The first of these rows, the newest delivery first."""
    reasons: dict[str, QuarantineReason]
    """The reasons of the rows in `rows`."""


FEED_DAYS_QUERY = """
    with reasons as (
        select
            feed,
            delivery_day,
            outcome,
            map_from_entries(list((reason, rows) order by rows desc, reason)) as rows_by_reason,
        from marts.audit_feed_day_reasons
        group by feed, delivery_day, outcome
    )
    select
        days.*,
        coalesce(rejected.rows_by_reason, map {}) as rejected_by_reason,
        coalesce(quarantined.rows_by_reason, map {}) as quarantined_by_reason,
    from marts.audit_feed_days as days
    left join reasons as rejected
        on days.feed = rejected.feed and days.delivery_day = rejected.delivery_day and rejected.outcome = 'rejected'
    left join reasons as quarantined
        on days.feed = quarantined.feed
        and days.delivery_day = quarantined.delivery_day
        and quarantined.outcome = 'quarantined'
    where days.delivery_day > (
            select max(delivery_day) from marts.audit_feed_days where not list_contains($log_kinds, feed)
        ) - cast($days as integer)
        and ($feed is null or days.feed = $feed)
    order by days.delivery_day desc, days.feed
"""

UNREAD_VALUES_QUERY = """
    select feed, column_name as column, value, rows from marts.audit_unread_values
    where $feed is null or feed = $feed
    order by feed, column_name, value is null, rows desc, value
"""

QUARANTINE_QUERY = """
    with quarantined as (
        select _feed, _file, _line, reasons, raw_row from marts.quarantine_events
        union all
        select _feed, _file, _line, reasons, raw_row from marts.quarantine_purchases
        union all
        select _feed, _file, _line, reasons, raw_row from marts.quarantine_products
        union all
        select _feed, _file, _line, reasons, raw_row from marts.quarantine_impressions
        union all
        select _feed, _file, _line, reasons, raw_row from marts.quarantine_recommendation_lists
        union all
        select _feed, _file, _line, reasons, raw_row from marts.quarantine_served_lists
        union all
        select _feed, _file, _line, reasons, raw_row from marts.quarantine_joined_rows
    )
    select
        _feed as feed,
        _file as file,
        _line as line,
        string_split(reasons, ';') as reasons,
        raw_row,
        count(*) over () as total,
    from quarantined
    left join marts.audit_files as files on _feed = files.feed and _file = files.path
    where ($feed is null or _feed = $feed) and ($reason is null or list_contains(string_split(reasons, ';'), $reason))
    order by files.delivery_day desc, _feed, _file, _line
    limit $n
"""


def read_audit(settings: Settings, days: int, feed: str | None = None) -> AuditReport:
    """Return the audit of the newest `days` delivery days, for all feeds or for one.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet, the audit marts are not built, or the feed is unknown.
    """
    with _open_marts(settings) as connection:
        require_feed(connection, feed)
        parameters = {"days": days, "feed": feed, "log_kinds": list(LOG_KINDS)}
        feed_days = [FeedDay.model_validate(row) for row in _fetch_rows(connection, FEED_DAYS_QUERY, parameters)]
        unread_values = [
            UnreadValue.model_validate(row) for row in _fetch_rows(connection, UNREAD_VALUES_QUERY, {"feed": feed})
        ]
        # A run loads its own log after the build.
        is_up_to_date = find_outdated_feeds(connection).issubset(LOG_KINDS)
    warnings = [f"{day.feed}, {day.delivery_day:%a %Y-%m-%d}: {day.warning}" for day in feed_days if day.warning]
    return AuditReport(is_up_to_date=is_up_to_date, warnings=warnings, days=feed_days, unread_values=unread_values)


def read_quarantine(settings: Settings, n: int, feed: str | None = None, reason: str | None = None) -> QuarantineReport:
    """Return up to `n` quarantined rows, optionally of one feed or with one reason.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet, the audit marts are not built, or the feed or reason is unknown.
    """
    with _open_marts(settings) as connection:
        require_feed(connection, feed)
        _require_known(connection, "reason", reason, "select reason from seeds.quarantine_reasons order by reason")
        rows = list(_fetch_rows(connection, QUARANTINE_QUERY, {"feed": feed, "reason": reason, "n": n}))
        known_reasons = {
            row.pop("reason"): QuarantineReason(**row)
            for row in _fetch_rows(connection, "from seeds.quarantine_reasons", {})
        }
    total = rows[0]["total"] if rows else 0
    shown_rows = [
        QuarantinedRow.model_validate(row | {"raw_row": json.loads(row["raw_row"]) if row["raw_row"] else None})
        for row in rows
    ]
    shown_reasons = sorted({name for row in shown_rows for name in row.reasons})
    return QuarantineReport(
        row_count=total, rows=shown_rows, reasons={name: known_reasons[name] for name in shown_reasons}
    )


def require_feed(connection: duckdb.DuckDBPyConnection, feed: str | None) -> None:
    """Check that a feed is declared; None stands for all feeds.

    Raises:
        RecomartError: The feed is unknown.
    """
    _require_known(connection, "feed", feed, "select feed from raw.feeds order by feed")


@contextmanager
def _open_marts(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for reading; raise RecomartError when the audit marts are not built."""
    with open_reader(settings) as connection:
        try:
            yield connection
        except duckdb.CatalogException as error:
            raise RecomartError(
                f"no audit: {settings.database}: the audit marts are not built. Run `recomart run` or `dbt build`"
            ) from error


def _require_known(connection: duckdb.DuckDBPyConnection, label: str, value: str | None, query: str) -> None:
    names = [row[0] for row in connection.execute(query).fetchall()]
    if value is not None and value not in names:
        raise RecomartError(f"unknown {label} '{value}': known are {', '.join(names) or 'none'}")


def _fetch_rows(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, object]
) -> Iterator[dict[str, Any]]:
    result = connection.execute(query, parameters or None)
    names = [column[0] for column in result.description or []]
    for row in result.fetchall():
        yield dict(zip(names, row, strict=True))
