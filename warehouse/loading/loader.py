"""Load what is new in the landing folder: files in batches, each batch in one transaction with its ledger entries."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from threading import Lock
from typing import NamedTuple

import duckdb
import pyarrow as pa

from warehouse.database import transaction, writer
from warehouse.disk_full import tell_full_disk
from warehouse.errors import RecomartError
from warehouse.formatting import counted
from warehouse.loading import ledger
from warehouse.loading.columns import check_mapping
from warehouse.loading.landing_files import (
    ChangingFileError,
    LandingFile,
    NewFile,
    Reading,
    UnreadableFileError,
    files_of_no_feed,
    files_of_several_feeds,
    find_files,
)
from warehouse.loading.plan import Plan, make_plan
from warehouse.loading.prefetch import read_ahead
from warehouse.loading.records import read_records
from warehouse.loading.reports import FeedReport, LoadReport, Progress
from warehouse.loading.staging import insert, note_columns
from warehouse.settings import Settings
from warehouse.sources.declaration import COLUMNS, Feed, Sources
from warehouse.sources.yaml_file import read_sources

BATCH_BYTES = 256 << 20
"""Bytes of small files that are loaded in one transaction."""

PIECE_BYTES = 256 << 20
"""Bytes of text that are parsed in one statement; meanwhile the next are read. Each statement leaves the database a
piece of a row group that is written once more: with a quarter of this a load takes a third longer, and more memory."""

BATCH_FILES = 1_000
"""Files that are loaded in one transaction at the most."""


@tell_full_disk
def load(
    settings: Settings,
    on_progress: Callable[[Progress], None] = lambda _: None,
    again: Collection[str] | None = None,
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
    report.files_of_no_feed = files_of_no_feed(settings.landing_dir, {file.location for file in every_file})
    report.files_of_several_feeds = files_of_several_feeds(every_file)
    if again is not None:
        files = {name: [file for file in found if file.path in again] for name, found in files.items()}
        _refuse_absent(again, {file.path for found in files.values() for file in found}, settings)
    with writer(settings) as connection:
        # Raw rows know their lines: to keep them in the order of the file as well takes a third of the time.
        connection.execute("set preserve_insertion_order = false")
        _refuse_other_shop(connection, sources, settings)
        corrected = _of_corrected_kind(connection, sources)
        _refuse_to_lose(connection, corrected, {file.path for file in every_file}, settings)
        if again is not None and corrected:
            raise RecomartError(
                f"{settings.sources}: feeds.{corrected[0].name}.kind: it was another one when its files were loaded; "
                "`recomart load` loads all of them anew"
            )
        plan = make_plan(connection, files, settings.settle_seconds, again or ())
        for feed in sources.feeds.values():
            check_mapping(connection, feed, [item.file for item in plan.new[feed.name]], settings.sources)
        _declare(connection, sources, corrected)
        loader = _Loader(connection, report, _Meter(plan, on_progress))
        for feed in sources.feeds.values():
            report.feeds[feed.name] = FeedReport(files_unchanged=plan.unchanged[feed.name])
            loader.leave(feed, plan.waiting[feed.name])
            loader.load(feed, plan.new[feed.name])
        report.undeclared_columns = _undeclared_columns(connection)
    # Arrow keeps what it was given for the next reading; whoever goes on in this process may want it.
    pa.default_memory_pool().release_unused()
    report.seconds = time.perf_counter() - started
    return report


def _refuse_absent(wanted: Collection[str], found: set[str], settings: Settings) -> None:
    """What is loaded of a file that has left the landing folder cannot be loaded again.

    Raises:
        RecomartError: Not all wanted files are found.
    """
    absent = sorted(set(wanted) - found)
    if absent:
        others = f" and {len(absent) - 1:,} others" if len(absent) > 1 else ""
        raise RecomartError(
            f"{settings.landing_dir}: no file {absent[0]}{others} any more, or no glob of {settings.sources} means it; "
            "its rows stay as they are. Deliver it again, or name other files"
        )


def _refuse_other_shop(connection: duckdb.DuckDBPyConnection, sources: Sources, settings: Settings) -> None:
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


def _of_corrected_kind(connection: duckdb.DuckDBPyConnection, sources: Sources) -> list[Feed]:
    """The feeds that were of another kind when they were loaded."""
    kinds = dict(connection.execute("select feed, kind from raw.feeds").fetchall())
    return [feed for feed in sources.feeds.values() if kinds.get(feed.name, feed.kind) != feed.kind]


def _refuse_to_lose(
    connection: duckdb.DuckDBPyConnection, corrected: list[Feed], found: set[str], settings: Settings
) -> None:
    """Rows of another kind than their feed's mean nothing, so every file of a corrected feed must be there to be read.

    Raises:
        RecomartError: One is not.
    """
    for feed in corrected:
        absent = sorted(set(ledger.loaded_files(connection, feed)) - found)
        if absent:
            raise RecomartError(
                f"{settings.sources}: feeds.{feed.name}.kind: it was another one when {absent[0]} was loaded, which "
                f"is not in {settings.landing_dir} any more, or no glob of the feed means it; put "
                f"{counted(len(absent), 'such file')} back, or delete {settings.database} and load everything anew"
            )


def _declare(connection: duckdb.DuckDBPyConnection, sources: Sources, corrected: list[Feed]) -> None:
    """Write the declarations where the SQL reads them, and forget what feeds of a corrected kind have loaded."""
    feeds = list(sources.feeds.values())
    with transaction(connection):
        for feed in corrected:
            ledger.forget(connection, feed, list(ledger.loaded_files(connection, feed)), COLUMNS)
        connection.execute("delete from raw.feeds")
        connection.execute("delete from raw.event_aliases")
        connection.executemany(
            "insert into raw.feeds values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*sources.meaning(feed), sources.declaration(feed)) for feed in feeds],
        )
        aliases = [(feed.name, alias, event_type) for feed in feeds for alias, event_type in feed.aliases]
        if aliases:
            connection.executemany("insert into raw.event_aliases values (?, ?, ?)", aliases)


def _undeclared_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
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


class _Meter:
    """Adds up what is done and tells whoever listens, one at a time: files are read by a thread of their own."""

    def __init__(self, plan: Plan, on_progress: Callable[[Progress], None]) -> None:
        files = [item.file for items in plan.new.values() for item in items]
        self._state = Progress(0, len(files), 0, sum(file.size_bytes for file in files))
        self._bytes_read: dict[str, int] = {}
        self._on_progress = on_progress
        self._one_at_a_time = Lock()

    def read(self, file: LandingFile, size: int) -> None:
        """So much of a file is read; what is read a second time counts once."""
        with self._one_at_a_time:
            more = size - self._bytes_read.get(file.path, 0)
            if more > 0:
                self._bytes_read[file.path] = size
                self._state = self._state._replace(bytes_done=self._state.bytes_done + more)
                self._on_progress(self._state)

    def finish(self, batch: list[NewFile]) -> None:
        """These files are done with, whatever became of them."""
        with self._one_at_a_time:
            self._state = self._state._replace(files_done=self._state.files_done + len(batch))
            self._on_progress(self._state)


class _Attempt:
    """One reading of the files of a batch."""

    def __init__(self, batch: list[NewFile]) -> None:
        self.batch = batch
        self.readings = {item.file.path: Reading() for item in batch}
        self.failed: dict[str, Exception] = {}
        """Why files cannot be read, by path."""


class _Piece(NamedTuple):
    """Records of files that have the same header: path, load_id and what `records` gives; perhaps none."""

    header: tuple[str, ...]
    records: pa.Table
    is_last: bool
    """Whether it is the last of its attempt."""


class _Loader:
    """Writes files into the raw tables over one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, report: LoadReport, meter: _Meter) -> None:
        self._connection = connection
        self._report = report
        self._meter = meter

    def leave(self, feed: Feed, paths: list[str]) -> None:
        """Report files that are still being written."""
        self._report.waiting_files += paths
        self._report.feeds[feed.name].files_waiting += len(paths)

    def load(self, feed: Feed, files: list[NewFile]) -> None:
        """Load files batch by batch, each in one transaction; while one is written, the next is read."""
        attempts = [_Attempt(batch) for batch in _batches(files)]
        with closing(read_ahead(self._pieces(attempts))) as pieces:
            for attempt in attempts:
                self._load_batch(feed, attempt, pieces)

    def _load_batch(self, feed: Feed, attempt: _Attempt, pieces: Iterator[_Piece]) -> None:
        """Load the files of a batch and report what became of each."""
        batch = attempt.batch
        written, failed = self._write_good(feed, attempt, pieces)
        self._count(feed, written)
        unreadable = [
            (item.file, str(failed[item.file.path]))
            for item in batch
            if isinstance(failed.get(item.file.path), UnreadableFileError)
        ]
        ledger.reject(self._connection, feed, unreadable)
        self._report.rejected_files |= {file.path: reason for file, reason in unreadable}
        self._report.feeds[feed.name].files_rejected += len(unreadable)
        self.leave(feed, [path for path, error in failed.items() if isinstance(error, ChangingFileError)])
        self._meter.finish(batch)

    def _write_good(
        self, feed: Feed, attempt: _Attempt, pieces: Iterator[_Piece]
    ) -> tuple[_Attempt, dict[str, Exception]]:
        """Write files in one transaction; where some cannot be read, read the others again and write those.

        Returns the attempt that was written and, by path, why the other files failed.
        """
        try:
            with transaction(self._connection):
                self._write(feed, attempt, pieces)
        except _FailedFilesError:
            # What was written of them and of the others is rolled back, and with it what a changed file replaces.
            good = _Attempt([item for item in attempt.batch if item.file.path not in attempt.failed])
            if not good.batch:
                return good, attempt.failed
            with closing(read_ahead(self._pieces([good]))) as again:
                written, failed = self._write_good(feed, good, again)
            return written, attempt.failed | failed
        return attempt, {}

    def _write(self, feed: Feed, attempt: _Attempt, pieces: Iterator[_Piece]) -> None:
        """Write the rows and the ledger entries of a batch; takes its pieces and no more.

        Raises:
            _FailedFilesError: Not all files of the batch can be read.
        """
        readings = attempt.readings
        ledger.forget(self._connection, feed, [item.file.path for item in attempt.batch if item.replaces])
        for header, records, is_last in pieces:
            if len(records) and not attempt.failed:
                for path, (loaded, rejected) in insert(self._connection, feed, header, records).items():
                    readings[path].loaded += loaded
                    readings[path].rejected += rejected
                note_columns(self._connection, feed, header, records)
            # The next is being read already, for another batch: what goes wrong with it is no matter of this one.
            if is_last:
                break
        if attempt.failed:
            raise _FailedFilesError
        ledger.enter(self._connection, feed, attempt.batch, readings)

    def _pieces(self, attempts: Iterable[_Attempt]) -> Iterator[_Piece]:
        """The records of the files in pieces of bounded size; fills the attempts' readings, and why files failed."""
        for attempt in attempts:
            waiting: dict[tuple[str, ...], list[pa.Table]] = {}
            waiting_bytes = 0
            for item in attempt.batch:
                path, reading = item.file.path, attempt.readings[item.file.path]
                try:
                    for records in read_records(item.file, reading):
                        if waiting and waiting_bytes + records.table.nbytes > PIECE_BYTES:
                            yield from _joined(waiting, is_end=False)
                            waiting, waiting_bytes = {}, 0
                        named = records.table.append_column("path", pa.repeat(pa.scalar(path), len(records.table)))
                        named = named.append_column("load_id", pa.repeat(pa.scalar(item.load_id), len(named)))
                        waiting.setdefault(records.header, []).append(named)
                        waiting_bytes += records.table.nbytes
                        self._meter.read(item.file, reading.bytes_read)
                except (UnreadableFileError, ChangingFileError) as error:
                    attempt.failed[path] = error
                self._meter.read(item.file, item.file.size_bytes)
            yield from _joined(waiting or {(): [pa.table({})]}, is_end=True)

    def _count(self, feed: Feed, attempt: _Attempt) -> None:
        """Add loaded files to the report."""
        report = self._report.feeds[feed.name]
        ways = self._report.detected.setdefault(feed.name, {})
        for item in attempt.batch:
            reading = attempt.readings[item.file.path]
            report.files_loaded += 1
            report.files_replaced += item.replaces
            report.lines += reading.lines
            report.rows_loaded += reading.loaded
            report.rows_rejected += reading.rejected
            if way := reading.detected(feed):
                ways[way] = ways.get(way, 0) + 1


def _joined(tables_by_header: dict[tuple[str, ...], list[pa.Table]], *, is_end: bool) -> Iterator[_Piece]:
    """One piece for each header; `is_end` when nothing comes after them."""
    left = len(tables_by_header)
    for header, tables in tables_by_header.items():
        left -= 1
        yield _Piece(header, pa.concat_tables(tables), is_end and left == 0)


class _FailedFilesError(Exception):
    """Rolls back the transaction of a batch whose files cannot all be read."""


def _batches(new: Iterable[NewFile]) -> Iterator[list[NewFile]]:
    batch: list[NewFile] = []
    size = 0
    for item in new:
        if batch and (size + item.file.size_bytes > BATCH_BYTES or len(batch) == BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.file.size_bytes
    if batch:
        yield batch
