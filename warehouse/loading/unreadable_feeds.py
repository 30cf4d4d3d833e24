"""Feeds of which no line could be read: a wrong declaration, after which a build would only show an empty shop."""

from collections.abc import Collection, Mapping

import duckdb

from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.loading.reports import LoadReport

COUNTS_QUERY = """
    select
        coalesce(sum(rows_loaded), 0),
        coalesce(sum(lines) filter (path in (select unnest($paths::varchar[]))), 0),
        (
            select count(*)
            from raw.rejected_files
            where feed = $feed and path in (select unnest($paths::varchar[]))
        )
    from raw.loaded_files
    where feed = $feed
"""

FIRST_ERROR_QUERY = """
    select place || ': ' || error
    from (
        select path || ', line ' || line as place, error, path, line
        from raw.rejected_rows
        where feed = $feed
        union all
        select path, error, path, 0
        from raw.rejected_files
        where feed = $feed
    )
    where path in (select unnest($paths::varchar[]))
    order by path, line
    limit 1
"""


def find_unreadable_feeds(
    connection: duckdb.DuckDBPyConnection, paths_by_feed: Mapping[str, Collection[str]]
) -> dict[str, str]:
    """Find the feeds that have files but no loaded row; return a message for each.

    A feed whose files have no lines is not among them. `paths_by_feed` are the files in the landing folder, because
    entries of files that were deleted stay in the ledger.
    """
    messages = {}
    for feed, paths in paths_by_feed.items():
        parameters = {"feed": feed, "paths": sorted(paths)}
        ((row_count, line_count, rejected_file_count),) = connection.execute(COUNTS_QUERY, parameters).fetchall()
        if row_count or not (line_count or rejected_file_count):
            continue
        ((first_error,),) = connection.execute(FIRST_ERROR_QUERY, parameters).fetchall()
        count = format_count(line_count, "line") if line_count else format_count(rejected_file_count, "file")
        messages[feed] = (
            f"feed {feed}: none of its {count} could be read: {first_error}. See `recomart rejected --feed {feed}`"
        )
    return messages


def check_feeds_readable(report: LoadReport) -> None:
    """Check that a row of every feed with lines is loaded.

    Raises:
        RecomartError: No line of a feed could be read.
    """
    if report.unreadable_feeds:
        raise RecomartError("\n".join(report.unreadable_feeds.values()))
