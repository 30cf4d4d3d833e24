"""What the audit marts say: the feeds day by day, and the rows in quarantine with what to do about them."""

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


class FeedDay(BaseModel):
    """What came by a feed on a day; lines = loaded + rejected, and loaded = clean + duplicates + quarantined."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    feed: str
    delivery_day: date
    files: int
    rejected_files: int
    lines: int
    usual_lines: float | None
    """Median of the same weekday in up to four weeks before; None in the feed's first week."""
    loaded: int
    rejected: int
    rejected_by_reason: dict[str, int]
    """Lines by kind of error, the most frequent first."""
    clean: int
    duplicates: int
    quarantined: int
    quarantined_by_reason: dict[str, int]
    """Rows by broken rule, the most frequent first; a row may break several."""
    bad_share: float | None
    """Rejected and quarantined as a share of the lines; None without lines."""
    usual_bad_share: float | None
    newest_row_at: datetime | None
    last_loaded_at: datetime | None
    hours_to_load: float | None
    warning: str | None
    """What is unusual about the day."""


class AuditReport(BaseModel):
    """The newest days of every feed."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    is_up_to_date: bool
    """False when files were loaded since dbt built last."""
    warnings: list[str]
    """What is unusual, the newest day first."""
    days: list[FeedDay]
    """The newest day first, days without a delivery included."""


class QuarantinedRow(BaseModel):
    """A row that breaks rules, as it arrived."""

    model_config = ConfigDict(frozen=True)

    feed: str
    file: str
    line: int
    reasons: list[str]
    raw_row: dict[str, Any] | None


class QuarantineReason(BaseModel):
    """What a quarantine reason means, and what mends it."""

    model_config = ConfigDict(frozen=True)

    meaning: str
    what_to_do: str


class QuarantineReport(BaseModel):
    """Rows in quarantine."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    row_count: int
    """Rows that were asked for, of which `rows` are the first."""
    rows: list[QuarantinedRow]
    """Those of the newest delivery first."""
    reasons: dict[str, QuarantineReason]
    """The reasons of these rows."""


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
    where days.delivery_day > (select max(delivery_day) from marts.audit_feed_days) - cast($days as integer)
        and ($feed is null or days.feed = $feed)
    order by days.delivery_day desc, days.feed
"""

QUARANTINE_QUERY = """
    with quarantined as (
        select _feed, _file, _line, reasons, raw_row from marts.quarantine_events
        union all
        select _feed, _file, _line, reasons, raw_row from marts.quarantine_purchases
        union all
        select _feed, _file, _line, reasons, raw_row from marts.quarantine_products
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
    """The audit of the `days` newest delivery days, of all feeds or of one.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet, dbt has not built, or there is no such feed.
    """
    with _open_marts(settings) as connection:
        require_feed(connection, feed)
        found = [
            FeedDay.model_validate(row)
            for row in _fetch_rows(connection, FEED_DAYS_QUERY, {"days": days, "feed": feed})
        ]
        is_up_to_date = not find_outdated_feeds(connection)
    warnings = [f"{day.feed}, {day.delivery_day:%a %Y-%m-%d}: {day.warning}" for day in found if day.warning]
    return AuditReport(is_up_to_date=is_up_to_date, warnings=warnings, days=found)


def read_quarantine(settings: Settings, n: int, feed: str | None = None, reason: str | None = None) -> QuarantineReport:
    """Up to `n` rows in quarantine, of all feeds or of one, for whatever reason or for one.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet, dbt has not built, or there is no such feed or reason.
    """
    with _open_marts(settings) as connection:
        require_feed(connection, feed)
        _require_known(connection, "reason", reason, "select reason from seeds.quarantine_reasons order by reason")
        rows = list(_fetch_rows(connection, QUARANTINE_QUERY, {"feed": feed, "reason": reason, "n": n}))
        explained = {
            row.pop("reason"): QuarantineReason(**row)
            for row in _fetch_rows(connection, "from seeds.quarantine_reasons", {})
        }
    total = rows[0]["total"] if rows else 0
    shown = [
        QuarantinedRow.model_validate(row | {"raw_row": json.loads(row["raw_row"]) if row["raw_row"] else None})
        for row in rows
    ]
    named = {name for row in shown for name in row.reasons}
    return QuarantineReport(row_count=total, rows=shown, reasons={name: explained[name] for name in sorted(named)})


def require_feed(connection: duckdb.DuckDBPyConnection, feed: str | None) -> None:
    """Let None, which asks for every feed, and the name of a feed pass.

    Raises:
        RecomartError: There is no such feed.
    """
    _require_known(connection, "feed", feed, "select feed from raw.feeds order by feed")


@contextmanager
def _open_marts(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, to be read; says what to do when dbt has not built the audit marts."""
    with open_reader(settings) as connection:
        try:
            yield connection
        except duckdb.CatalogException as error:
            raise RecomartError(
                f"{settings.database}: nothing is audited yet; `recomart run` or `dbt build` makes the audit tables"
            ) from error


def _require_known(connection: duckdb.DuckDBPyConnection, label: str, value: str | None, query: str) -> None:
    names = [row[0] for row in connection.execute(query).fetchall()]
    if value is not None and value not in names:
        raise RecomartError(f"there is no {label} '{value}'; there are {', '.join(names) or 'none'}")


def _fetch_rows(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, object]
) -> Iterator[dict[str, Any]]:
    result = connection.execute(query, parameters or None)
    names = [column[0] for column in result.description or []]
    for row in result.fetchall():
        yield dict(zip(names, row, strict=True))
