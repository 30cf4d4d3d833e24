"""Retention: rows that are older than their feed keeps are erased from the landing files and the raw tables."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

import duckdb

from warehouse.checksums import compute_file_checksum
from warehouse.database import fetch_first_row, open_reader
from warehouse.erasure.erasure_lock import lock_erasure
from warehouse.erasure.row_erasure import FileRows, erase_rows, group_by_file
from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.loading.landing_files import find_feed_files, find_shared_files
from warehouse.settings import Settings
from warehouse.sources.columns import TIME_COLUMNS, TYPED_VIEWS
from warehouse.sources.declaration import Feed, Sources
from warehouse.utc_time import get_utc_now

MIN_TIME = datetime(1990, 1, 1)
"""Earlier times, such as epochs of a wrong unit, are no reason to erase the rows."""

EXPERIMENTS_VIEW = "intermediate.int_experiment_arms"
"""dbt's view of the declared experiments."""

FEED_SETTINGS_HASH = "md5(string_agg(concat_ws(' ', feed, joined_to, settings), chr(10) order by feed))"
"""Hash of the declarations of all feeds in raw.feeds, as dbt's macro feed_settings_hash has it."""


def find_feeds_with_retention(sources: Sources) -> list[Feed]:
    """Return the feeds that declare how long their rows are kept."""
    return [feed for feed in sources.feeds.values() if feed.keep_days]


def has_outdated_views(settings: Settings, feeds: Iterable[Feed]) -> bool:
    """Return whether a view of the feeds' times was built with other declarations than the last load has read."""
    if not settings.database.exists():
        return False
    query = f"""
        select 1
        from duckdb_views()
        where
            schema_name || '.' || view_name in (select unnest(?::varchar[]))
            and comment is distinct from (select 'feed_settings ' || {FEED_SETTINGS_HASH} from raw.feeds)
    """
    with open_reader(settings) as connection:
        return fetch_first_row(connection, query, [[TYPED_VIEWS[feed.kind] for feed in feeds]]) is not None


def erase_expired_rows(settings: Settings, sources: Sources, feeds: Iterable[Feed]) -> list[FileRows]:
    """Erase the rows that are older than their feed keeps, from landing files and raw tables; return these rows.

    `feeds` are those that declare how long their rows are kept. Ages are measured from the start of the current day,
    UTC. The times are those that the views of the last dbt build understand; the caller builds views again that
    `has_outdated_views` finds. Rows without a readable time, or with one before 1990, do not expire, nor do those of a
    file that is no longer as it was loaded. A logged list that is still live does not expire, nor does any row of the
    logs since the start of a declared experiment.

    Raises:
        RecomartError: All rows of a shop's feed are too old, a landing file cannot be rewritten, or the warehouse is in
            use.
        DiskFullError: The disk is full.
    """
    if not settings.database.exists():
        return []
    with open_reader(settings) as connection:
        typed_feeds = [feed for feed in feeds if _has_view(connection, TYPED_VIEWS[feed.kind])]
        # A log is no delivery: without publications or answers, all its rows become old.
        for feed in (feed for feed in typed_feeds if not feed.is_log):
            _check_rows_remain(connection, settings, feed)
    with lock_erasure(settings):
        return erase_rows(settings, sources, find_rows=partial(_find_rows_to_erase, settings, sources, typed_feeds))


def count_expired_rows(connection: duckdb.DuckDBPyConnection, feed: Feed) -> int:
    """Return the number of typed rows that are older than their feed keeps."""
    return sum(len(rows.lines) for rows in _find_expired_rows(connection, feed)) if feed.keep_days else 0


def _check_rows_remain(connection: duckdb.DuckDBPyConnection, settings: Settings, feed: Feed) -> None:
    """Check that a feed with landing files keeps a row.

    Raises:
        RecomartError: All rows with a readable time would be erased.
    """
    time_column = TIME_COLUMNS[feed.kind]
    query = f"""
        select max({time_column})
        from {TYPED_VIEWS[feed.kind]}
        where _feed = ? and {time_column} between ? and ?
    """
    tomorrow = _get_today() + timedelta(days=1)
    row = fetch_first_row(connection, query, [feed.name, MIN_TIME, tomorrow])
    newest_at = row[0] if row else None
    if newest_at is None or newest_at > _get_max_expired_time(feed):
        return
    if any(find_feed_files([feed], settings).values()):
        raise RecomartError(
            f"the erasure of old rows failed: {settings.sources}: feeds.{feed.name}.keep_days: all rows are older than "
            f"{format_count(feed.keep_days or 0, 'day')}, the newest is of {newest_at:%Y-%m-%d %H:%M}. Nothing was "
            f"erased. Delete keep_days if the feed is an archive, raise it, or deliver newer files; to erase the rows, "
            "delete the feed's files from the landing folder"
        )


def _keep_shared_rows(settings: Settings, sources: Sources, expired: list[FileRows]) -> list[FileRows]:
    """Return the expired rows without those of files of several feeds, unless the row expired in all of these feeds."""
    files = find_feed_files(sources.feeds.values(), settings)
    shared_files = find_shared_files(file for feed_files in files.values() for file in feed_files)
    lines = {(rows.feed, rows.path): set(rows.lines) for rows in expired}
    remaining = [
        rows._replace(
            lines=[
                line
                for line in rows.lines
                if all(line in lines.get((feed, rows.path), ()) for feed in shared_files.get(rows.path, ()))
            ]
        )
        for rows in expired
    ]
    return [rows for rows in remaining if rows.lines]


def _find_rows_to_erase(
    settings: Settings, sources: Sources, feeds: Sequence[Feed], connection: duckdb.DuckDBPyConnection
) -> list[FileRows]:
    """Return the expired rows of the files that are as they were loaded."""
    expired = [rows for feed in feeds for rows in _find_expired_rows(connection, feed)]
    return _keep_shared_rows(settings, sources, [rows for rows in expired if _is_as_loaded(connection, settings, rows)])


def _has_view(connection: duckdb.DuckDBPyConnection, view: str) -> bool:
    query = "select 1 from duckdb_views() where schema_name || '.' || view_name = ?"
    return fetch_first_row(connection, query, [view]) is not None


def _is_as_loaded(connection: duckdb.DuckDBPyConnection, settings: Settings, rows: FileRows) -> bool:
    """Return whether the landing file of rows, if there is one, is the version that was loaded."""
    file = settings.landing_dir / rows.path
    if not file.exists():
        return True
    query = "select checksum from raw.loaded_files where feed = ? and path = ?"
    return fetch_first_row(connection, query, [rows.feed, rows.path]) == (compute_file_checksum(file),)


def _find_expired_rows(connection: duckdb.DuckDBPyConnection, feed: Feed) -> list[FileRows]:
    time_column = TIME_COLUMNS[feed.kind]
    # A list ends with the customer's next one. A live list has no end, and does not expire.
    is_list = feed.kind == "recommendation_lists"
    ended_at = f"lead({time_column}) over (partition by user_id, placement order by {time_column})"
    query = f"""
        select _feed, _file, _line
        from (select *, {ended_at if is_list else time_column} as ended_at from {TYPED_VIEWS[feed.kind]})
        where _feed = $feed and {time_column} >= $min_time and ended_at <= $max_time
    """
    max_time = _get_max_expired_time(feed)
    if feed.is_log:
        max_time = min([max_time, *_fetch_experiment_start(connection)])
    parameters = {"feed": feed.name, "min_time": MIN_TIME, "max_time": max_time}
    return group_by_file(connection, query, parameters)


def _fetch_experiment_start(connection: duckdb.DuckDBPyConnection) -> list[datetime]:
    """Return the start of the first declared experiment, if there is one: its logs say when customers came into it."""
    if not _has_view(connection, EXPERIMENTS_VIEW):
        return []
    row = fetch_first_row(connection, f"select min(starts_on)::timestamp from {EXPERIMENTS_VIEW}")
    return [row[0]] if row and row[0] is not None else []


def _get_max_expired_time(feed: Feed) -> datetime:
    """Return the last instant before the first day that is kept."""
    assert feed.keep_days is not None
    return _get_today() - timedelta(days=feed.keep_days, microseconds=1)


def _get_today() -> datetime:
    return get_utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
