"""The loader's memory of files: which are loaded and how they were then, and which could not be; many at a time."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa

from warehouse.loading.landing_files import FileLoad, LandingFile, NewFile
from warehouse.sources.declaration import Feed


class LedgerEntry(NamedTuple):
    """A file as it was when it was loaded."""

    size_bytes: int
    changed_ns: int | None
    checksum: str
    parse_fingerprint: str


def read_loaded_files(connection: duckdb.DuckDBPyConnection, feed: Feed) -> dict[str, LedgerEntry]:
    """The loaded files of a feed by path."""
    rows = connection.execute(
        "select path, size_bytes, changed_ns, checksum, parse_fingerprint from raw.loaded_files where feed = ?",
        [feed.name],
    ).fetchall()
    return {path: LedgerEntry(*rest) for path, *rest in rows}


def allocate_load_ids(connection: duckdb.DuckDBPyConnection, count: int) -> list[int]:
    """Numbers for so many readings of files."""
    return [
        number for (number,) in connection.execute(f"select nextval('raw.load_ids') from range({count})").fetchall()
    ]


def add_loaded_files(
    connection: duckdb.DuckDBPyConnection, feed: Feed, files: Sequence[NewFile], file_loads: Mapping[str, FileLoad]
) -> None:
    """Write the entries of files that were loaded."""
    found = [file_loads[item.file.path] for item in files]
    entries = pa.table(
        {
            "load_id": pa.array([item.load_id for item in files], pa.int64()),
            "path": pa.array([item.file.path for item in files], pa.string()),
            "size_bytes": pa.array([item.file.size_bytes for item in files], pa.int64()),
            "checksum": pa.array([reading.checksum for reading in found], pa.string()),
            "changed_ns": pa.array([item.file.reliable_changed_ns for item in files], pa.int64()),
            "encoding": pa.array([reading.encoding for reading in found], pa.string()),
            "delimiter": pa.array([reading.delimiter for reading in found], pa.string()),
            "quote": pa.array([reading.quote for reading in found], pa.string()),
            "lines": pa.array([reading.lines for reading in found], pa.int64()),
            "rows_loaded": pa.array([reading.rows_loaded for reading in found], pa.int64()),
            "rows_rejected": pa.array([reading.rows_rejected for reading in found], pa.int64()),
        }
    )
    columns = ", ".join(entries.column_names)
    connection.register("entries", entries)
    connection.execute(
        f"insert into raw.loaded_files ({columns}, feed, parse_fingerprint, loaded_at) select {columns}, ?, ?, ? from entries",
        [feed.name, feed.parse_fingerprint, _get_utc_now()],
    )
    connection.unregister("entries")
    _delete_rejected_files(connection, feed, [item.file.path for item in files])


def update_change_times(connection: duckdb.DuckDBPyConnection, feed: Feed, unchanged: Sequence[LandingFile]) -> None:
    """Note the present time of loaded files whose content is what was loaded."""
    if unchanged:
        connection.execute(
            """
            update raw.loaded_files
            set changed_ns = times.changed_ns
            from (select unnest(?::varchar[]) as path, unnest(?::bigint[]) as changed_ns) as times
            where loaded_files.feed = ? and loaded_files.path = times.path
            """,
            [[file.path for file in unchanged], [file.reliable_changed_ns for file in unchanged], feed.name],
        )
        _delete_rejected_files(connection, feed, [file.path for file in unchanged])


def delete_files(
    connection: duckdb.DuckDBPyConnection, feed: Feed, paths: Sequence[str], kinds: Collection[str] | None = None
) -> None:
    """Delete the rows, rejects and entries of files; rows of the feed's kind, or of others that it may have been."""
    if paths:
        chosen = "in (select unnest(?::varchar[]))"
        for kind in kinds or [feed.kind]:
            connection.execute(f"delete from raw.{kind} where _feed = ? and _file {chosen}", [feed.name, paths])
        connection.execute(f"delete from raw.rejected_rows where feed = ? and path {chosen}", [feed.name, paths])
        connection.execute(f"delete from raw.loaded_files where feed = ? and path {chosen}", [feed.name, paths])


def add_rejected_files(
    connection: duckdb.DuckDBPyConnection, feed: Feed, rejected: Sequence[tuple[LandingFile, str]]
) -> None:
    """Note files that cannot be read, and why."""
    if rejected:
        files, reasons = zip(*rejected, strict=True)
        connection.execute(
            """
            insert or replace into raw.rejected_files (feed, path, size_bytes, error, rejected_at)
            select ?, unnest(?::varchar[]), unnest(?::bigint[]), unnest(?::varchar[]), ?
            """,
            [
                feed.name,
                [file.path for file in files],
                [file.size_bytes for file in files],
                list(reasons),
                _get_utc_now(),
            ],
        )


def _delete_rejected_files(connection: duckdb.DuckDBPyConnection, feed: Feed, paths: Sequence[str]) -> None:
    connection.execute(
        "delete from raw.rejected_files where feed = ? and path in (select unnest(?::varchar[]))", [feed.name, paths]
    )


def _get_utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
