"""Erasure of rows from the landing files and the raw tables."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import duckdb

from warehouse.database import open_reader, open_writer, transaction
from warehouse.erasure.landing_rewriting import delete_unfinished_copies, remove_records
from warehouse.loading.forgotten_customers import REJECTION_REASON
from warehouse.loading.landing_files import find_feed_files
from warehouse.loading.ledger import allocate_load_ids
from warehouse.loading.loader import load
from warehouse.settings import Settings
from warehouse.sources.declaration import Sources


class FileRows(NamedTuple):
    """Rows of one file of a feed."""

    feed: str
    path: str
    lines: list[int]
    """Numbers of the rows, as `_line` of the raw tables has them."""


def load_present_files(settings: Settings, sources: Sources) -> None:
    """Load the new and changed files of the feeds; the landing folder of an archive can be empty."""
    if any(find_feed_files(sources.feeds.values(), settings).values()):
        load(settings)


def group_by_file(connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, object]) -> list[FileRows]:
    """Return the rows of a query of feed, path and line, by file."""
    rows = connection.execute(
        f"""
        select feed, path, list(line order by line)
        from ({query}) as rows (feed, path, line)
        group by feed, path
        order by feed, path
        """,
        parameters,
    ).fetchall()
    return [FileRows(*row) for row in rows]


FindRows = Callable[[duckdb.DuckDBPyConnection], list[FileRows]]
"""A search for rows in the open warehouse."""


def erase_rows(
    settings: Settings,
    sources: Sources,
    find_rows: FindRows,
    find_rejected: FindRows = lambda _: [],
) -> list[FileRows]:
    """Erase rows from landing files and raw tables; return the loaded rows that were found at first.

    The caller holds the lock of erasures. Rewritten files are loaded again. Rows of files that are no longer in the
    landing folder are deleted from the raw tables, and count no longer; of rejected rows of such files only the text is
    deleted.

    Args:
        settings: The folders of the warehouse.
        sources: The declaration of the feeds.
        find_rows: Finds the loaded rows to erase.
        find_rejected: Finds the rejected rows to erase.

    Raises:
        RecomartError: A landing file cannot be rewritten, or the warehouse is in use. The next call continues.
        DiskFullError: The disk is full.
    """
    delete_unfinished_copies(settings.landing_dir)
    found_rows: list[FileRows] | None = None
    while True:
        with open_reader(settings) as connection:
            rows, rejected_rows = find_rows(connection), find_rejected(connection)
            checksums = {
                (feed, path): checksum
                for feed, path, checksum in connection.execute(
                    "select feed, path, checksum from raw.loaded_files"
                ).fetchall()
            }
        found_rows = rows if found_rows is None else found_rows
        if not _rewrite_landing_files(settings, sources, [*rows, *rejected_rows], checksums):
            break
        load(settings)
    with open_writer(settings) as connection:
        _delete_raw_rows(connection, sources, rows)
        _blank_rejected_rows(connection, rejected_rows)
    return found_rows


def _rewrite_landing_files(
    settings: Settings, sources: Sources, rows: Sequence[FileRows], checksums: Mapping[tuple[str, str], str]
) -> int:
    """Remove rows from the landing files that exist; return the number of these files.

    `checksums` are those of the loaded files, by feed and path: another version of a file has other rows.
    """
    files = {
        (feed, file.path): file
        for feed, feed_files in find_feed_files(sources.feeds.values(), settings).items()
        for file in feed_files
    }
    lines_by_file: dict[tuple[str, str], set[int]] = {}
    for feed_name, path, lines in rows:
        if (feed_name, path) in files:
            lines_by_file.setdefault((feed_name, path), set()).update(lines)
    # A file of several feeds has other line numbers after the first rewriting. The events are the last ones: after a
    # killed erasure, they still show which sessions were those of the customer.
    rewritten_paths: set[str] = set()
    for key, file_lines in sorted(lines_by_file.items(), key=lambda item: sources.feeds[item[0][0]].kind == "events"):
        if key[1] not in rewritten_paths:
            remove_records(files[key], file_lines, checksums.get(key))
            rewritten_paths.add(key[1])
    return len(rewritten_paths)


def _delete_raw_rows(connection: duckdb.DuckDBPyConnection, sources: Sources, rows: Sequence[FileRows]) -> None:
    """Delete rows, and count them out of their files' lines; the files get new load ids, so that dbt builds anew."""
    with transaction(connection):
        for (feed, path, lines), load_id in zip(rows, allocate_load_ids(connection, len(rows)), strict=True):
            kind = sources.feeds[feed].kind
            connection.execute(
                f"delete from raw.{kind} where _feed = ? and _file = ? and _line in (select unnest(?::bigint[]))",
                [feed, path, lines],
            )
            connection.execute(
                f"update raw.{kind} set _load_id = ? where _feed = ? and _file = ?", [load_id, feed, path]
            )
            connection.execute(
                """
                update raw.loaded_files
                set load_id = ?, lines = lines - ?, rows_loaded = rows_loaded - ?
                where feed = ? and path = ?
                """,
                [load_id, len(lines), len(lines), feed, path],
            )


def _blank_rejected_rows(connection: duckdb.DuckDBPyConnection, rows: Sequence[FileRows]) -> None:
    """Empty the texts of rejected rows; the rows still count."""
    for feed, path, lines in rows:
        connection.execute(
            """
            update raw.rejected_rows
            set text = '', error = ?
            where feed = ? and path = ? and line in (select unnest(?::bigint[]))
            """,
            [REJECTION_REASON, feed, path, lines],
        )
