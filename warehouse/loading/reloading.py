"""Load files again that the ledger knows, by their paths or by the dates they are about."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple

import duckdb

from warehouse.database import open_ledger_reader
from warehouse.errors import RecomartError
from warehouse.loading.loader import load
from warehouse.loading.reports import LoadProgress, LoadReport
from warehouse.settings import Settings
from warehouse.sources.declaration import FeedKind

DATE_PART_SEPARATOR = r"[-/_.]?(?:[A-Za-z]+=)?"
TIME_OF_DAY = r"(?:(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9])?)?"
DATE_IN_PATH_PATTERN = re.compile(
    rf"(?:.*[^0-9])?((?:19|20)[0-9]{{2}}){DATE_PART_SEPARATOR}(0[1-9]|1[0-2]){DATE_PART_SEPARATOR}(0[1-9]|[12][0-9]|3[01]){TIME_OF_DAY}(?:[^0-9].*)?"
)
"""2026-01-31, 20260131, 2026/01/31, 2026_01_31, 2026.01.31 or year=2026/month=01/day=31, a time after it or not; of
several the last.

The same pattern is dbt's macro date_in_path, which says what day a file is about.
"""

DATE_COLUMNS: dict[FeedKind, tuple[str, str]] = {
    "events": ("staging.stg_shop__events", "event_at"),
    "purchases": ("staging.stg_shop__purchases", "purchased_at"),
    "products": ("staging.stg_shop__products", "updated_at"),
}
"""The table of typed rows of each kind, and its column that says when."""


class DateRange(NamedTuple):
    """Days from the first to the last, both included."""

    first_date: date
    last_date: date


def parse_date_range(text: str) -> DateRange:
    """`2026-01-31` or `2026-01-01..2026-01-31` as days.

    Raises:
        RecomartError: It is neither.
    """
    first, _, last = text.partition("..")
    try:
        days = DateRange(date.fromisoformat(first), date.fromisoformat(last or first))
    except ValueError as error:
        raise RecomartError(
            f"'{text}' is no date such as 2026-01-31, nor dates such as 2026-01-01..2026-01-31"
        ) from error
    if days.last_date < days.first_date:
        raise RecomartError(f"'{text}': the last day lies before the first")
    return days


def reload_files(
    settings: Settings,
    file_glob: str | None = None,
    date_range: DateRange | None = None,
    on_progress: Callable[[LoadProgress], None] = lambda _: None,
) -> LoadReport:
    """Load the files that match the glob and the days again, whatever the ledger knows of them, and no others.

    What a file had is replaced in the transaction that loads it again, so a kill at any instant leaves it either as it
    was or as it is now. A day matches the date in a file's path or, where that has none, the
    dates of the file's rows as dbt built them last.

    Raises:
        RecomartError: No loaded file matches, or one that does has left the landing folder; nothing is changed then.
    """
    with open_ledger_reader(settings) as connection:
        paths = {path for (path,) in connection.execute("select path from raw.loaded_files").fetchall()}
        chosen = {path for path in paths if file_glob is None or fnmatchcase(path, file_glob)}
        if date_range:
            chosen = _filter_by_dates(date_range, chosen, connection)
    if not chosen:
        asked = " and ".join(
            [
                *([file_glob] if file_glob else []),
                *([f"{date_range.first_date} to {date_range.last_date}"] if date_range else []),
            ]
        )
        raise RecomartError(
            f"{settings.database}: none of its {len(paths):,} loaded files matches {asked}; paths are "
            "relative to the landing folder, and dates are those in the paths or, where a path has none, those of rows "
            "that `dbt build` has typed"
        )
    return load(settings, on_progress, reload_paths=chosen)


def _filter_by_dates(date_range: DateRange, paths: set[str], connection: duckdb.DuckDBPyConnection) -> set[str]:
    by_rows = _find_files_with_rows(date_range, connection)
    dates = {path: extract_date_from_path(path) for path in paths}
    return {
        path
        for path, found in dates.items()
        if (date_range.first_date <= found <= date_range.last_date if found else path in by_rows)
    }


def extract_date_from_path(path: str) -> date | None:
    """The last date that a path names, if any."""
    match = DATE_IN_PATH_PATTERN.fullmatch(path)
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        # The 31st of a month that has 30 days.
        return None


def _find_files_with_rows(date_range: DateRange, connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The files that have rows of these days, as far as dbt has built them."""
    files: set[str] = set()
    for table, column in DATE_COLUMNS.values():
        with suppress(duckdb.CatalogException):
            rows = connection.execute(
                f"select distinct _file from {table} where {column} >= ? and {column} < ?",
                [date_range.first_date, date_range.last_date + timedelta(days=1)],
            ).fetchall()
            files |= {path for (path,) in rows}
    return files
