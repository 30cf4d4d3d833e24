"""Records of CSV files; the standard library's reader parses lines with quotes, and Arrow splits the other lines."""

import csv
import re
from collections.abc import Generator, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.loading.column_names import find_header_problem
from warehouse.loading.csv_header import (
    MAX_HEADER_LINES,
    Header,
    IncompleteHeaderError,
    LinesBeforeHeader,
    describe_later_header,
    encode_comment,
    read_header,
)
from warehouse.loading.dialects import Dialect
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

# The standard library's default limit is 128 KiB; MAX_LINE_BYTES limits the length of a line.
csv.field_size_limit(MAX_LINE_BYTES)


class CsvRecordReader:
    """Reads the header and the records of one CSV file; each block is parsed by the fastest method that is exact."""

    def __init__(self, feed: Feed, file_load: FileLoad) -> None:
        self._feed = feed
        self._file_load = file_load
        self._comment = encode_comment(feed)
        self._before_header = LinesBeforeHeader(feed)
        self._dialect = Dialect(",", '"')
        self._next_line_number = 1
        self._header_fields: list[str] = []
        self._min_width = 0
        """Number of fields that a record must have; those of undeclared columns after them can be missing."""

        self.header: tuple[str, ...] = ()

    def read_tables(self, blocks: Iterator[bytes]) -> Iterator[pa.Table]:
        """Yield the records: line, text, error, and the fields in the header's order.

        A file without a header and records has no table. Fields at the end can be missing, or be empty ones without a
        column.

        Raises:
            UnreadableFileError: The header cannot be read, or lacks a required column.
        """
        pending = b""
        for data in align_blocks_to_lines(blocks):
            is_last = not data.endswith(b"\n")
            pending = yield from self._parse_lines(pending + data, is_final=is_last)
        if pending:
            yield from self._parse_lines(pending, is_final=True)
        if self._feed.skip_lines and self._before_header.line_count and not self.header:
            count = self._before_header.line_count
            raise UnreadableFileError(f"all of its {count:,} lines are skipped. Correct skip_lines")

    def _parse_lines(self, lines: bytes, *, is_final: bool) -> Generator[pa.Table, None, bytes]:
        """Yield the records in `lines`; return the lines of a last record that may continue in the next block."""
        if not self.header:
            lines = self._parse_header(lines, is_final=is_final)
            if not self.header:
                return lines
        if not lines:
            return b""
        split = split_lines(lines, self._next_line_number)
        # With quotes or lone carriage returns, a line can be more or less than a record.
        special_chars = [char.encode() for char in (self._dialect.quote, self._dialect.escape) if char]
        is_special = any(char in lines for char in special_chars) or lines.count(b"\r") != lines.count(b"\r\n")
        is_long = pc.max(pc.binary_length(split.text)).as_py() > MAX_LINE_BYTES
        if is_special or is_long or not split.is_utf8():
            table, used_line_count = self._parse_quoted(split, is_final=is_final)
        else:
            table, used_line_count = self._parse_unquoted(split), len(split.text)
        self._next_line_number += used_line_count
        if len(table):
            yield table
        return b"".join(split.get_line_bytes(used_line_count))

    def _parse_header(self, lines: bytes, *, is_final: bool) -> bytes:
        """Read the header and detect the dialect; return the lines after the header, or those that it may begin in."""
        start = self._before_header.skip(lines)
        if not start:
            return b""
        try:
            header = read_header(start, self._feed, self._before_header.delimiter)
        except IncompleteHeaderError:
            if is_final or start.count(b"\n") >= MAX_HEADER_LINES:
                raise
            return start
        header_number = self._before_header.line_count + 1
        if problem := find_header_problem(header.names, self._feed):
            raise UnreadableFileError(problem + describe_later_header(start, header_number, self._feed))
        self._use_header(header)
        self._next_line_number = header_number + header.line_count
        return b"\n".join(start.split(b"\n", header.line_count)[header.line_count :])

    def _use_header(self, header: Header) -> None:
        self._dialect = header.dialect
        self._file_load.delimiter, self._file_load.quote = header.dialect.delimiter, header.dialect.quote
        self._header_fields = list(header.fields)
        self.header = header.names
        declared_names = {*self._feed.mapped_names, *self._feed.condition_names}
        positions = [position for position, name in enumerate(header.names, start=1) if name in declared_names]
        self._min_width = max(positions, default=0) if self._feed.short_lines == "reject" else 0

    def _parse_unquoted(self, lines: Lines) -> pa.Table:
        text = pc.utf8_rtrim(lines.text, LINE_END_CHARS)
        delimiter = self._dialect.delimiter
        record_text = text
        if self._dialect.skips_blanks:
            record_text = pc.replace_substring_regex(text, f"(^|{re.escape(delimiter)}) +", r"\1")
        fields = pc.split_pattern(record_text, delimiter)
        count = pc.list_value_length(fields)
        error = pa.nulls(len(text), pa.string())
        if not pc.all(pc.equal(count, len(self.header))).as_py():
            # The fields that are left without the delimiters at the end.
            filled_count = pc.add(pc.count_substring(pc.utf8_rtrim(record_text, delimiter), delimiter), 1)
            is_valid = pc.and_(pc.greater_equal(count, self._min_width), pc.less_equal(filled_count, len(self.header)))
            width_errors = pc.binary_join_element_wise(
                pc.cast(count, pa.string()), pa.scalar(self._describe_expected_width()), " "
            )
            error = pc.if_else(is_valid, error, width_errors)
        table = pa.table({"line": pa.array(lines.numbers), "text": text, "fields": fields, "error": error})
        return table.filter(self._find_records(text, record_text))

    def _find_records(self, text: pa.Array, record_text: pa.Array) -> pa.Array:
        """Return which lines are records, and not empty, comments or the header of a file that was appended."""
        is_record = pc.not_equal(text, "")
        header_text = self._dialect.delimiter.join(self._header_fields)
        if header_text.count(self._dialect.delimiter) + 1 == len(self._header_fields):
            for repeated_text in (header_text, f"\ufeff{header_text}"):
                is_record = pc.and_(is_record, pc.not_equal(record_text, repeated_text))
        if self._comment:
            is_record = pc.and_(is_record, pc.invert(pc.starts_with(text, self._comment.decode())))
        return is_record

    def _parse_quoted(self, lines: Lines, *, is_final: bool) -> tuple[pa.Table, int]:
        """Parse with the standard library's reader; return the records and the number of lines that they use.

        An invalid record rejects its first line only: the parser restarts at the next line, so that a stray quote does
        not include the valid lines after it.
        """
        raw = lines.get_line_bytes()
        feeder = _LineFeeder([make_readable(line) for line in raw])
        rows: list[tuple[int, str, list[str] | None, str | None]] = []

        parse = self._dialect.make_reader(feeder)
        while feeder.position < len(feeder.lines):
            start = feeder.begin_record()
            if self._comment and raw[start].startswith(self._comment):
                feeder.position += 1
                continue
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
            if error is None and fields:
                error = self._find_width_problem(fields)
            if error is not None:
                feeder.position = start + 1
                parse = self._dialect.make_reader(feeder)
            text = "".join(feeder.lines[start : feeder.position]).rstrip(LINE_END_CHARS)
            problems = (
                find_line_problem(line, self._file_load.encoding or "") for line in raw[start : feeder.position]
            )
            error = next((problem for problem in problems if problem), error)
            if text and (error or not self._is_header(fields)):
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

    def _find_width_problem(self, fields: list[str]) -> str | None:
        if self._min_width <= len(fields) and not any(fields[len(self.header) :]):
            return None
        return f"{len(fields)} {self._describe_expected_width()}"

    def _describe_expected_width(self) -> str:
        return f"fields where the header has {len(self.header)}"

    def _is_header(self, fields: list[str]) -> bool:
        """Return whether a record is the header of a file that was appended."""
        return len(fields) == len(self._header_fields) and [fields[0].removeprefix("\ufeff"), *fields[1:]] == [
            *self._header_fields
        ]


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
