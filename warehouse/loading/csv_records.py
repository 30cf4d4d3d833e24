"""Records of CSV files; the standard library's reader parses lines with quotes, and Arrow splits the other lines."""

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
from warehouse.sources.declaration import Feed
from warehouse.sources.feed_checks import LINE_END_CHARS

MAX_RECORD_LINES = 1_000
"""Maximum number of lines of a quoted record; a quote that stays open longer makes the line invalid."""

DELIMITER_LINE_PATTERN = re.compile(rb"""(?:[\r\n]*"?sep=([!#-/:-@\[-^`{-~]|\t)"?\r?(?:\n|\Z))+""", re.IGNORECASE)
"""A line before the header that names the delimiter, as Excel reads it."""

# The standard library's default limit is 128 KiB; MAX_LINE_BYTES limits the length of a line.
csv.field_size_limit(MAX_LINE_BYTES)


class CsvRecordReader:
    """Reads the header and the records of one CSV file; each block is parsed by the fastest method that is exact."""

    def __init__(self, feed: Feed, file_load: FileLoad) -> None:
        self._feed = feed
        self._file_load = file_load
        self._sep_line_delimiter: str | None = None
        self._dialect = Dialect(",", '"')
        self._next_line_number = 1
        self.header: tuple[str, ...] = ()

    def read_tables(self, blocks: Iterator[bytes]) -> Iterator[pa.Table]:
        """Yield the records: line, text, error, and the fields in the header's order.

        Raises:
            UnreadableFileError: The header is missing, cannot be read, or lacks a required column.
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
        """Yield the records in `lines`; return the lines of a last record that may continue in the next block."""
        if not self.header:
            lines = self._parse_header(lines)
        if not lines:
            return b""
        split = split_lines(lines, self._next_line_number)
        # With quotes or lone carriage returns, a line can be more or less than a record.
        quote = (self._dialect.quote or "").encode()
        is_special = (quote and quote in lines) or lines.count(b"\r") != lines.count(b"\r\n")
        is_long = pc.max(pc.binary_length(split.text)).as_py() > MAX_LINE_BYTES
        if is_special or is_long or not split.is_utf8():
            table, used_line_count = self._parse_quoted(split, is_final=is_final)
        else:
            table, used_line_count = self._parse_unquoted(split), len(split.text)
        self._next_line_number += used_line_count
        if len(table):
            yield table
        return b"".join(split.get_line_bytes(used_line_count))

    def _parse_header(self, lines: bytes) -> bytes:
        """Read the header and detect the dialect; return the lines after the header."""
        start, delimiter = skip_to_header(lines)
        self._sep_line_delimiter = delimiter or self._sep_line_delimiter
        self._next_line_number += lines[: len(lines) - len(start)].count(b"\n")
        if not start:
            return b""
        self._dialect, header = read_header(start, self._feed, self._sep_line_delimiter)
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
        width_errors = pc.binary_join_element_wise(
            pc.cast(count, pa.string()), pa.scalar(f"fields where the header has {width}"), " "
        )
        error = pc.if_else(pc.equal(count, width), pa.scalar(None, pa.string()), width_errors)
        table = pa.table({"line": pa.array(lines.numbers), "text": text, "fields": fields, "error": error})
        return table.filter(pc.not_equal(text, ""))

    def _parse_quoted(self, lines: Lines, *, is_final: bool) -> tuple[pa.Table, int]:
        """Parse with the standard library's reader; return the records and the number of lines that they use.

        An invalid record rejects its first line only: the parser restarts at the next line, so that a stray quote does
        not include the valid lines after it.
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
    """Iterates over lines for a csv.reader, which can restart at any line."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.position = 0
        self._record_start = 0
        self._record_length = 0

    def begin_record(self) -> int:
        """Mark the current line as the start of a record; return its index."""
        self._record_start, self._record_length = self.position, 0
        return self._record_start

    def is_too_long(self) -> bool:
        """Return whether the current record exceeds the maximum of lines or bytes."""
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
    """Skip empty lines and a delimiter line before the header; return the rest and that line's delimiter, if any."""
    match = DELIMITER_LINE_PATTERN.match(start)
    rest = start[match.end() if match else 0 :].lstrip(b"\r\n")
    return rest, match[1].decode("ascii") if match else None


def read_header(start: bytes, feed: Feed, sep_line_delimiter: str | None) -> tuple[Dialect, list[str]]:
    """Detect the dialect of a file from its header and first lines; return the dialect and the column names.

    Unnamed columns at the end, as spreadsheets write them, get a name from their position.

    Raises:
        UnreadableFileError: The header is not valid CSV or not valid UTF-8.
    """
    header, _, rest = start.partition(b"\n")
    lines = [header, *rest[:SAMPLE_BYTES].split(b"\n")[:SAMPLE_LINES]]
    dialect = detect_dialect([make_readable(line).rstrip("\r") for line in lines], feed, sep_line_delimiter)
    try:
        names = [name.strip() for name in next(dialect.make_reader([header.decode("utf-8").rstrip("\r")]), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(f"the header line cannot be read: {error}") from error
    last_named = max((position for position, name in enumerate(names, start=1) if name), default=0)
    for position in range(last_named + 1, len(names) + 1):
        name = f"column {position}"
        names[position - 1] = name if name not in names else f"{name} without a name"
    return dialect, names


def find_header_problem(header: list[str], feed: Feed) -> str | None:
    """Describe why a CSV file with this header cannot be loaded, or return None."""
    repeated_names = sorted({name for name in header if header.count(name) > 1})
    if repeated_names:
        return f"the header has the column '{repeated_names[0]}' twice"
    for column, name in feed.required_names:
        if name not in header:
            return f"the header has no '{name}' (for {column}); it has {format_names(header)}"
    if any("\0" in name for name in header):
        return "the header has a name with a zero byte"
    return None
