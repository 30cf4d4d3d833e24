"""Load what is new in the landing folder: files in batches, each batch in one transaction with its ledger entries."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa

from warehouse.database import transaction, writer
from warehouse.errors import RecomartError
from warehouse.loading.columns import check_mapping
from warehouse.loading.files import LandingFile, NewFile, UnreadableFileError, checksum, find_files
from warehouse.loading.records import Records, read_records
from warehouse.loading.staging import COUNT_ROWS, insert_staged, note_columns, stage
from warehouse.settings import Settings
from warehouse.sources import Feed, Sources, read_sources

BATCH_BYTES = 64 << 20
"""Bytes of small files that are loaded in one transaction, and of text that is parsed in one statement."""

UNREADABLE = "unreadable"
"""Stands for the checksum of a file that cannot be opened; reading it then says why."""

BATCH_FILES = 1_000
"""Files that are loaded in one transaction at the most."""


class Progress(NamedTuple):
    """How far a load is."""

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int


@dataclass
class FeedReport:
    """What one load did for one feed."""

    files_loaded: int = 0
    files_replaced: int = 0
    files_unchanged: int = 0
    files_rejected: int = 0
    lines: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0


@dataclass
class LoadReport:
    """What one load did."""

    feeds: dict[str, FeedReport] = field(default_factory=dict)
    rejected_files: dict[str, str] = field(default_factory=dict)
    """Path of each file that could not be read, and why."""

    undeclared_columns: dict[str, list[str]] = field(default_factory=dict)
    """Feed, and the columns its files have that nobody declared; they are kept in `_extra`."""

    seconds: float = 0.0

    @property
    def rows_loaded(self) -> int:
        """Rows loaded over all feeds."""
        return sum(feed.rows_loaded for feed in self.feeds.values())


@dataclass
class _Counts:
    lines: int = 0
    loaded: int = 0
    rejected: int = 0


def load(settings: Settings, on_progress: Callable[[Progress], None] = lambda _: None) -> LoadReport:
    """Load every new or changed file of the landing folder into the raw tables.

    Each file's rows and its ledger entry appear together or not at all, so a load that is killed at any instant is
    repaired by the next one. A file that cannot be read is noted in `raw.rejected_files` and stops no other.

    Raises:
        RecomartError: The sources file or the landing folder is missing or wrong, or the warehouse is in use.
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
    with writer(settings) as connection:
        _refuse_other_shop(connection, sources, settings)
        new = {name: list(_new_files(connection, report, name, found)) for name, found in files.items()}
        for feed in sources.feeds.values():
            check_mapping(connection, feed, new[feed.name], settings.sources)
        _declare(connection, sources)
        loader = _Loader(connection, report, _Meter(new, on_progress))
        for feed in sources.feeds.values():
            loader.load_feed(feed, new[feed.name])
        report.undeclared_columns = _undeclared_columns(connection)
    report.seconds = time.perf_counter() - started
    return report


def _new_files(
    connection: duckdb.DuckDBPyConnection, report: LoadReport, feed: str, files: list[LandingFile]
) -> Iterator[NewFile]:
    ledger = connection.execute(
        "select path, checksum, reading from raw.loaded_files where feed = ?", [feed]
    ).fetchall()
    known = {path: (checksum, reading) for path, checksum, reading in ledger}
    counts = report.feeds[feed] = FeedReport()
    for file in files:
        try:
            current = checksum(file.location)
        except OSError:
            current = UNREADABLE
        if known.get(file.path) == (current, file.feed.reading):
            counts.files_unchanged += 1
            connection.execute("delete from raw.rejected_files where feed = ? and path = ?", [feed, file.path])
        else:
            numbers = connection.execute("select nextval('raw.load_ids')").fetchall()
            yield NewFile(file, current, file.path in known, numbers[0][0])


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


def _declare(connection: duckdb.DuckDBPyConnection, sources: Sources) -> None:
    """Write the declarations where the SQL reads them."""
    feeds = list(sources.feeds.values())
    with transaction(connection):
        connection.execute("delete from raw.feeds")
        connection.execute("delete from raw.event_aliases")
        connection.executemany(
            "insert into raw.feeds values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(feed.name, feed.kind, feed.time_zone, list(feed.timestamp_formats)),
                    *(sources.carries_purchases(feed), "products" in feed.carries, feed.cancelled_transaction_prefix),
                    sources.declaration(feed),
                )
                for feed in feeds
            ],
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
    """Adds up what is done and tells whoever listens."""

    def __init__(self, new: dict[str, list[NewFile]], on_progress: Callable[[Progress], None]) -> None:
        files = [item.file for items in new.values() for item in items]
        self._state = Progress(0, len(files), 0, sum(file.size_bytes for file in files))
        self._on_progress = on_progress

    def add(self, file: LandingFile) -> None:
        state = self._state
        self._state = state._replace(files_done=state.files_done + 1, bytes_done=state.bytes_done + file.size_bytes)
        self._on_progress(self._state)


class _Loader:
    """Writes files into the raw tables over one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, report: LoadReport, meter: _Meter) -> None:
        self._connection = connection
        self._report = report
        self._meter = meter

    def load_feed(self, feed: Feed, new: list[NewFile]) -> None:
        # A changed file is loaded by itself: if it cannot be read, rolling back keeps the rows it had.
        for item in new:
            if item.replaces:
                self._load_batch(feed, [item])
        for batch in _batches(item for item in new if not item.replaces):
            self._load_batch(feed, batch)

    def _load_batch(self, feed: Feed, batch: list[NewFile]) -> None:
        """Load files in one transaction; those that cannot be read are noted and the others loaded."""
        unreadable: dict[str, str] = {}
        counts: dict[str, _Counts] = {}
        try:
            with transaction(self._connection):
                counts = self._write(feed, batch, unreadable)
        except _KeepOldRowsError:
            pass
        report = self._report.feeds[feed.name]
        for item in batch:
            path = item.file.path
            if path in unreadable:
                self._note_unreadable(item, unreadable[path])
                report.files_rejected += 1
            else:
                report.files_loaded += 1
                report.files_replaced += item.replaces
                report.lines += counts[path].lines
                report.rows_loaded += counts[path].loaded
                report.rows_rejected += counts[path].rejected
            self._meter.add(item.file)

    def _write(self, feed: Feed, batch: list[NewFile], unreadable: dict[str, str]) -> dict[str, _Counts]:
        """Write the rows and the ledger entries of a batch; fills `unreadable` with path and reason."""
        counts = {item.file.path: _Counts() for item in batch}
        self._forget(feed, [item.file.path for item in batch if item.replaces])
        for header, records in _pieces(batch, counts, unreadable):
            stage(self._connection, feed, header, records)
            for path, loaded, rejected in self._connection.execute(COUNT_ROWS).fetchall():
                counts[path].loaded += loaded
                counts[path].rejected += rejected
            insert_staged(self._connection, feed)
            note_columns(self._connection, feed, header, records["path"][0].as_py())
        if unreadable and any(item.replaces for item in batch):
            raise _KeepOldRowsError
        self._forget(feed, list(unreadable))
        self._enter([item for item in batch if item.file.path not in unreadable], counts)
        return counts

    def _enter(self, loaded: list[NewFile], counts: dict[str, _Counts]) -> None:
        """Write the ledger entries of loaded files."""
        now = datetime.now(UTC).replace(tzinfo=None)
        for item in loaded:
            file, count = item.file, counts[item.file.path]
            self._connection.execute(
                "insert into raw.loaded_files values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    *(item.load_id, file.feed.name, file.path, file.size_bytes, item.checksum, file.feed.reading),
                    *(count.lines, count.loaded, count.rejected, now),
                ],
            )
        self._connection.executemany(
            "delete from raw.rejected_files where feed = ? and path = ?",
            [(item.file.feed.name, item.file.path) for item in loaded] or [("", "")],
        )

    def _forget(self, feed: Feed, paths: list[str]) -> None:
        if not paths:
            return
        execute = self._connection.execute
        execute(f"delete from raw.{feed.kind} where _feed = ? and _file in (select unnest(?))", [feed.name, paths])
        execute("delete from raw.rejected_rows where feed = ? and path in (select unnest(?))", [feed.name, paths])
        execute("delete from raw.loaded_files where feed = ? and path in (select unnest(?))", [feed.name, paths])

    def _note_unreadable(self, item: NewFile, reason: str) -> None:
        self._report.rejected_files[item.file.path] = reason
        self._connection.execute(
            "insert or replace into raw.rejected_files values (?, ?, ?, ?, ?, ?)",
            [
                *(item.file.feed.name, item.file.path, item.file.size_bytes, item.checksum, reason),
                datetime.now(UTC).replace(tzinfo=None),
            ],
        )


class _KeepOldRowsError(Exception):
    """Rolls back the transaction of a changed file that cannot be read, so that the rows it had stay."""


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


def _pieces(
    batch: list[NewFile], counts: dict[str, _Counts], unreadable: dict[str, str]
) -> Iterator[tuple[tuple[str, ...], pa.Table]]:
    """The records of several files, each with path and load_id, in tables of one header and of bounded size."""
    waiting: dict[tuple[str, ...], list[pa.Table]] = {}
    waiting_bytes = 0
    for item in batch:
        path = item.file.path
        try:
            for records in read_records(item):
                if len(records.table) == 0:
                    continue
                counts[path].lines += _line_count(records, item.file.feed)
                named = records.table.append_column("path", pa.repeat(pa.scalar(path), len(records.table)))
                named = named.append_column("load_id", pa.repeat(pa.scalar(item.load_id), len(named)))
                waiting.setdefault(records.header, []).append(named)
                waiting_bytes += records.table.nbytes
                if waiting_bytes > BATCH_BYTES:
                    yield from ((header, pa.concat_tables(tables)) for header, tables in waiting.items())
                    waiting, waiting_bytes = {}, 0
        except UnreadableFileError as error:
            unreadable[path] = str(error)
    yield from ((header, pa.concat_tables(tables)) for header, tables in waiting.items())


def _line_count(records: Records, feed: Feed) -> int:
    # A document is one record here, whose line says how many it holds.
    return records.table["line"][0].as_py() if feed.format == "json" else len(records.table)
