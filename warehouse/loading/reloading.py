"""Reloading of loaded files, selected by path or by the dates of their data."""

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple

import duckdb

from warehouse.database import open_ledger_reader
from warehouse.errors import RecomartError
from warehouse.loading.loader import load
from warehouse.loading.reports import LoadProgress, LoadReport
from warehouse.settings import Settings
from warehouse.sources.columns import LOG_KINDS, TIME_COLUMNS, TYPED_VIEWS

DATE_PART_SEPARATOR = r"[-/_.]?(?:[A-Za-z]+=)?"
TIME_OF_DAY = r"(?:(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9])?)?"
DATE_IN_PATH_PATTERN = re.compile(
    rf"(?:.*[^0-9])?((?:19|20)[0-9]{{2}}){DATE_PART_SEPARATOR}(0[1-9]|1[0-2]){DATE_PART_SEPARATOR}(0[1-9]|[12][0-9]|3[01]){TIME_OF_DAY}(?:[^0-9].*)?"
)
"""The last date in a path, in the forms of a delivery day (docs/data_quality.md). dbt's macro date_in_path uses the
same pattern."""


class DateRange(NamedTuple):
    """A range of dates, including both ends."""

    first_date: date
    last_date: date

    def describe(self) -> str:
        """Return the date, or the first and the last date, as text."""
        is_single_date = self.first_date == self.last_date
        return str(self.first_date) if is_single_date else f"{self.first_date} to {self.last_date}"


class LandingDay(NamedTuple):
    """The loaded files of a day."""

    file_count: int
    row_count: int
    loaded_at: datetime
    """Time of the last load of a file of the day."""


def parse_date_range(text: str) -> DateRange:
    """Parse `2026-01-31` or `2026-01-01..2026-01-31`.

    Raises:
        RecomartError: The text has another form, or the last date is before the first.
    """
    first, _, last = text.partition("..")
    try:
        date_range = DateRange(date.fromisoformat(first), date.fromisoformat(last or first))
    except ValueError as error:
        raise RecomartError(
            f"'{text}' is not a date or a date range. Write it like 2026-01-31 or 2026-01-01..2026-01-31"
        ) from error
    if date_range.last_date < date_range.first_date:
        raise RecomartError(f"'{text}': the last date is before the first. Write the earlier date first")
    return date_range


def reload_files(
    settings: Settings,
    file_glob: str | None = None,
    date_range: DateRange | None = None,
    on_progress: Callable[[LoadProgress], None] = lambda _: None,
) -> LoadReport:
    """Load the files again that match both the glob and the dates, and no other files.

    One transaction deletes the earlier rows of a file and loads it again, so a killed reload leaves the file either in
    its earlier or in its new state. The date of a file is the date in its path; if the path has none, the dates of the
    file's rows in the last dbt build count.

    Raises:
        RecomartError: No loaded file matches, or a matching file is no longer in the landing folder. The warehouse is
            not changed.
    """
    with open_ledger_reader(settings) as connection:
        paths = {path for (path,) in connection.execute("select path from raw.loaded_files").fetchall()}
        rejected_paths = connection.execute("select path from raw.rejected_files").fetchall()
        paths |= {path for (path,) in rejected_paths if os.path.lexists(settings.landing_dir / path)}
        matching_paths = {path for path in paths if file_glob is None or fnmatchcase(path, file_glob)}
        if date_range:
            matching_paths = _filter_by_dates(date_range, matching_paths, connection)
    if not matching_paths:
        criteria = " and ".join(
            [
                *([file_glob] if file_glob else []),
                *([date_range.describe()] if date_range else []),
            ]
        )
        raise RecomartError(
            f"{settings.database}: none of its {len(paths):,} files matches {criteria}. Paths are "
            "relative to the landing folder. The date of a file is the date in its path; if the path has none, the "
            "dates of its rows in the last `dbt build`"
        )
    return load(settings, on_progress, reload_paths=matching_paths)


def find_landing_days(settings: Settings) -> dict[date, LandingDay]:
    """Find the days of the loaded files of the shop, the earliest first; the date of a file is that of `reload_files`.

    Raises:
        RecomartError: No files were loaded.
    """
    with open_ledger_reader(settings) as connection:
        files = connection.execute(
            "select path, sum(rows_loaded), max(loaded_at at time zone 'UTC') from raw.loaded_files "
            "where not list_contains(?, feed) group by path",
            [list(LOG_KINDS)],
        ).fetchall()
        load_times = {path: loaded_at for path, _, loaded_at in files}
        days_and_files = [(day, path, rows) for path, rows, _ in files if (day := extract_date_from_path(path))]
        dated_paths = {path for _, path, _ in days_and_files}
        days_and_files += _count_rows(load_times.keys() - dated_paths, connection)
    days: dict[date, LandingDay] = {}
    for day, path, row_count in sorted(days_and_files):
        known = days.get(day, LandingDay(0, 0, load_times[path]))
        days[day] = LandingDay(
            known.file_count + 1, known.row_count + row_count, max(known.loaded_at, load_times[path])
        )
    return days


def _filter_by_dates(date_range: DateRange, paths: set[str], connection: duckdb.DuckDBPyConnection) -> set[str]:
    files_with_rows = _find_files_with_rows(date_range, connection)
    path_dates = {path: extract_date_from_path(path) for path in paths}
    return {
        path
        for path, path_date in path_dates.items()
        if (date_range.first_date <= path_date <= date_range.last_date if path_date else path in files_with_rows)
    }


def extract_date_from_path(path: str) -> date | None:
    """Extract the last date in a path, if any."""
    match = DATE_IN_PATH_PATTERN.fullmatch(path)
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        # For example the 31st of a month that has 30 days.
        return None


def _find_files_with_rows(date_range: DateRange, connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Find the files that have rows of these dates in the last dbt build."""
    files: set[str] = set()
    for kind, column in TIME_COLUMNS.items():
        with suppress(duckdb.CatalogException):
            rows = connection.execute(
                f"select distinct _file from {TYPED_VIEWS[kind]} where {column} >= ? and {column} < ?",
                [date_range.first_date, date_range.last_date + timedelta(days=1)],
            ).fetchall()
            files |= {path for (path,) in rows}
    return files


def _count_rows(paths: Iterable[str], connection: duckdb.DuckDBPyConnection) -> list[tuple[date, str, int]]:
    """Count the rows of these files by date and file in the last dbt build."""
    rows: list[tuple[date, str, int]] = []
    for kind, column in TIME_COLUMNS.items():
        with suppress(duckdb.CatalogException):
            rows += connection.execute(
                f"select cast({column} as date), _file, count(*) from {TYPED_VIEWS[kind]} "
                f"where list_contains(?, _file) and {column} is not null group by all",
                [list(paths)],
            ).fetchall()
    return rows
