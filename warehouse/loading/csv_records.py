"""Records of CSV files: fields matched to the header, quoted ones by the standard library's reader."""

import csv
import re
from collections.abc import Generator, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.formatting import format_names
from warehouse.loading.dialects import SAMPLE_BYTES, SAMPLE_LINES, Dialect, detect_dialect
from warehouse.loading.landing_files import FileLoad, UnreadableFileError
from warehouse.loading.lines import (
    MAX_LINE_BYTES,
    Lines,
    align_blocks_to_lines,
    find_line_problem,
    make_readable,
    split_lines,
)
from warehouse.sources.declaration import REQUIRED_COLUMNS, Feed

MAX_RECORD_LINES = 1_000
"""Lines that one quoted record may span; a quote left open longer is taken for a broken line."""

LINE_END_CHARS = "\r\n"

DELIMITER_LINE_PATTERN = re.compile(rb"""(?:[\r\n]*"?sep=([!#-/:-@\[-^`{-~]|\t)"?\r?(?:\n|\Z))+""", re.IGNORECASE)
"""What may stand before the header and names the delimiter, as Excel understands it."""

# The standard library's own limit is 128 KiB; the length of a line is limited here.
csv.field_size_limit(MAX_LINE_BYTES)


class CsvRecordReader:
    """Reads one CSV file: its header first, then records by the cheapest way that is exact for each piece."""

    def __init__(self, feed: Feed, file_load: FileLoad) -> None:
        self._feed = feed
        self._file_load = file_load
        self._named_delimiter: str | None = None
        self._dialect = Dialect(",", '"')
        self._next_line_number = 1
        self.header: tuple[str, ...] = ()

    def read_tables(self, blocks: Iterator[bytes]) -> Iterator[pa.Table]:
        """The records: line, text, error, and the fields in the header's order.

        Raises:
            UnreadableFileError: The header is missing, or cannot be read, or lacks a column that the feed needs.
        """
        pending = b""
        for data in align_blocks_to_lines(blocks):
            is_last = not data.endswith(b"\n")
            pending = yield from self._parse_lines(pending + data, is_final=is_last)
        if pending:
            yield from self._parse_lines(pending, is_final=True)
        if not self.header:
            raise UnreadableFileError("the file is empty: it has no header line")

    def _parse_lines(self, lines: bytes, *, is_final: bool) -> Generator[pa.Table, None, bytes]:
        """Yield the records in `lines`; return the lines of a record that may go on in the next ones."""
        if not self.header:
            lines = self._parse_header(lines)
        if not lines:
            return b""
        split = split_lines(lines, self._next_line_number)
        # A quote or a lone carriage return means that a line need not be a record; the standard library's reader knows.
        quote = (self._dialect.quote or "").encode()
        is_special = (quote and quote in lines) or lines.count(b"\r") != lines.count(b"\r\n")
        is_long = pc.max(pc.binary_length(split.text)).as_py() > MAX_LINE_BYTES
        if is_special or is_long or not split.is_utf8():
            table, used = self._parse_quoted(split, is_final=is_final)
        else:
            table, used = self._parse_unquoted(split), len(split.text)
        self._next_line_number += used
        if len(table):
            yield table
        return b"".join(split.get_line_bytes(used))

    def _parse_header(self, lines: bytes) -> bytes:
        """Read the header and what it tells of the dialect; returns the lines after it."""
        start, delimiter = skip_to_header(lines)
        self._named_delimiter = delimiter or self._named_delimiter
        self._next_line_number += lines[: len(lines) - len(start)].count(b"\n")
        if not start:
            return b""
        self._dialect, header = read_header(start, self._feed, self._named_delimiter)
        self._file_load.delimiter, self._file_load.quote = self._dialect
        self._next_line_number += 1
        if problem := find_header_problem(header, self._feed):
            raise UnreadableFileError(problem)
        self.header = tuple(header)
        return start.partition(b"\n")[2]

    def _parse_unquoted(self, lines: Lines) -> pa.Table:
        text = pc.utf8_rtrim(lines.text, LINE_END_CHARS)
        fields = pc.split_pattern(text, self._dialect.delimiter)
        width = len(self.header)
        count = pc.list_value_length(fields)
        ragged = pc.binary_join_element_wise(
            pc.cast(count, pa.string()), pa.scalar(f"fields where the header has {width}"), " "
        )
        error = pc.if_else(pc.equal(count, width), pa.scalar(None, pa.string()), ragged)
        table = pa.table({"line": pa.array(lines.numbers), "text": text, "fields": fields, "error": error})
        return table.filter(pc.not_equal(text, ""))

    def _parse_quoted(self, lines: Lines, *, is_final: bool) -> tuple[pa.Table, int]:
        """Parse with the standard library's reader; returns the records and how many of the lines they used.

        A record that goes wrong costs its first line only: the parse begins again at the next one, so that a stray
        quote cannot swallow the good lines after it.
        """
        width = len(self.header)
        raw = lines.get_line_bytes()
        feeder = _LineFeeder([make_readable(line) for line in raw])
        rows: list[tuple[int, str, list[str] | None, str | None]] = []

        parse = self._dialect.make_reader(feeder)
        while feeder.position < len(feeder.lines):
            start = feeder.begin_record()
            fields: list[str] = []
            error: str | None = None
            try:
                fields = next(parse)
            except StopIteration:
                break
            except csv.Error as problem:
                error = str(problem)
                is_open = feeder.position == len(feeder.lines) and "unexpected end of data" in error
                if is_open and not is_final and not feeder.is_too_long():
                    feeder.position = start
                    break
            if error is None and fields and len(fields) != width:
                error = f"{len(fields)} fields where the header has {width}"
            if error is not None:
                feeder.position = start + 1
                parse = self._dialect.make_reader(feeder)
            text = "".join(feeder.lines[start : feeder.position]).rstrip(LINE_END_CHARS)
            problems = (
                find_line_problem(line, self._file_load.encoding or "") for line in raw[start : feeder.position]
            )
            error = next((problem for problem in problems if problem), error)
            if text:
                rows.append((lines.first_number + start, text, None if error else fields, error))
        columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
        table = pa.table(
            {
                "line": pa.array(columns[0], pa.int64()),
                "text": pa.array(columns[1], pa.large_string()),
                "fields": pa.array(columns[2], pa.list_(pa.large_string())),
                "error": pa.array(columns[3], pa.string()),
            }
        )
        return table, feeder.position


class _LineFeeder:
    """Hands lines to a csv.reader one at a time, so that the parse can begin again at any line."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.position = 0
        self._record_start = 0
        self._record_length = 0

    def begin_record(self) -> int:
        """Take note that a record begins here; returns the place."""
        self._record_start, self._record_length = self.position, 0
        return self._record_start

    def is_too_long(self) -> bool:
        """Whether the record at hand is longer than any record may be."""
        return self.position - self._record_start >= MAX_RECORD_LINES or self._record_length > MAX_LINE_BYTES

    def __iter__(self) -> "_LineFeeder":
        return self

    def __next__(self) -> str:
        if self.position >= len(self.lines):
            raise StopIteration
        if self.position > self._record_start and self.is_too_long():
            raise csv.Error("a quote is not closed")
        line = self.lines[self.position]
        self.position += 1
        self._record_length += len(line)
        return line


def skip_to_header(start: bytes) -> tuple[bytes, str | None]:
    """A file's start without what may precede its header: empty lines, and one that names the delimiter; and that."""
    named = DELIMITER_LINE_PATTERN.match(start)
    header = start[named.end() if named else 0 :].lstrip(b"\r\n")
    return header, named[1].decode("ascii") if named else None


def read_header(start: bytes, feed: Feed, named_delimiter: str | None) -> tuple[Dialect, list[str]]:
    """The dialect of a file whose header and lines after it are these, and the column names of the header.

    Columns at its end that have no name, as spreadsheets leave them, are named by their places.

    Raises:
        UnreadableFileError: The line is no CSV, or no UTF-8.
    """
    header, _, rest = start.partition(b"\n")
    lines = [header, *rest[:SAMPLE_BYTES].split(b"\n")[:SAMPLE_LINES]]
    dialect = detect_dialect([make_readable(line).rstrip("\r") for line in lines], feed, named_delimiter)
    try:
        names = [name.strip() for name in next(dialect.make_reader([header.decode("utf-8").rstrip("\r")]), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(f"the header line cannot be read: {error}") from error
    named = max((place for place, name in enumerate(names, start=1) if name), default=0)
    for place in range(named + 1, len(names) + 1):
        name = f"column {place}"
        names[place - 1] = name if name not in names else f"{name} without a name"
    return dialect, names


def find_header_problem(header: list[str], feed: Feed) -> str | None:
    """Say why a CSV file with this header cannot be loaded, or None."""
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        return f"the header names '{repeated[0]}' twice"
    for column in REQUIRED_COLUMNS[feed.kind]:
        if feed.columns[column] not in header:
            return f"the header has no '{feed.columns[column]}' (for {column}); it has {format_names(header)}"
    if any("\0" in name for name in header):
        return "the header has a name with a zero byte in it"
    return None
