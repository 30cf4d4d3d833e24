"""Load the first rows of each feed into an empty warehouse, to try a declaration."""

from collections.abc import Iterator
from contextlib import closing

import duckdb
import pyarrow as pa

from warehouse.loading import ledger
from warehouse.loading.landing_files import ChangingFileError, FileLoad, NewFile, UnreadableFileError, find_feed_files
from warehouse.loading.mapping_check import check_mapping
from warehouse.loading.raw_rows import find_decimal_id_columns, insert_records
from warehouse.loading.records import FileRecords, read_records
from warehouse.settings import Settings
from warehouse.sources.declaration import Feed, Sources


def load_sample(
    connection: duckdb.DuckDBPyConnection, sources: Sources, settings: Settings, max_rows: int
) -> dict[str, str]:
    """Load up to `max_rows` records of each feed of the shop; return the error of the first unreadable file by feed.

    Raises:
        RecomartError: A mapped column is in none of the files, or the landing folder is missing.
    """
    errors: dict[str, str] = {}
    files_by_feed = find_feed_files(sources.shop_feeds.values(), settings)
    for feed in sources.shop_feeds.values():
        files = files_by_feed[feed.name]
        check_mapping(connection, feed, files, settings.sources, files_by_feed.get(f"{feed.name}.join", ()))
        row_count = 0
        for file, load_id in zip(files, ledger.allocate_load_ids(connection, len(files)), strict=True):
            if row_count >= max_rows:
                break
            new_file = NewFile(file, is_replacement=False, load_id=load_id)
            try:
                row_count += _load_start(connection, feed, new_file, max_rows - row_count)
            except (UnreadableFileError, ChangingFileError) as error:
                errors.setdefault(feed.name, f"{file.path}: {error or 'the file is changing'}")
    return errors


def _load_start(connection: duckdb.DuckDBPyConnection, feed: Feed, new_file: NewFile, max_rows: int) -> int:
    """Load the first records of a file with its entry in the ledger; return their number."""
    path, file_load = new_file.file.path, FileLoad()
    with closing(read_records(new_file.file, file_load)) as chunks:
        for records in _take(chunks, max_rows):
            table = records.table.append_column("path", pa.repeat(pa.scalar(path), len(records.table)))
            table = table.append_column("load_id", pa.repeat(pa.scalar(new_file.load_id), len(table)))
            for loaded_count, rejected_count in insert_records(connection, feed, records.header, table).values():
                file_load.rows_loaded += loaded_count
                file_load.rows_rejected += rejected_count
    decimal_id_columns = find_decimal_id_columns(connection, feed, [new_file.load_id])
    file_load.decimal_id_columns = decimal_id_columns.get(new_file.load_id, [])
    file_load.lines = file_load.rows_loaded + file_load.rows_rejected
    file_load.encoding = file_load.encoding or "utf-8"
    ledger.add_loaded_files(connection, feed, [new_file], {path: file_load})
    return file_load.lines


def _take(chunks: Iterator[FileRecords], max_rows: int) -> Iterator[FileRecords]:
    """Yield the records up to a number."""
    for records in chunks:
        yield FileRecords(records.table.slice(0, max_rows), records.header)
        max_rows -= len(records.table)
        if max_rows <= 0:
            return
