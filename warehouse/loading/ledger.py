"""The loader's ledger: which files are loaded and how they were read, and which files were rejected."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import duckdb
import pyarrow as pa

from warehouse.loading.landing_files import FileLoad, LandingFile, NewFile, UnreadableFileError
from warehouse.sources.declaration import Feed
from warehouse.utc_time import get_utc_now


class LedgerEntry(NamedTuple):
    """A file as it was when it was loaded."""

    size_bytes: int
    changed_ns: int | None
    checksum: str
    parse_fingerprint: str


def read_loaded_files(connection: duckdb.DuckDBPyConnection, feed: Feed) -> dict[str, LedgerEntry]:
    """Read the loaded files of a feed by path."""
    rows = connection.execute(
        "select path, size_bytes, changed_ns, checksum, parse_fingerprint from raw.loaded_files where feed = ?",
        [feed.name],
    ).fetchall()
    return {path: LedgerEntry(*rest) for path, *rest in rows}


class RejectedEntry(NamedTuple):
    """A file as it was when it could not be read."""

    size_bytes: int
    changed_ns: int
    attempt_fingerprint: str


def read_rejected_files(connection: duckdb.DuckDBPyConnection, feed: Feed) -> dict[str, RejectedEntry]:
    """Read the files of a feed that are not tried again, by path."""
    rows = connection.execute(
        """
        select path, size_bytes, changed_ns, attempt_fingerprint
        from raw.rejected_files
        where feed = ? and changed_ns is not null
        """,
        [feed.name],
    ).fetchall()
    return {path: RejectedEntry(*rest) for path, *rest in rows}


def make_attempt_fingerprint(feed: Feed, memory_limit: str) -> str:
    """Return the fingerprint of the settings on which it depends whether a file can be read."""
    return f"{feed.parse_fingerprint} {memory_limit}"


class FeedLoads(NamedTuple):
    """The loads of all files of a feed."""

    load_ids: tuple[int, ...] = ()
    decimal_id_columns: tuple[str, ...] = ()
    """Id columns in which a row of any file has a number with decimals."""


def read_feed_loads(connection: duckdb.DuckDBPyConnection) -> defaultdict[str, FeedLoads]:
    """Read the loads of the feeds by feed; feeds without loaded files have empty ones."""
    rows = connection.execute(
        """
        select feed, list(load_id), list_distinct(flatten(list(decimal_id_columns)))
        from raw.loaded_files
        group by feed
        """
    ).fetchall()
    loads = {feed: FeedLoads(tuple(load_ids), tuple(columns)) for feed, load_ids, columns in rows}
    return defaultdict(FeedLoads, loads)


def allocate_load_ids(connection: duckdb.DuckDBPyConnection, count: int) -> list[int]:
    """Allocate the ids of new file loads."""
    return [
        load_id for (load_id,) in connection.execute(f"select nextval('raw.load_ids') from range({count})").fetchall()
    ]


def add_loaded_files(
    connection: duckdb.DuckDBPyConnection, feed: Feed, files: Sequence[NewFile], file_loads: Mapping[str, FileLoad]
) -> None:
    """Insert the entries of loaded files."""
    loads = [file_loads[item.file.path] for item in files]
    entries = pa.table(
        {
            "load_id": pa.array([item.load_id for item in files], pa.int64()),
            "path": pa.array([item.file.path for item in files], pa.string()),
            "size_bytes": pa.array([item.file.size_bytes for item in files], pa.int64()),
            "checksum": pa.array([load.checksum for load in loads], pa.string()),
            "changed_ns": pa.array([item.file.reliable_changed_ns for item in files], pa.int64()),
            "encoding": pa.array([load.encoding for load in loads], pa.string()),
            "delimiter": pa.array([load.delimiter for load in loads], pa.string()),
            "quote": pa.array([load.quote for load in loads], pa.string()),
            "decimal_id_columns": pa.array([load.decimal_id_columns for load in loads], pa.list_(pa.string())),
            "lines": pa.array([load.lines for load in loads], pa.int64()),
            "rows_loaded": pa.array([load.rows_loaded for load in loads], pa.int64()),
            "rows_rejected": pa.array([load.rows_rejected for load in loads], pa.int64()),
        }
    )
    columns = ", ".join(entries.column_names)
    connection.register("entries", entries)
    connection.execute(
        f"""
        insert into raw.loaded_files ({columns}, feed, parse_fingerprint, loaded_at)
        select {columns}, ?, ?, ?
        from entries
        """,
        [feed.name, feed.parse_fingerprint, get_utc_now()],
    )
    connection.unregister("entries")
    _delete_rejected_files(connection, feed, [item.file.path for item in files])


def update_change_times(connection: duckdb.DuckDBPyConnection, feed: Feed, unchanged: Sequence[LandingFile]) -> None:
    """Update the change time of loaded files whose content did not change."""
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
    """Delete the rows, rejected rows and ledger entries of files; `kinds` defaults to the feed's kind."""
    if paths:
        is_path = "in (select unnest(?::varchar[]))"
        for kind in kinds or [feed.kind]:
            connection.execute(f"delete from raw.{kind} where _feed = ? and _file {is_path}", [feed.name, paths])
        connection.execute(f"delete from raw.rejected_rows where feed = ? and path {is_path}", [feed.name, paths])
        connection.execute(f"delete from raw.loaded_files where feed = ? and path {is_path}", [feed.name, paths])


def add_rejected_files(
    connection: duckdb.DuckDBPyConnection,
    feed: Feed,
    rejected: Sequence[tuple[LandingFile, UnreadableFileError]],
    memory_limit: str,
) -> None:
    """Insert files that cannot be read, with their errors."""
    if rejected:
        files, errors = zip(*rejected, strict=True)
        connection.execute(
            """
            insert or replace into raw.rejected_files (
                feed, path, size_bytes, error, changed_ns, attempt_fingerprint, rejected_at
            )
            select ?, unnest(?::varchar[]), unnest(?::bigint[]), unnest(?::varchar[]), unnest(?::bigint[]), ?, ?
            """,
            [
                feed.name,
                [file.path for file in files],
                [file.size_bytes for file in files],
                [str(error) for error in errors],
                [file.reliable_changed_ns if error.is_lasting else None for file, error in rejected],
                make_attempt_fingerprint(feed, memory_limit),
                get_utc_now(),
            ],
        )


def _delete_rejected_files(connection: duckdb.DuckDBPyConnection, feed: Feed, paths: Sequence[str]) -> None:
    connection.execute(
        "delete from raw.rejected_files where feed = ? and path in (select unnest(?::varchar[]))", [feed.name, paths]
    )
