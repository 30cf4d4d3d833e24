"""Load new and changed landing files in batches; each batch is one transaction with its ledger entries."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

import duckdb
import pyarrow as pa

from warehouse.database import open_writer, transaction
from warehouse.disk_full import raise_on_full_disk
from warehouse.errors import RecomartError
from warehouse.loading import ledger
from warehouse.loading.feed_declarations import (
    check_changed_feeds_present,
    check_feeds_declared,
    find_feeds_with_changed_kind,
    write_declarations,
)
from warehouse.loading.landing_files import (
    ChangingFileError,
    FileLoad,
    NewFile,
    UnreadableFileError,
    find_files,
    find_shared_files,
    find_unmatched_files,
)
from warehouse.loading.mapping_check import check_mapping
from warehouse.loading.plan import make_plan
from warehouse.loading.prefetch import read_ahead
from warehouse.loading.progress_tracker import ProgressTracker
from warehouse.loading.raw_rows import find_decimal_id_columns, insert_records, save_column_names
from warehouse.loading.records import read_records
from warehouse.loading.reports import FeedLoadReport, LoadProgress, LoadReport
from warehouse.loading.unreadable_feeds import find_unreadable_feeds
from warehouse.settings import Settings
from warehouse.sources.declaration import Feed
from warehouse.sources.yaml_file import read_sources

MAX_BATCH_BYTES = 256 << 20
"""Maximum bytes of small files in one transaction."""

STATEMENT_BYTES = 340 << 20
"""Bytes of records that one statement writes while a thread reads the next chunk. DuckDB writes the partial row group
at the end of each statement twice: with a quarter of this size a load takes a third longer and needs more memory."""

MAX_BATCH_FILES = 1_000
"""Maximum number of files in one transaction."""


@raise_on_full_disk
def load(
    settings: Settings,
    on_progress: Callable[[LoadProgress], None] = lambda _: None,
    reload_paths: Collection[str] | None = None,
) -> LoadReport:
    """Load every new or changed file of the landing folder into the raw tables.

    The rows and the ledger entry of a file are written in one transaction. After a killed load, the next load reads the
    files that have no such entry. A rejected file is recorded in `raw.rejected_files`, and the other files are
    loaded. A changing file, which is still being written, is left for the next load.

    Args:
        settings: The folders and limits of the warehouse.
        on_progress: Called by one thread at a time, but not always by the caller's thread.
        reload_paths: If given, load exactly the files of these paths, even if the ledger has them as loaded.

    Raises:
        RecomartError: The sources file or the landing folder is missing or wrong, a file to reload is missing, or the
            warehouse is in use.
        DiskFullError: The disk is full.
    """
    start_seconds = time.perf_counter()
    sources = read_sources(settings.sources)
    files = {
        feed.name: find_files(feed, settings.landing_dir, settings.linked_folders) for feed in sources.feeds.values()
    }
    if not any(files.values()):
        globs = "; ".join(f"{feed.name}: {', '.join(feed.files)}" for feed in sources.feeds.values())
        raise RecomartError(
            f"{settings.landing_dir}: no file belongs to a feed of {settings.sources} ({globs}). "
            "Put the shop's files there, or correct the globs"
        )
    report = LoadReport()
    all_files = [file for feed_files in files.values() for file in feed_files]
    report.unmatched_files = find_unmatched_files(settings.landing_dir, {file.location for file in all_files})
    report.shared_files = find_shared_files(all_files)
    present_paths_by_feed = {name: {file.path for file in feed_files} for name, feed_files in files.items()}
    if reload_paths is not None:
        files = {name: [file for file in feed_files if file.path in reload_paths] for name, feed_files in files.items()}
        present_paths = {file.path for feed_files in files.values() for file in feed_files}
        _check_files_present(reload_paths, present_paths, settings)
    with open_writer(settings) as connection:
        # Keeping the rows in file order would take a third of the load time. Raw rows store their line number instead.
        connection.execute("set preserve_insertion_order = false")
        check_feeds_declared(connection, sources, settings)
        changed_feeds = find_feeds_with_changed_kind(connection, sources)
        check_changed_feeds_present(connection, changed_feeds, {file.path for file in all_files}, settings)
        if reload_paths is not None and changed_feeds:
            raise RecomartError(
                f"{settings.sources}: feeds.{changed_feeds[0].name}.kind: the kind was different when its files were "
                "loaded. Run `recomart load`, which loads all of them again"
            )
        plan = make_plan(connection, files, settings.settle_seconds, reload_paths or ())
        plan_files = {name: [item.file for item in items] for name, items in plan.new_files.items()}
        for feed in sources.feeds.values():
            joined_files = plan_files.get(f"{feed.name}.join", ())
            check_mapping(connection, feed, plan_files[feed.name], settings.sources, joined_files)
        write_declarations(connection, sources, changed_feeds)
        loader = _Loader(connection, report, ProgressTracker(plan, on_progress))
        for feed in sources.feeds.values():
            report.feeds[feed.name] = FeedLoadReport(files_unchanged=plan.unchanged_counts[feed.name])
            loader.report_changing_files(feed, plan.changing_paths[feed.name])
            loader.load(feed, plan.new_files[feed.name])
        # The declarations contain facts about the loaded files, such as ids with decimals.
        write_declarations(connection, sources, [])
        report.undeclared_columns = _read_undeclared_columns(connection)
        report.unreadable_feeds = find_unreadable_feeds(connection, present_paths_by_feed)
    # Arrow keeps its memory for the next read; later work in this process may need that memory.
    pa.default_memory_pool().release_unused()
    report.seconds = time.perf_counter() - start_seconds
    return report


def _check_files_present(requested_paths: Collection[str], present_paths: set[str], settings: Settings) -> None:
    """Check that all requested files are in the landing folder.

    Raises:
        RecomartError: A requested file is missing, or no feed's globs match it.
    """
    missing_paths = sorted(set(requested_paths) - present_paths)
    if missing_paths:
        others = f" and {len(missing_paths) - 1:,} others" if len(missing_paths) > 1 else ""
        raise RecomartError(
            f"{settings.landing_dir}: file {missing_paths[0]}{others} is missing, or no glob of {settings.sources} "
            "matches it. Its rows stay as they are. Deliver it again, or name other files"
        )


def _read_undeclared_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    rows = connection.execute(
        """
        select feed, list(column_name order by column_name)
        from raw.seen_columns
        where not is_declared
        group by feed
        order by feed
        """
    ).fetchall()
    return dict(rows)


class BatchRead:
    """One read of the files of a batch."""

    def __init__(self, batch: list[NewFile]) -> None:
        self.batch = batch
        self.file_loads = {new_file.file.path: FileLoad() for new_file in batch}
        self.errors: dict[str, Exception] = {}
        """The error of each file that cannot be read, by path."""


class RecordChunk(NamedTuple):
    """Records of files with the same header. A chunk without records has no columns."""

    header: tuple[str, ...]
    records: pa.Table
    """The columns of `FileRecords.table`, path and load_id."""

    is_last: bool
    """Whether it is the last chunk of its batch read."""


class _Loader:
    """Writes files into the raw tables over one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, report: LoadReport, tracker: ProgressTracker) -> None:
        self._connection = connection
        self._report = report
        self._tracker = tracker

    def report_changing_files(self, feed: Feed, paths: list[str]) -> None:
        """Report changing files."""
        self._report.changing_files += paths
        self._report.feeds[feed.name].files_changing += len(paths)

    def load(self, feed: Feed, files: list[NewFile]) -> None:
        """Load files batch by batch, each in one transaction; a thread reads the next chunk during each write."""
        batch_reads = [BatchRead(batch) for batch in _split_into_batches(files)]
        with closing(read_ahead(self._read_chunks(batch_reads))) as chunks:
            for batch_read in batch_reads:
                self._load_batch(feed, batch_read, chunks)

    def _load_batch(self, feed: Feed, batch_read: BatchRead, chunks: Iterator[RecordChunk]) -> None:
        """Load the files of a batch and report them as loaded, rejected or still changing."""
        batch = batch_read.batch
        written_read, errors = self._write_readable_files(feed, batch_read, chunks)
        self._add_to_report(feed, written_read)
        unreadable_files = [
            (new_file.file, str(errors[new_file.file.path]))
            for new_file in batch
            if isinstance(errors.get(new_file.file.path), UnreadableFileError)
        ]
        ledger.add_rejected_files(self._connection, feed, unreadable_files)
        self._report.rejected_files |= {file.path: reason for file, reason in unreadable_files}
        self._report.feeds[feed.name].files_rejected += len(unreadable_files)
        self.report_changing_files(
            feed, [path for path, error in errors.items() if isinstance(error, ChangingFileError)]
        )
        self._tracker.finish_batch(batch)

    def _write_readable_files(
        self, feed: Feed, batch_read: BatchRead, chunks: Iterator[RecordChunk]
    ) -> tuple[BatchRead, dict[str, Exception]]:
        """Write files in one transaction; if some cannot be read, read the others again and write those.

        Returns the batch read that was written, and the errors of the other files by path.
        """
        try:
            with transaction(self._connection):
                self._write(feed, batch_read, chunks)
        except _FailedFilesError:
            # The rollback also restores the earlier rows of changed files.
            retry = BatchRead(
                [new_file for new_file in batch_read.batch if new_file.file.path not in batch_read.errors]
            )
            if not retry.batch:
                return retry, batch_read.errors
            with closing(read_ahead(self._read_chunks([retry]))) as retry_chunks:
                written_read, errors = self._write_readable_files(feed, retry, retry_chunks)
            return written_read, batch_read.errors | errors
        return batch_read, {}

    def _write(self, feed: Feed, batch_read: BatchRead, chunks: Iterator[RecordChunk]) -> None:
        """Write the rows and the ledger entries of a batch; take the chunks of this batch only.

        Raises:
            _FailedFilesError: Not all files of the batch can be read.
        """
        file_loads = batch_read.file_loads
        ledger.delete_files(
            self._connection, feed, [new_file.file.path for new_file in batch_read.batch if new_file.is_replacement]
        )
        for header, records, is_last in chunks:
            if len(records) and not batch_read.errors:
                for path, (loaded_count, rejected_count) in insert_records(
                    self._connection, feed, header, records
                ).items():
                    file_loads[path].rows_loaded += loaded_count
                    file_loads[path].rows_rejected += rejected_count
                save_column_names(self._connection, feed, header, records)
            # The chunks after the last one belong to the next batch, which the thread already reads.
            if is_last:
                break
        if batch_read.errors:
            raise _FailedFilesError
        load_ids = {new_file.load_id: new_file.file.path for new_file in batch_read.batch}
        for load_id, columns in find_decimal_id_columns(self._connection, feed, list(load_ids)).items():
            file_loads[load_ids[load_id]].decimal_id_columns = columns
        ledger.add_loaded_files(self._connection, feed, batch_read.batch, file_loads)

    def _read_chunks(self, batch_reads: Iterable[BatchRead]) -> Iterator[RecordChunk]:
        """Yield the records of the files in chunks of bounded size; fill the file loads and errors of each batch."""
        for batch_read in batch_reads:
            tables_by_header: dict[tuple[str, ...], list[pa.Table]] = {}
            buffered_bytes = 0
            for new_file in batch_read.batch:
                path, file_load = new_file.file.path, batch_read.file_loads[new_file.file.path]
                try:
                    for records in read_records(new_file.file, file_load):
                        table = records.table.append_column("path", pa.repeat(pa.scalar(path), len(records.table)))
                        table = table.append_column("load_id", pa.repeat(pa.scalar(new_file.load_id), len(table)))
                        if tables_by_header and buffered_bytes + table.nbytes > STATEMENT_BYTES:
                            yield from _join_tables(tables_by_header, is_last=False)
                            tables_by_header, buffered_bytes = {}, 0
                        tables_by_header.setdefault(records.header, []).append(table)
                        buffered_bytes += table.nbytes
                        self._tracker.add_bytes_read(new_file.file, file_load.bytes_read)
                except (UnreadableFileError, ChangingFileError) as error:
                    batch_read.errors[path] = error
                self._tracker.add_bytes_read(new_file.file, new_file.file.size_bytes)
            # Every batch ends with a last chunk, even if no file has a record.
            yield from _join_tables(tables_by_header or {(): [pa.table({})]}, is_last=True)

    def _add_to_report(self, feed: Feed, batch_read: BatchRead) -> None:
        """Add loaded files to the report."""
        report = self._report.feeds[feed.name]
        detected_formats = self._report.detected_formats.setdefault(feed.name, {})
        for new_file in batch_read.batch:
            file_load = batch_read.file_loads[new_file.file.path]
            report.files_loaded += 1
            report.files_replaced += new_file.is_replacement
            report.lines += file_load.lines
            report.rows_loaded += file_load.rows_loaded
            report.rows_rejected += file_load.rows_rejected
            if description := file_load.describe_detected_format(feed):
                detected_formats[description] = detected_formats.get(description, 0) + 1


def _join_tables(tables_by_header: dict[tuple[str, ...], list[pa.Table]], *, is_last: bool) -> Iterator[RecordChunk]:
    """Yield one chunk for each header; `is_last` is true when no more chunks of the batch follow."""
    for number, (header, tables) in enumerate(tables_by_header.items(), start=1):
        yield RecordChunk(header, pa.concat_tables(tables), is_last and number == len(tables_by_header))


class _FailedFilesError(Exception):
    """Rolls back the transaction of a batch whose files cannot all be read."""


def _split_into_batches(files: Iterable[NewFile]) -> Iterator[list[NewFile]]:
    batch: list[NewFile] = []
    size = 0
    for new_file in files:
        if batch and (size + new_file.file.size_bytes > MAX_BATCH_BYTES or len(batch) == MAX_BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(new_file)
        size += new_file.file.size_bytes
    if batch:
        yield batch
