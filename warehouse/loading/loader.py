"""Load what is new in the landing folder: files in batches, each batch in one transaction with its ledger entries."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from threading import Lock
from typing import NamedTuple

import duckdb
import pyarrow as pa

from warehouse.database import open_writer, transaction
from warehouse.disk_full import raise_on_full_disk
from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.loading import ledger
from warehouse.loading.landing_files import (
    ChangingFileError,
    FileLoad,
    LandingFile,
    NewFile,
    UnreadableFileError,
    find_files,
    find_shared_files,
    find_unmatched_files,
)
from warehouse.loading.mapping_check import check_mapping
from warehouse.loading.plan import LoadPlan, make_plan
from warehouse.loading.prefetch import read_ahead
from warehouse.loading.raw_rows import insert_records, save_column_names
from warehouse.loading.records import read_records
from warehouse.loading.reports import FeedLoadReport, LoadProgress, LoadReport
from warehouse.settings import Settings
from warehouse.sources.declaration import RAW_COLUMNS, Feed, Sources
from warehouse.sources.yaml_file import read_sources

MAX_BATCH_BYTES = 256 << 20
"""Bytes of small files that are loaded in one transaction."""

CHUNK_BYTES = 256 << 20
"""Bytes of text that are parsed in one statement; meanwhile the next are read. Each statement leaves the database a
piece of a row group that is written once more: with a quarter of this a load takes a third longer, and more memory."""

MAX_BATCH_FILES = 1_000
"""Files that are loaded in one transaction at the most."""


@raise_on_full_disk
def load(
    settings: Settings,
    on_progress: Callable[[LoadProgress], None] = lambda _: None,
    reload_paths: Collection[str] | None = None,
) -> LoadReport:
    """Load every new or changed file of the landing folder into the raw tables.

    Each file's rows and its ledger entry appear together or not at all, so a load that is killed at any instant is
    repaired by the next one. A file that cannot be read is noted in `raw.rejected_files` and stops no other; one that
    is still being written is left for the next load. Where `again` is given, the files of these paths are loaded,
    known or not, and no others. `on_progress` is called by one thread at a time, but not always by the caller's.

    Raises:
        RecomartError: The sources file or the landing folder is missing or wrong, a file to load again is not there, or
            the warehouse is in use.
        DiskFullError: No more can be written.
    """
    started = time.perf_counter()
    sources = read_sources(settings.sources)
    files = {feed.name: find_files(feed, settings.landing_dir) for feed in sources.feeds.values()}
    if not any(files.values()):
        globs = "; ".join(f"{feed.name}: {', '.join(feed.files)}" for feed in sources.feeds.values())
        raise RecomartError(
            f"{settings.landing_dir}: no file here belongs to a feed of {settings.sources} ({globs}); "
            "put the shop's files there, or mend the globs"
        )
    report = LoadReport()
    every_file = [file for found in files.values() for file in found]
    report.unmatched_files = find_unmatched_files(settings.landing_dir, {file.location for file in every_file})
    report.shared_files = find_shared_files(every_file)
    if reload_paths is not None:
        files = {name: [file for file in found if file.path in reload_paths] for name, found in files.items()}
        _check_files_present(reload_paths, {file.path for found in files.values() for file in found}, settings)
    with open_writer(settings) as connection:
        # Raw rows know their lines: to keep them in the order of the file as well takes a third of the time.
        connection.execute("set preserve_insertion_order = false")
        _check_feeds_declared(connection, sources, settings)
        corrected = _find_feeds_with_changed_kind(connection, sources)
        _check_changed_feeds_present(connection, corrected, {file.path for file in every_file}, settings)
        if reload_paths is not None and corrected:
            raise RecomartError(
                f"{settings.sources}: feeds.{corrected[0].name}.kind: it was another one when its files were loaded; "
                "`recomart load` loads all of them anew"
            )
        plan = make_plan(connection, files, settings.settle_seconds, reload_paths or ())
        for feed in sources.feeds.values():
            check_mapping(connection, feed, [item.file for item in plan.new_files[feed.name]], settings.sources)
        _write_declarations(connection, sources, corrected)
        loader = _Loader(connection, report, ProgressTracker(plan, on_progress))
        for feed in sources.feeds.values():
            report.feeds[feed.name] = FeedLoadReport(files_unchanged=plan.unchanged_counts[feed.name])
            loader.report_changing_files(feed, plan.changing_paths[feed.name])
            loader.load(feed, plan.new_files[feed.name])
        report.undeclared_columns = _read_undeclared_columns(connection)
    # Arrow keeps what it was given for the next reading; whoever goes on in this process may want it.
    pa.default_memory_pool().release_unused()
    report.seconds = time.perf_counter() - started
    return report


def _check_files_present(requested_paths: Collection[str], present_paths: set[str], settings: Settings) -> None:
    """What is loaded of a file that has left the landing folder cannot be loaded again.

    Raises:
        RecomartError: Not all wanted files are found.
    """
    absent = sorted(set(requested_paths) - present_paths)
    if absent:
        others = f" and {len(absent) - 1:,} others" if len(absent) > 1 else ""
        raise RecomartError(
            f"{settings.landing_dir}: no file {absent[0]}{others} any more, or no glob of {settings.sources} means it; "
            "its rows stay as they are. Deliver it again, or name other files"
        )


def _check_feeds_declared(connection: duckdb.DuckDBPyConnection, sources: Sources, settings: Settings) -> None:
    """One warehouse is one shop: rows of feeds that are not declared would be neither explained nor forgotten.

    Raises:
        RecomartError: The warehouse holds files of a feed that the sources file does not declare.
    """
    held = connection.execute("select distinct feed from raw.loaded_files order by feed").fetchall()
    strange = [feed for (feed,) in held if feed not in sources.feeds]
    if strange:
        raise RecomartError(
            f"{settings.sources} declares no feed {', '.join(strange)}, of which {settings.database} holds files; name "
            "another warehouse with --warehouse, declare the feed, or delete the database and load everything anew"
        )


def _find_feeds_with_changed_kind(connection: duckdb.DuckDBPyConnection, sources: Sources) -> list[Feed]:
    """The feeds that were of another kind when they were loaded."""
    kinds = dict(connection.execute("select feed, kind from raw.feeds").fetchall())
    return [feed for feed in sources.feeds.values() if kinds.get(feed.name, feed.kind) != feed.kind]


def _check_changed_feeds_present(
    connection: duckdb.DuckDBPyConnection, changed_feeds: list[Feed], present_paths: set[str], settings: Settings
) -> None:
    """Rows of another kind than their feed's mean nothing, so every file of a corrected feed must be there to be read.

    Raises:
        RecomartError: One is not.
    """
    for feed in changed_feeds:
        absent = sorted(set(ledger.read_loaded_files(connection, feed)) - present_paths)
        if absent:
            raise RecomartError(
                f"{settings.sources}: feeds.{feed.name}.kind: it was another one when {absent[0]} was loaded, which "
                f"is not in {settings.landing_dir} any more, or no glob of the feed means it; put "
                f"{format_count(len(absent), 'such file')} back, or delete {settings.database} and load everything anew"
            )


def _write_declarations(connection: duckdb.DuckDBPyConnection, sources: Sources, changed_feeds: list[Feed]) -> None:
    """Write the declarations where the SQL reads them, and forget what feeds of a corrected kind have loaded."""
    feeds = list(sources.feeds.values())
    with transaction(connection):
        for feed in changed_feeds:
            ledger.delete_files(connection, feed, list(ledger.read_loaded_files(connection, feed)), RAW_COLUMNS)
        connection.execute("delete from raw.feeds")
        connection.execute("delete from raw.event_aliases")
        connection.executemany(
            "insert into raw.feeds values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*sources.typing_settings(feed), sources.typing_fingerprint(feed)) for feed in feeds],
        )
        aliases = [(feed.name, alias, event_type) for feed in feeds for alias, event_type in feed.event_aliases]
        if aliases:
            connection.executemany("insert into raw.event_aliases values (?, ?, ?)", aliases)


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


class ProgressTracker:
    """Adds up what is done and tells whoever listens, one at a time: files are read by a thread of their own."""

    def __init__(self, plan: LoadPlan, on_progress: Callable[[LoadProgress], None]) -> None:
        files = [item.file for items in plan.new_files.values() for item in items]
        self._progress = LoadProgress(0, len(files), 0, sum(file.size_bytes for file in files))
        self._bytes_read: dict[str, int] = {}
        self._on_progress = on_progress
        self._lock = Lock()

    def add_bytes_read(self, file: LandingFile, bytes_read: int) -> None:
        """So much of a file is read; what is read a second time counts once."""
        with self._lock:
            more = bytes_read - self._bytes_read.get(file.path, 0)
            if more > 0:
                self._bytes_read[file.path] = bytes_read
                self._progress = self._progress._replace(bytes_done=self._progress.bytes_done + more)
                self._on_progress(self._progress)

    def finish_batch(self, batch: list[NewFile]) -> None:
        """These files are done with, whatever became of them."""
        with self._lock:
            self._progress = self._progress._replace(files_done=self._progress.files_done + len(batch))
            self._on_progress(self._progress)


class BatchRead:
    """One reading of the files of a batch."""

    def __init__(self, batch: list[NewFile]) -> None:
        self.batch = batch
        self.file_loads = {item.file.path: FileLoad() for item in batch}
        self.errors: dict[str, Exception] = {}
        """Why files cannot be read, by path."""


class RecordChunk(NamedTuple):
    """Records of files that have the same header: path, load_id and what `records` gives; perhaps none."""

    header: tuple[str, ...]
    records: pa.Table
    is_last: bool
    """Whether it is the last of its attempt."""


class _Loader:
    """Writes files into the raw tables over one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, report: LoadReport, tracker: ProgressTracker) -> None:
        self._connection = connection
        self._report = report
        self._tracker = tracker

    def report_changing_files(self, feed: Feed, paths: list[str]) -> None:
        """Report files that are still being written."""
        self._report.changing_files += paths
        self._report.feeds[feed.name].files_changing += len(paths)

    def load(self, feed: Feed, files: list[NewFile]) -> None:
        """Load files batch by batch, each in one transaction; while one is written, the next is read."""
        attempts = [BatchRead(batch) for batch in _split_into_batches(files)]
        with closing(read_ahead(self._read_chunks(attempts))) as pieces:
            for attempt in attempts:
                self._load_batch(feed, attempt, pieces)

    def _load_batch(self, feed: Feed, batch_read: BatchRead, chunks: Iterator[RecordChunk]) -> None:
        """Load the files of a batch and report what became of each."""
        batch = batch_read.batch
        written, failed = self._write_readable_files(feed, batch_read, chunks)
        self._add_to_report(feed, written)
        unreadable = [
            (item.file, str(failed[item.file.path]))
            for item in batch
            if isinstance(failed.get(item.file.path), UnreadableFileError)
        ]
        ledger.add_rejected_files(self._connection, feed, unreadable)
        self._report.rejected_files |= {file.path: reason for file, reason in unreadable}
        self._report.feeds[feed.name].files_rejected += len(unreadable)
        self.report_changing_files(
            feed, [path for path, error in failed.items() if isinstance(error, ChangingFileError)]
        )
        self._tracker.finish_batch(batch)

    def _write_readable_files(
        self, feed: Feed, batch_read: BatchRead, chunks: Iterator[RecordChunk]
    ) -> tuple[BatchRead, dict[str, Exception]]:
        """Write files in one transaction; where some cannot be read, read the others again and write those.

        Returns the attempt that was written and, by path, why the other files failed.
        """
        try:
            with transaction(self._connection):
                self._write(feed, batch_read, chunks)
        except _FailedFilesError:
            # What was written of them and of the others is rolled back, and with it what a changed file replaces.
            good = BatchRead([item for item in batch_read.batch if item.file.path not in batch_read.errors])
            if not good.batch:
                return good, batch_read.errors
            with closing(read_ahead(self._read_chunks([good]))) as again:
                written, failed = self._write_readable_files(feed, good, again)
            return written, batch_read.errors | failed
        return batch_read, {}

    def _write(self, feed: Feed, batch_read: BatchRead, chunks: Iterator[RecordChunk]) -> None:
        """Write the rows and the ledger entries of a batch; takes its pieces and no more.

        Raises:
            _FailedFilesError: Not all files of the batch can be read.
        """
        readings = batch_read.file_loads
        ledger.delete_files(
            self._connection, feed, [item.file.path for item in batch_read.batch if item.is_replacement]
        )
        for header, records, is_last in chunks:
            if len(records) and not batch_read.errors:
                for path, (loaded, rejected) in insert_records(self._connection, feed, header, records).items():
                    readings[path].rows_loaded += loaded
                    readings[path].rows_rejected += rejected
                save_column_names(self._connection, feed, header, records)
            # The next is being read already, for another batch: what goes wrong with it is no matter of this one.
            if is_last:
                break
        if batch_read.errors:
            raise _FailedFilesError
        ledger.add_loaded_files(self._connection, feed, batch_read.batch, readings)

    def _read_chunks(self, batch_reads: Iterable[BatchRead]) -> Iterator[RecordChunk]:
        """The records of the files in pieces of bounded size; fills the attempts' readings, and why files failed."""
        for attempt in batch_reads:
            waiting: dict[tuple[str, ...], list[pa.Table]] = {}
            waiting_bytes = 0
            for item in attempt.batch:
                path, reading = item.file.path, attempt.file_loads[item.file.path]
                try:
                    for records in read_records(item.file, reading):
                        if waiting and waiting_bytes + records.table.nbytes > CHUNK_BYTES:
                            yield from _join_tables(waiting, is_last=False)
                            waiting, waiting_bytes = {}, 0
                        named = records.table.append_column("path", pa.repeat(pa.scalar(path), len(records.table)))
                        named = named.append_column("load_id", pa.repeat(pa.scalar(item.load_id), len(named)))
                        waiting.setdefault(records.header, []).append(named)
                        waiting_bytes += records.table.nbytes
                        self._tracker.add_bytes_read(item.file, reading.bytes_read)
                except (UnreadableFileError, ChangingFileError) as error:
                    attempt.errors[path] = error
                self._tracker.add_bytes_read(item.file, item.file.size_bytes)
            yield from _join_tables(waiting or {(): [pa.table({})]}, is_last=True)

    def _add_to_report(self, feed: Feed, batch_read: BatchRead) -> None:
        """Add loaded files to the report."""
        report = self._report.feeds[feed.name]
        ways = self._report.detected_formats.setdefault(feed.name, {})
        for item in batch_read.batch:
            reading = batch_read.file_loads[item.file.path]
            report.files_loaded += 1
            report.files_replaced += item.is_replacement
            report.lines += reading.lines
            report.rows_loaded += reading.rows_loaded
            report.rows_rejected += reading.rows_rejected
            if way := reading.describe_detected_format(feed):
                ways[way] = ways.get(way, 0) + 1


def _join_tables(tables_by_header: dict[tuple[str, ...], list[pa.Table]], *, is_last: bool) -> Iterator[RecordChunk]:
    """One piece for each header; `is_end` when nothing comes after them."""
    left = len(tables_by_header)
    for header, tables in tables_by_header.items():
        left -= 1
        yield RecordChunk(header, pa.concat_tables(tables), is_last and left == 0)


class _FailedFilesError(Exception):
    """Rolls back the transaction of a batch whose files cannot all be read."""


def _split_into_batches(files: Iterable[NewFile]) -> Iterator[list[NewFile]]:
    batch: list[NewFile] = []
    size = 0
    for item in files:
        if batch and (size + item.file.size_bytes > MAX_BATCH_BYTES or len(batch) == MAX_BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.file.size_bytes
    if batch:
        yield batch
