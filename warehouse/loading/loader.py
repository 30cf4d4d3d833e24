"""Load new and changed landing files in batches; each batch is one transaction with its ledger entries."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import duckdb
import pyarrow as pa

from warehouse.database import open_writer, transaction
from warehouse.disk_full import describe_disk_full_error, raise_on_full_disk
from warehouse.errors import RecomartError
from warehouse.loading import ledger
from warehouse.loading.feed_declarations import (
    check_changed_feeds_present,
    check_feeds_declared,
    find_feeds_with_changed_kind,
    write_declarations,
)
from warehouse.loading.forgotten_customers import (
    blank_rejected_texts,
    read_forgotten_customers,
    reject_forgotten_rows,
)
from warehouse.loading.landing_files import (
    ChangingFileError,
    FileLoad,
    LandingFile,
    NewFile,
    UnreadableFileError,
    find_feed_files,
    find_shared_files,
    find_unmatched_files,
)
from warehouse.loading.mapping_check import SAMPLE_FILES, check_mapping
from warehouse.loading.plan import LoadPlan, check_files_present, make_plan
from warehouse.loading.prefetch import read_ahead
from warehouse.loading.progress_tracker import ProgressTracker
from warehouse.loading.raw_rows import (
    find_decimal_id_columns,
    insert_records,
    read_undeclared_columns,
    save_column_names,
)
from warehouse.loading.read_marker import ReadMarker
from warehouse.loading.records import describe_read_error, read_records
from warehouse.loading.reports import FeedLoadReport, LoadProgress, LoadReport
from warehouse.loading.unreadable_feeds import find_unreadable_feeds
from warehouse.settings import Settings
from warehouse.sources.declaration import Feed, Sources
from warehouse.sources.yaml_file import read_sources

MAX_BATCH_BYTES = 256 << 20
"""Maximum bytes of small files in one transaction."""

STATEMENT_BYTES = 340 << 20
"""Bytes of records that one statement writes while a thread reads the next chunk. DuckDB writes the partial row group
at the end of each statement twice: with a quarter of this size a load takes a third longer and needs more memory."""

MAX_BATCH_FILES = 1_000
"""Maximum number of files in one transaction."""

DAMAGING_ERRORS = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.InterruptException)
"""Errors of the database after which it cannot be used, or which are not those of a file."""


@raise_on_full_disk
def load(
    settings: Settings,
    on_progress: Callable[[LoadProgress], None] = lambda _: None,
    reload_paths: Collection[str] | None = None,
    *,
    is_log_only: bool = False,
) -> LoadReport:
    """Load every new or changed file of the landing folder into the raw tables.

    The rows and the ledger entry of a file are written in one transaction. After a killed load, the next load reads the
    files that have no such entry. A rejected file is recorded in `raw.rejected_files`, and the other files are
    loaded. A changing file, which is still being written, is left for the next load.

    Args:
        settings: The folders and limits of the warehouse.
        on_progress: Called by one thread at a time, but not always by the caller's thread.
        reload_paths: If given, load exactly the files of these paths, even if the ledger has them as loaded.
        is_log_only: Whether to load only the logs of recommendations, as after a publication.

    Raises:
        RecomartError: The sources file or the landing folder is missing or wrong, a file to reload is missing, or the
            warehouse is in use.
        DiskFullError: The disk is full.
    """
    start_seconds = time.perf_counter()
    sources = read_sources(settings.sources)
    files = _find_files(settings, sources)
    report = LoadReport()
    all_files = [file for feed_files in files.values() for file in feed_files]
    report.unmatched_files = find_unmatched_files(settings.landing_dir, {file.location for file in all_files})
    report.shared_files = find_shared_files(all_files)
    present_paths_by_feed = {name: {file.path for file in feed_files} for name, feed_files in files.items()}
    if reload_paths is not None:
        files = {name: [file for file in feed_files if file.path in reload_paths] for name, feed_files in files.items()}
        present_paths = {file.path for feed_files in files.values() for file in feed_files}
        check_files_present(reload_paths, present_paths, settings)
    if is_log_only:
        files = {name: feed_files for name, feed_files in files.items() if name not in sources.shop_feeds}
    with open_writer(settings) as connection:
        # Keeping the rows in file order would take a third of the load time. Raw rows store their line number instead.
        connection.execute("set preserve_insertion_order = false")
        changed_feeds = _check_declarations(
            connection, settings, sources, {file.path for file in all_files}, is_reload=reload_paths is not None
        )
        if is_log_only and changed_feeds:
            # The files of these feeds must be loaded again together with the change of their declaration.
            return report
        plan = make_plan(connection, files, settings, reload_paths or ())
        # Files are converted in the default database, which by default may use most of the machine's memory.
        duckdb.cursor().execute(f"set memory_limit = '{settings.memory_limit}'")
        with ReadMarker(settings.read_marker_file) as marker:
            loader = _Loader(connection, settings, report, ProgressTracker(plan, on_progress), marker)
            loader.load_plan(sources, plan, changed_feeds, reload_paths or ())
        # The declarations contain facts about the loaded files, such as ids with decimals.
        write_declarations(connection, sources, [])
        report.undeclared_columns = read_undeclared_columns(connection)
        shop_paths = {name: paths for name, paths in present_paths_by_feed.items() if name in sources.shop_feeds}
        report.unreadable_feeds = find_unreadable_feeds(connection, shop_paths)
    # Arrow keeps its memory for the next read; later work in this process may need that memory.
    pa.default_memory_pool().release_unused()
    report.seconds = time.perf_counter() - start_seconds
    return report


def _find_files(settings: Settings, sources: Sources) -> dict[str, list[LandingFile]]:
    """Return the landing files by feed; a log without files is left out.

    Raises:
        RecomartError: The landing folder is missing or wrong, or has no file of a feed.
    """
    files = find_feed_files(sources.feeds.values(), settings)
    if not any(files.values()):
        globs = "; ".join(f"{feed.name}: {', '.join(feed.files)}" for feed in sources.shop_feeds.values())
        raise RecomartError(
            f"{settings.landing_dir}: no file belongs to a feed of {settings.sources} ({globs}). "
            "Put the shop's files there, or correct the globs"
        )
    return {name: feed_files for name, feed_files in files.items() if feed_files or name in sources.shop_feeds}


def _check_declarations(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    sources: Sources,
    present_paths: set[str],
    *,
    is_reload: bool,
) -> list[Feed]:
    """Return the feeds whose kind has changed since their files were loaded; a reload permits none.

    Raises:
        RecomartError: A loaded feed is not declared, or a changed kind does not permit the load.
    """
    check_feeds_declared(connection, sources, settings)
    changed_feeds = find_feeds_with_changed_kind(connection, sources)
    check_changed_feeds_present(connection, changed_feeds, present_paths, settings)
    if is_reload and changed_feeds:
        raise RecomartError(
            f"{settings.sources}: feeds.{changed_feeds[0].name}.kind: the kind was different when its files were "
            "loaded. Run `recomart load`, which loads all of them again"
        )
    return changed_feeds


def _split_off_suspects(
    plan: LoadPlan, marker: ReadMarker
) -> tuple[dict[str, list[NewFile]], dict[str, list[NewFile]]]:
    """Return the files during which an earlier load was killed, and the other ones, by feed."""
    suspects = {
        name: [item for item in items if marker.is_suspect(item.file)] for name, items in plan.new_files.items()
    }
    other_files = {
        name: [item for item in items if not marker.is_suspect(item.file)] for name, items in plan.new_files.items()
    }
    return suspects, other_files


class BatchRead:
    """One read of the files of a batch."""

    def __init__(self, batch: list[NewFile]) -> None:
        self.batch = batch
        self.file_loads = {new_file.file.path: FileLoad() for new_file in batch}
        self.errors: dict[str, Exception] = {}
        """The error of each file that cannot be read, by path."""

        self.write_error: UnreadableFileError | None = None
        """Why the records cannot be written, if the file with the cause is unknown."""

        self.is_read = False
        """Whether the last chunk was taken."""

    def skip_rest(self, chunks: Iterator["RecordChunk"]) -> None:
        """Take the rest of the chunks of this batch."""
        while not self.is_read:
            self.is_read = next(chunks).is_last

    def fail_to_write(self, error: Exception) -> None:
        """Record that the records of the batch cannot be written."""
        self.write_error = describe_read_error(error)
        if len(self.batch) == 1:
            self.errors[self.batch[0].file.path] = self.write_error


class RecordChunk(NamedTuple):
    """Records of files with the same header. A chunk without records has no columns."""

    header: tuple[str, ...]
    records: pa.Table
    """The columns of `FileRecords.table`, path and load_id."""

    is_last: bool
    """Whether it is the last chunk of its batch read."""


class _Loader:
    """Writes files into the raw tables over one connection."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        report: LoadReport,
        tracker: ProgressTracker,
        marker: ReadMarker,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._report = report
        self._tracker = tracker
        self._marker = marker
        self._forgotten = read_forgotten_customers(settings)

    def load_plan(
        self, sources: Sources, plan: LoadPlan, changed_feeds: list[Feed], reload_paths: Collection[str]
    ) -> None:
        """Check the declared columns, write the declarations, and load the files: those that killed a load last."""
        suspects, other_files = _split_off_suspects(plan, self._marker)
        plan_files = {name: [item.file for item in items] for name, items in other_files.items()}
        feeds = [feed for feed in sources.feeds.values() if feed.name in plan_files]
        # RecoMart writes the logs itself, and a damaged one must not stop the load of the shop's files.
        for feed in (feed for feed in feeds if not feed.is_log):
            joined_files = plan_files.get(f"{feed.name}.join", ())
            with self._marker.reading(plan_files[feed.name][:SAMPLE_FILES]):
                check_mapping(self._connection, feed, plan_files[feed.name], self._settings.sources, joined_files)
        write_declarations(self._connection, sources, changed_feeds)
        for feed in feeds:
            skipped_rejected_paths = plan.skipped_rejected_paths[feed.name]
            self._report.skipped_rejected_files += skipped_rejected_paths
            self._report.feeds[feed.name] = FeedLoadReport(
                files_unchanged=plan.unchanged_counts[feed.name], files_skipped=len(skipped_rejected_paths)
            )
            self._report_changing_files(feed, plan.changing_paths[feed.name])
            self._load(feed, other_files[feed.name])
        for feed in feeds:
            self._load_suspects(feed, suspects[feed.name], reload_paths)

    def _report_changing_files(self, feed: Feed, paths: list[str]) -> None:
        self._report.changing_files += paths
        self._report.feeds[feed.name].files_changing += len(paths)

    def _load(self, feed: Feed, files: list[NewFile]) -> None:
        """Load files batch by batch, each in one transaction; a thread reads the next chunk during each write."""
        batch_reads = [BatchRead(batch) for batch in _split_into_batches(files)]
        with closing(read_ahead(self._read_chunks(batch_reads))) as chunks:
            for batch_read in batch_reads:
                self._load_batch(feed, batch_read, chunks)

    def _load_suspects(self, feed: Feed, files: list[NewFile], reload_paths: Collection[str]) -> None:
        """Load files one by one; reject those during which too many loads were killed, except files to reload."""
        for new_file in files:
            problem = self._marker.find_problem(new_file.file)
            if problem and new_file.file.path not in reload_paths:
                self._reject(feed, [(new_file.file, UnreadableFileError(problem))])
                self._tracker.finish_batch([new_file])
                self._marker.end([new_file.file])
            else:
                self._load(feed, [new_file])

    def _load_batch(self, feed: Feed, batch_read: BatchRead, chunks: Iterator[RecordChunk]) -> None:
        """Load the files of a batch and report them as loaded, rejected or still changing."""
        batch = batch_read.batch
        written_reads, errors = self._write_readable_files(feed, batch_read, chunks)
        for written_read in written_reads:
            self._add_to_report(feed, written_read)
        file_errors = [(new_file.file, errors.get(new_file.file.path)) for new_file in batch]
        self._reject(feed, [(file, error) for file, error in file_errors if isinstance(error, UnreadableFileError)])
        self._report_changing_files(
            feed, [path for path, error in errors.items() if isinstance(error, ChangingFileError)]
        )
        self._tracker.finish_batch(batch)
        self._marker.end([new_file.file for new_file in batch])

    def _reject(self, feed: Feed, errors: Sequence[tuple[LandingFile, UnreadableFileError]]) -> None:
        ledger.add_rejected_files(self._connection, feed, errors, self._settings.memory_limit)
        self._report.rejected_files |= {file.path: str(error) for file, error in errors}
        self._report.feeds[feed.name].files_rejected += len(errors)

    def _write_readable_files(
        self, feed: Feed, batch_read: BatchRead, chunks: Iterator[RecordChunk]
    ) -> tuple[list[BatchRead], dict[str, Exception]]:
        """Write files in one transaction; if some cannot be read, read the others again and write those.

        If the records cannot be written, each file is read and written again by itself. Returns the batch reads that
        were written, and the errors of the other files by path.
        """
        if self._try_to_write(feed, batch_read, chunks):
            return [batch_read], {}
        batch_read.skip_rest(chunks)
        # The rollback also restores the earlier rows of changed files.
        files = [new_file for new_file in batch_read.batch if new_file.file.path not in batch_read.errors]
        batches = [[new_file] for new_file in files] if batch_read.write_error else [files] if files else []
        written_reads, errors = [], dict(batch_read.errors)
        for retry in map(BatchRead, batches):
            with closing(read_ahead(self._read_chunks([retry]))) as retry_chunks:
                retry_written_reads, retry_errors = self._write_readable_files(feed, retry, retry_chunks)
            written_reads += retry_written_reads
            errors |= retry_errors
        return written_reads, errors

    def _try_to_write(self, feed: Feed, batch_read: BatchRead, chunks: Iterator[RecordChunk]) -> bool:
        """Write files in one transaction; return False if an error of the files prevents it."""
        try:
            with transaction(self._connection):
                self._write(feed, batch_read, chunks)
        except _FailedFilesError:
            return False
        except (MemoryError, duckdb.Error) as error:
            if isinstance(error, DAMAGING_ERRORS) or describe_disk_full_error(str(error), self._settings.warehouse):
                raise
            batch_read.fail_to_write(error)
            return False
        return True

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
            # The chunks after the last one belong to the next batch, which the thread already reads.
            batch_read.is_read = is_last
            if batch_read.errors:
                raise _FailedFilesError
            if len(records):
                counts = insert_records(self._connection, feed, header, records)
                for path, (loaded_count, rejected_count) in counts.items():
                    file_loads[path].rows_loaded += loaded_count
                    file_loads[path].rows_rejected += rejected_count
                save_column_names(self._connection, feed, header, records)
            if is_last:
                break
        load_ids = {new_file.load_id: new_file.file.path for new_file in batch_read.batch}
        for path, count in reject_forgotten_rows(self._connection, feed, list(load_ids), self._forgotten).items():
            file_loads[path].rows_loaded -= count
            file_loads[path].rows_rejected += count
        blank_rejected_texts(self._connection, feed, list(file_loads), self._forgotten)
        for load_id, columns in find_decimal_id_columns(self._connection, feed, list(load_ids)).items():
            file_loads[load_ids[load_id]].decimal_id_columns = columns
        ledger.add_loaded_files(self._connection, feed, batch_read.batch, file_loads)

    def _read_chunks(self, batch_reads: Iterable[BatchRead]) -> Iterator[RecordChunk]:
        """Yield the records of the files in chunks of bounded size; fill the file loads and errors of each batch."""
        for batch_read in batch_reads:
            self._marker.begin([new_file.file for new_file in batch_read.batch])
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
